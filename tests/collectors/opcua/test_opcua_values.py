"""DataValues to columns: every kind of Variant, statuses bit for bit, times by the source's choice."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from collectors.driver import Reading
from collectors.opcua.data_values import DataValues, Decoder
from collectors.opcua.values import Columns
from historian.config.settings import TimestampChoice

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOW_US = 1_795_348_800_000_000
"""The same by ``date -u -d 2026-11-22T12:00 +%s``."""

ARRIVAL_US = NOW_US + 5_000_000

BAD_TYPE_MISMATCH = 0x80740000
BAD_OUT_OF_RANGE = 0x803C0000
BAD_NO_VALUE = 0x80F00000
GOOD_CLAMPED_LOW = 0x00300000 | 0x0400 | 0x0100
"""GoodClamped with the InfoType DataValue and the limit bits Low (OPC 10000-4, 7.39.1)."""

UNCERTAIN_SENSOR = 0x40930000


def variant(value: Any, kind: ua.VariantType, **more: Any) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind, **more), SourceTimestamp=NOW)


def wired(answers: list[ua.DataValue]) -> DataValues:
    """The answers after they went through the encoding."""
    body = b"".join(map(struct_to_binary, answers)) + bytes(4)  # no diagnostics
    return Decoder().decode(body, 0, len(answers))[0]


def read(*answers: ua.DataValue, choice: TimestampChoice = "source", max_skew_us: int = 10_000_000) -> Reading:
    columns = Columns(np.zeros(len(answers), np.uint32), ARRIVAL_US, choice, max_skew_us)
    columns.fill(np.arange(len(answers)), wired(list(answers)), ARRIVAL_US)
    return columns.reading()


def held(reading: Reading, lane: int = 0) -> object:
    return reading.text.get(lane, reading.exact.get(lane, float(reading.value[lane])))


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, "Boolean", 1.0),
        (False, "Boolean", 0.0),
        (-128, "SByte", -128.0),
        (255, "Byte", 255.0),
        (-32768, "Int16", -32768.0),
        (65535, "UInt16", 65535.0),
        (-(2**31), "Int32", -2147483648.0),
        (2**32 - 1, "UInt32", 4294967295.0),
        (-(2**63), "Int64", -9223372036854775808.0),
        (2**53 + 1, "Int64", 9007199254740993),
        (-(2**53) - 1, "Int64", -9007199254740993),
        (2**64 - 1, "UInt64", 18446744073709551615),
        (0.1, "Double", 0.1),
        (0.5, "Float", 0.5),
        ("Kessel 7", "String", "Kessel 7"),
        ("1.5", "String", "1.5"),
        ("", "String", ""),
        ("Größe µ 漢", "String", "Größe µ 漢"),
        (ua.LocalizedText("Betrieb", "de"), "LocalizedText", "Betrieb"),
        (ua.QualifiedName("PV", 2), "QualifiedName", "2:PV"),
        (uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"), "Guid", "09087e75-8e5e-499b-954f-f2a9603db28a"),
        (datetime(2026, 3, 1, 4, 5, 6, 7, tzinfo=UTC), "DateTime", "2026-03-01T04:05:06.000007Z"),
        (ua.StatusCode(ua.UInt32(0x80340000)), "StatusCode", 2150891520.0),
    ],
)
def test_scalars_keep_their_value(value: object, kind: str, expected: object) -> None:
    reading = read(variant(value, ua.VariantType[kind]))
    assert reading.status.tolist() == [0]
    assert held(reading) == expected
    assert math.isnan(reading.value[0]) is isinstance(expected, str)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (variant(b"\x01\x02", ua.VariantType.ByteString), BAD_TYPE_MISMATCH),
        (variant([1.0, 2.0], ua.VariantType.Double), BAD_TYPE_MISMATCH),
        (variant([], ua.VariantType.Int32), BAD_TYPE_MISMATCH),
        (variant([[1, 2], [3, 4]], ua.VariantType.Int32), BAD_TYPE_MISMATCH),
        (variant(ua.NodeId(7, 2), ua.VariantType.NodeId), BAD_TYPE_MISMATCH),
        (variant(ua.Range(0.0, 100.0), ua.VariantType.ExtensionObject), BAD_TYPE_MISMATCH),
        (variant(None, ua.VariantType.Null), BAD_NO_VALUE),
        (variant(None, ua.VariantType.String), BAD_NO_VALUE),
        (variant(ua.LocalizedText(), ua.VariantType.LocalizedText), BAD_NO_VALUE),
        (variant(datetime(1601, 1, 1, tzinfo=UTC), ua.VariantType.DateTime), BAD_NO_VALUE),
        (variant(math.nan, ua.VariantType.Double), BAD_OUT_OF_RANGE),
        (variant(math.inf, ua.VariantType.Double), BAD_OUT_OF_RANGE),
        (variant(-math.inf, ua.VariantType.Float), BAD_OUT_OF_RANGE),
    ],
)
def test_what_is_no_scalar_is_bad_and_spares_its_neighbours(answer: ua.DataValue, status: int) -> None:
    reading = read(variant(1.5, ua.VariantType.Double), answer, variant("t", ua.VariantType.String))
    assert reading.status.tolist() == [0, status, 0]
    assert reading.value[0] == 1.5
    assert math.isnan(reading.value[1])
    assert reading.text == {2: "t"}
    assert reading.exact == {}


@pytest.mark.parametrize("code", [0, GOOD_CLAMPED_LOW, UNCERTAIN_SENSOR, UNCERTAIN_SENSOR | 0x4000, 0x00960000 | 0x80])
def test_statuses_with_a_value_are_kept_bit_for_bit(code: int) -> None:
    answers = [(2**63 - 1, "Int64"), ("t", "String"), (0.25, "Double")]
    reading = read(
        *(
            ua.DataValue(ua.Variant(value, ua.VariantType[kind]), ua.StatusCode(ua.UInt32(code)))
            for value, kind in answers
        )
    )
    assert reading.status.tolist() == [code] * 3
    assert [held(reading, lane) for lane in range(3)] == [value for value, _ in answers]


@pytest.mark.parametrize("code", [0x80000000, 0x808C0000, 0x808C0481, 0xC0000000, 0xFFFFFFFF])
@pytest.mark.parametrize("value", [(7.0, "Double"), (2**63 - 1, "Int64"), ("t", "String"), (math.nan, "Float"), None])
def test_a_bad_status_is_kept_and_takes_the_value_away(code: int, value: tuple[object, str] | None) -> None:
    content = ua.Variant(value[0], ua.VariantType[value[1]]) if value else None
    reading = read(ua.DataValue(content, ua.StatusCode(ua.UInt32(code))))
    assert reading.status.tolist() == [code]
    assert math.isnan(reading.value[0])
    assert (reading.exact, reading.text) == ({}, {})


def test_bytes_that_are_no_utf8_can_still_be_stored() -> None:
    latin1 = "Gr\udcf6\udcdfe"  # what the library makes of b"Gr\xf6\xdfe"
    assert read(variant(latin1, ua.VariantType.String)).text == {0: "Gr\ufffd\ufffde"}


YEAR_1_AS_SENT = datetime(1601, 1, 1, tzinfo=UTC)
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
SERVER = NOW + timedelta(seconds=2)
SERVER_US = NOW_US + 2_000_000


@pytest.mark.parametrize(
    ("choice", "source", "server", "expected_us"),
    [
        ("source", NOW, SERVER, NOW_US),
        ("source", NOW, None, NOW_US),
        ("source", None, SERVER, SERVER_US),
        ("source", YEAR_1_AS_SENT, SERVER, SERVER_US),
        ("source", BEFORE_1970, SERVER, SERVER_US),
        ("source", END_OF_TIME, SERVER, SERVER_US),
        ("source", None, None, ARRIVAL_US),
        ("source", YEAR_1_AS_SENT, BEFORE_1970, ARRIVAL_US),
        ("server", NOW, SERVER, SERVER_US),
        ("server", NOW, None, ARRIVAL_US),
        ("server", NOW, YEAR_1_AS_SENT, ARRIVAL_US),
        ("arrival", NOW, SERVER, ARRIVAL_US),
    ],
)
def test_the_time_is_the_first_plausible_from_the_chosen_one_on(
    choice: TimestampChoice, source: datetime | None, server: datetime | None, expected_us: int
) -> None:
    answer = ua.DataValue(ua.Variant(1.0), SourceTimestamp=source, ServerTimestamp=server)
    assert read(answer, choice=choice).time_us.tolist() == [expected_us]


@pytest.mark.parametrize(
    ("choice", "offsets_s", "ahead"),
    [("source", [0, 14, 16, 3600], 2), ("source", [-3600, -86400], 0), ("server", [16], 1), ("arrival", [3600], 0)],
)
def test_times_from_the_future_are_counted(choice: TimestampChoice, offsets_s: list[int], ahead: int) -> None:
    times = [NOW + timedelta(seconds=offset) for offset in offsets_s]
    answers = [ua.DataValue(ua.Variant(1.0), SourceTimestamp=time, ServerTimestamp=time) for time in times]
    columns = Columns(np.zeros(len(answers), np.uint32), ARRIVAL_US, choice, 10_000_000)
    columns.fill(np.arange(len(answers)), wired(answers), ARRIVAL_US)
    assert columns.reading().skewed == ahead
    assert columns.reading().skewed == 0, "counted once"


def test_answers_of_several_requests_fall_into_their_lanes() -> None:
    columns = Columns(np.array([0, 0x80340000, 0, 0], np.uint32), ARRIVAL_US, "arrival", 0)
    columns.fill(np.array([3, 0]), wired([variant("c", ua.VariantType.String), variant(2.0, ua.VariantType.Double)]), 7)
    columns.fill(np.array([2]), wired([variant(2**53 + 1, ua.VariantType.UInt64)]), 9)
    reading = columns.reading()
    assert reading.time_us.tolist() == [7, ARRIVAL_US, 9, 7]
    assert reading.status.tolist() == [0, 0x80340000, 0, 0]
    assert (reading.text, reading.exact, reading.value[0]) == ({3: "c"}, {2: 2**53 + 1}, 2.0)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(width=64) | st.booleans() | st.text() | st.none()))
def test_whatever_comes_is_kept_exactly_or_bad(values: list[object]) -> None:
    kinds = {int: "Int64", float: "Double", bool: "Boolean", str: "String", type(None): "Null"}
    reading = read(*(variant(value, ua.VariantType[kinds[type(value)]]) for value in values))
    for lane, value in enumerate(values):
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            assert reading.status[lane] == (BAD_NO_VALUE if value is None else BAD_OUT_OF_RANGE)
            assert math.isnan(reading.value[lane])
        else:
            assert reading.status[lane] == 0
            assert held(reading, lane) == value
            assert (lane in reading.exact) == (isinstance(value, int) and int(float(value)) != value)
