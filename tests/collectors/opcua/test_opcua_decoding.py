"""Answers decoded in columns are what asyncua decodes value by value: every built-in type, every mask, any mixture."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_from_binary, variant_to_binary
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.opcua.data_values import NO_VALUE, NOT_STORABLE, DataValues, Decoder
from collectors.opcua.layout import HAS_VALUE, STRING
from collectors.opcua.layout import SCALAR_BYTES as NUMBER_BYTES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_9999 = datetime(9999, 12, 31, tzinfo=UTC)
TAIL = bytes(4)
"""No diagnostics, as they follow the values of every answer."""

octets = st.binary(max_size=12)
SCALAR_BYTES: dict[int, st.SearchStrategy[bytes]] = {
    kind: st.binary(min_size=size, max_size=size) for kind, size in NUMBER_BYTES.items()
} | {STRING: st.just(struct.pack("<i", -1)) | octets.map(lambda text: struct.pack("<i", len(text)) + text)}
"""Any bytes that are a value of the type, also NaN, 255 as a truth and texts that are no UTF-8."""

RARE = [
    ua.Variant(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), ua.VariantType.DateTime),
    ua.Variant(datetime(1601, 1, 1, tzinfo=UTC), ua.VariantType.DateTime),
    ua.Variant(UUID("09087e75-8e5e-499b-954f-f2a9603db28a"), ua.VariantType.Guid),
    ua.Variant(b"\x01\x02", ua.VariantType.ByteString),
    ua.Variant(ua.NodeId(7, 2), ua.VariantType.NodeId),
    ua.Variant(ua.QualifiedName("PV", 2), ua.VariantType.QualifiedName),
    ua.Variant(ua.LocalizedText("Größe", "de"), ua.VariantType.LocalizedText),
    ua.Variant(ua.LocalizedText(), ua.VariantType.LocalizedText),
    ua.Variant(ua.Range(0.0, 1.0), ua.VariantType.ExtensionObject),
    ua.Variant([1.0, 2.0], ua.VariantType.Double),
    ua.Variant([], ua.VariantType.Int32),
    ua.Variant(["a", None], ua.VariantType.String),
    ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32),
]
RARE_BYTES = [variant_to_binary(variant) for variant in RARE]
FIELDS = ((2, "<I"), (4, "<q"), (16, "<H"), (8, "<q"), (32, "<H"))
"""What follows the value, in the order of OPC 10000-6, table 27; asyncua 2.1 has the picoseconds at the end."""
PICOSECONDS = 0x30


@st.composite
def data_values(draw: st.DrawFn) -> bytes:
    """One DataValue as bytes: any mask of the standard, any type."""
    mask = draw(st.integers(0, 0x3F))
    value = b""
    if mask & HAS_VALUE:
        kind = draw(st.sampled_from([*SCALAR_BYTES, 0]) | st.just(99))
        value = draw(st.sampled_from(RARE_BYTES)) if kind == 99 else bytes([kind]) + draw(SCALAR_BYTES[kind])
    sizes = [struct.calcsize(form) for bit, form in FIELDS if mask & bit]
    return bytes([mask]) + value + b"".join(draw(st.binary(min_size=size, max_size=size)) for size in sizes)


def decoded(answer: bytes) -> ua.DataValue:
    """The value as the library decodes it, the rest as the standard says; all by the library where it can."""
    buffer = Buffer(answer)
    mask = buffer.read(1)[0]
    value = variant_from_binary(buffer) if mask & HAS_VALUE else ua.Variant()
    rest = {bit: struct.unpack(form, buffer.read(struct.calcsize(form)))[0] for bit, form in FIELDS if mask & bit}
    times = [ua.win_epoch_to_datetime(rest[bit]) if bit in rest else None for bit in (4, 8)]
    expected = ua.DataValue(value, ua.StatusCode(ua.UInt32(rest.get(2, 0))), *times)
    if not mask & PICOSECONDS:
        assert repr(struct_from_binary(ua.DataValue, Buffer(answer))) == repr(expected)
    return expected


def microseconds(time: datetime | None) -> int:
    """The rule of the columns in words: none, before 1970 and the end of time are 0."""
    return 0 if time is None or time < EPOCH or time >= YEAR_9999 else (time - EPOCH) // timedelta(microseconds=1)


def plain(value: Any) -> int | float | str | None:
    """What a scalar of the library is in the columns; raises KeyError for what cannot be stored."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return {
        str: lambda: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        datetime: lambda: None if value.year == 1601 else value.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        UUID: lambda: str(value),
        ua.StatusCode: lambda: value.value,
        ua.QualifiedName: lambda: f"{value.NamespaceIndex}:{value.Name}",
        ua.LocalizedText: lambda: value.Text,
    }[type(value)]()


