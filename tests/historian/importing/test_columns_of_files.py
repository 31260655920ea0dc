"""Columns of times, statuses and values, one cell at a time as a person would read them."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from historian.errors import UsageError
from historian.importing.statuses import StatusReader
from historian.importing.tag_book import KnownTag, TagBook
from historian.importing.times import NO_TIME, TimeReader
from historian.importing.values import read_values
from historian.model.status import status_name
from historian.model.tag import Tag, ValueType


def instants(values: pa.Array, *, zone=UTC, time_format=None) -> list[str | None]:
    times = TimeReader(zone, time_format).read(values, np.zeros(len(values), np.int32)).time_us
    return [None if each == NO_TIME else f"{np.datetime64(int(each), 'us')}" for each in times]


NOON = "2026-11-22T12:00:00.000000"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22 13:00:00+01:00", NOON),
        ("2026-11-22T06:30:00.000-0530", NOON),
        ("2026-11-22 12:00", NOON),
        (" 2026-11-22 12:00:00.000 ", NOON),
        ("2026-11-22 12:00:00.000000123", NOON),
        ("20261122T120000Z", NOON),
        ("2026-11-22", "2026-11-22T00:00:00.000000"),
        ("2026-13-22 12:00", None),
        ("2026-02-30", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_texts_of_times(said, wanted):
    # Between others of both kinds, so that one bad cell does not decide for its column.
    column = pa.array(["2020-01-01T00:00:00Z", said, "2020-01-01 00:00:00"], pa.string())
    assert instants(column)[1] == wanted
    assert instants(column)[::2] == ["2020-01-01T00:00:00.000000"] * 2


def test_one_bad_time_among_many_is_found():
    texts = [f"2026-11-22 {hour:02}:{minute:02}:00" for hour in range(24) for minute in range(60)]
    texts[777] = "2026-11-22 99:00:00"
    found = instants(pa.array(texts))
    assert [row for row, each in enumerate(found) if each is None] == [777]


@pytest.mark.parametrize(
    ("values", "time_format"),
    [
        (pa.array([1_795_348_800]), None),
        (pa.array([1_795_348_800_000]), None),
        (pa.array([1_795_348_800_000_000]), None),
        (pa.array([1_795_348_800_000_000_000]), None),
        (pa.array([1_795_348_800.0]), None),
        (pa.array(["1795348800"]), None),
        (pa.array(["1795348800000"]), "epoch-ms"),
        (pa.array(["22.11.2026 12:00"]), "%d.%m.%Y %H:%M"),
        (pa.array(["11/22/26 12:00:00.0 +0000"]), "%m/%d/%y %H:%M:%S.%f %z"),
        (pa.array([1_795_348_800], pa.timestamp("s")), None),
        (pa.array([1_795_348_800_000], pa.timestamp("ms", tz="Europe/Berlin")), None),
    ],
)
def test_other_kinds_of_times(values, time_format):
    assert instants(values, time_format=time_format) == [NOON]


def test_times_without_a_zone_are_in_that_of_the_import():
    zone = ZoneInfo("America/New_York")
    assert instants(pa.array(["2026-11-22 07:00", "2026-11-22 12:00Z"]), zone=zone) == [NOON, NOON]


def test_a_format_for_numbers_is_refused():
    with pytest.raises(UsageError, match="epoch-ms"):
        instants(pa.array([5]), time_format="%Y")


def names(values: pa.Array, *, is_quality: bool = False, codes=None) -> list[str]:
    found = StatusReader(codes, is_quality=is_quality).read(values)
    return [
        "?" if unreadable else status_name(int(code))
        for code, unreadable in zip(found.code, found.unreadable, strict=True)
    ]


def test_texts_of_statuses():
    said = ["good", "Uncertain", "BAD", "BadNoCommunication", "0x80310000", "2150694912", "", None, "perhaps",
            "Bad(0x8FFF0000)"]  # fmt: skip
    assert names(pa.array(said)) == [
        "Good", "Uncertain", "Bad", "BadNoCommunication", "BadNoCommunication", "BadNoCommunication", "Good", "Good",
        "?", "Bad(0x8FFF0000)",
    ]  # fmt: skip


def test_numbers_are_status_codes_or_bytes_of_opc_da():
    assert names(pa.array([192, 0, 24, 64, 0x44])) == [
        "Good", "Bad", "BadNoCommunication", "Uncertain", "UncertainLastUsableValue",
    ]  # fmt: skip
    assert names(pa.array([0, 0x80310000])) == ["Good", "BadNoCommunication"]
    assert names(pa.array([0]), is_quality=True) == ["Bad"]
    assert names(pa.array([0]), is_quality=True, codes="opc-ua") == ["Good"]
    assert names(pa.array([0x80310000 - 2**32], pa.int32())) == ["BadNoCommunication"]  # kept in a signed column
    assert names(pa.array(["192", "bad"])) == ["Good", "Bad"]


def book_of(**tags: Tag) -> TagBook:
    return TagBook(lambda name: KnownTag(tags[name], 1) if name in tags else None)


def read(column: pa.Array, tag: Tag | None = None, *, comma: bool = False):
    book = book_of(**({} if tag is None else {"T": tag}))
    series = np.full(len(column), book.series("T"), np.int32)
    found = read_values(column, series, book, decimal_comma=comma)
    shown = [
        "none" if found.missing[row] else "?" if found.unreadable[row]
        else found.text.get(row, found.exact.get(row, float(found.value[row])))
        for row in range(len(column))
    ]  # fmt: skip
    return shown, book.tags[0].value_type


def tag(value_type: ValueType, **settings) -> Tag:
    return Tag("T", "boiler", "hr:1", "fast", value_type, **settings)


@pytest.mark.parametrize(
    ("column", "wanted", "value_type"),
    [
        (pa.array(["1.5", "", "NaN", "-2e3", "x"]), [1.5, "none", "none", -2000, "?"], ValueType.FLOAT64),
        (pa.array(["1", "2", "n/a", "3.5"]), [1, 2, "none", 3.5], ValueType.FLOAT64),
        (pa.array(["1", "9007199254740993", None]), [1, 2**53 + 1, "none"], ValueType.INT64),
        (pa.array(["18446744073709551615"]), [2**64 - 1], ValueType.UINT64),
        (pa.array(["true", "FALSE", "nan"]), [1, 0, "none"], ValueType.BOOL),
        (pa.array(["true", "FALSE"]), [1, 0], ValueType.BOOL),
        (pa.array(["open", "NA", "", "7"]), ["open", "NA", "none", "7"], ValueType.TEXT),
        (pa.array([1.5, None, float("nan")]), [1.5, "none", "none"], ValueType.FLOAT64),
        (pa.array([2**53 + 1, 3]), [2**53 + 1, 3], ValueType.INT64),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1], ValueType.UINT64),
        (pa.array([True, None, False]), [1, "none", 0], ValueType.BOOL),
        (pa.array([0.5], pa.float32()), [0.5], ValueType.FLOAT32),
        (pa.array([5], pa.int8()), [5], ValueType.INT16),
    ],
)
def test_a_new_tag_has_the_type_that_its_first_values_show(column, wanted, value_type):
    shown, found = read(column)
    assert (shown, found) == (wanted, value_type)


@pytest.mark.parametrize(
    ("column", "known", "wanted"),
    [
        (pa.array(["1", "0", "on", "2"]), tag(ValueType.BOOL), [1, 0, 1, "?"]),
        (pa.array([1.0, 0.0, 0.5]), tag(ValueType.BOOL), [1, 0, "?"]),
        (pa.array(["7", "7.5", "70000", "-1"]), tag(ValueType.UINT16), [7, "?", "?", "?"]),
        (pa.array([7.0, 7.5]), tag(ValueType.INT16), [7, "?"]),
        (pa.array([7.5]), tag(ValueType.INT16, scale=0.5), [7.5]),
        (pa.array([7.5, 8.0]), tag(ValueType.TEXT), ["7.5", "8"]),
        (
            pa.array(["open", "1", "ajar", "5"]),
            tag(ValueType.BOOL, enumeration={0: "closed", 1: "open"}),
            [1, 1, "?", "?"],
        ),
        (pa.array(["x", "2"]), tag(ValueType.FLOAT32), ["?", 2]),
    ],
)
def test_a_known_tag_keeps_its_type(column, known, wanted):
    assert read(column, known) == (wanted, known.value_type)


def test_decimal_commas():
    assert read(pa.array(["1,5", "-2"]), comma=True)[0] == [1.5, -2]


def test_a_column_of_lists_is_refused():
    with pytest.raises(UsageError, match="--skip"):
        read(pa.array([[1]]))