def assert_same(found: DataValues, row: int, expected: Any) -> None:
    assert found.status[row] == expected.StatusCode.value
    assert found.source_us[row] == microseconds(expected.SourceTimestamp)
    assert found.server_us[row] == microseconds(expected.ServerTimestamp)
    try:
        value = None if expected.Value.is_array else plain(expected.Value.Value)
        kind = NOT_STORABLE if expected.Value.is_array else expected.Value.VariantType.value
    except KeyError:
        value, kind = None, NOT_STORABLE
    assert found.kind[row] == (NO_VALUE if value is None and kind != NOT_STORABLE else kind)
    number = found.value[row]
    if value is None or isinstance(value, str):
        assert math.isnan(number)
        assert found.text.get(row) == value
    elif isinstance(value, float):
        assert np.array([number]).tobytes() == np.array([value]).tobytes() or (math.isnan(number) and math.isnan(value))
    else:
        assert number == float(value)
        assert found.exact.get(row) == (int(value) if int(float(value)) != value else None)


def check(answers: list[bytes], decoder: Decoder, lead: int = 0) -> None:
    """Decode ``answers`` both ways."""
    before = b"HEAD"
    body = before + b"".join(b"\xee" * lead + answer for answer in answers) + TAIL
    found, layout = decoder.decode(body, len(before), len(answers), lead)
    assert layout.end == len(body) - len(before) - len(TAIL)
    assert len(found) == len(answers)
    for row, answer in enumerate(answers):
        assert_same(found, row, decoded(answer))


@example([b"\x01\x0a\x00\x00\x81\x7f"], 0)  # a signalling NaN
@given(st.lists(data_values(), max_size=8), st.sampled_from([0, 4]))
def test_any_mixture_is_decoded_as_by_the_library(answers: list[bytes], lead: int) -> None:
    decoder = Decoder()
    for _ in range(2):  # the second time by what is remembered
        check(answers, decoder, lead)


@given(st.lists(data_values(), min_size=1, max_size=6), st.data())
def test_what_is_remembered_never_misleads(answers: list[bytes], data: st.DataObject) -> None:
    """The next answer of the same request may have another form in any of its values."""
    decoder = Decoder()
    check(answers, decoder)
    row = data.draw(st.integers(0, len(answers) - 1))
    check([*answers[:row], data.draw(data_values()), *answers[row + 1 :]], decoder)
    check(answers, decoder)


@pytest.mark.parametrize("kind", sorted(SCALAR_BYTES))
@pytest.mark.parametrize("mask", range(0x40))
def test_every_type_with_every_mask(kind: int, mask: int) -> None:
    size = NUMBER_BYTES.get(kind, 4)
    value = bytes([kind]) + (struct.pack("<i", 3) + b"abc" if kind == STRING else bytes(range(1, size + 1)))
    tail = b"".join(
        bytes([7 - place] * (struct.calcsize(form) - 1) + [1])[: struct.calcsize(form)]
        for place, (bit, form) in enumerate(FIELDS)
        if mask & bit
    )
    check([bytes([mask]) + (value if mask & HAS_VALUE else b"") + tail] * 3, Decoder())


def test_a_uniform_answer_is_not_walked_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    answers = [
        struct_to_binary(ua.DataValue(ua.Variant(number / 3), SourceTimestamp=now, ServerTimestamp=now))
        for number in range(50)
    ]
    decoder = Decoder()
    check(answers, decoder)
    monkeypatch.setattr("collectors.opcua.data_values.find_layout", None)
    check(answers, decoder)


@pytest.mark.parametrize(
    "body",
    [
        b"\x01\x0b\x00\x00",  # a Double of two bytes
        b"\x01\x0c\xff\xff\xff\x7f" + b"a" * 8,  # a text of 2 GiB
        b"\x01\x0c\xfe\xff\xff\xff" + b"a" * 8,  # a text of -2 bytes
        b"\x01\x81\xff\xff\xff\x7f",  # an array of 2^31 truths
        b"\x01\x3f",
        b"",
    ],
)
def test_rubbish_raises_and_reads_nothing_beyond(body: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - the caller takes anything for an answer that is none
        Decoder().decode(body, 0, 1)


def test_more_values_than_bytes_are_not_made_room_for() -> None:
    with pytest.raises(ua.UaError, match="for 2147483647 values"):
        Decoder().decode(b"\x00" * 64, 0, 2**31 - 1)
