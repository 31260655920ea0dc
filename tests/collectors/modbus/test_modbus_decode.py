"""Decoding against one value at a time with ``struct``, known bit patterns, and what must not become a value."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.modbus.decode import UNREAD, Decoded, batches, decode
from historian.config.modbus_address import ModbusPoint, parse_modbus_address
from historian.model.status import GOOD, status_name

FORMATS = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def decode_points(points: list[ModbusPoint], registers: bytes, bits: list[int] | None = None) -> Decoded:
    """Each point's cells are at its address in the buffer."""
    positions = np.array([point.address for point in points], np.intp)
    cells = np.array(bits or [], np.uint8)
    return decode(batches(points, positions), len(points), registers, cells)


def decode_one(type_text: str, *registers: int) -> tuple[float | int | str, str]:
    """Value at full precision and the status' name of one point in ``registers``."""
    decoded = decode_points([parse_modbus_address("hr:0", type_text)], struct.pack(f">{len(registers)}H", *registers))
    value = decoded.text.get(0, decoded.exact.get(0, float(decoded.value[0])))
    return value, status_name(int(decoded.status[0]))


# --- known bit patterns (IEEE 754: 123456.0 is 47F12000, pi is 400921FB54442D18)


@pytest.mark.parametrize(
    ("type_text", "registers", "expected"),
    [
        ("float32", (0x47F1, 0x2000), 123456.0),
        ("float32:ABCD", (0x47F1, 0x2000), 123456.0),
        ("float32:CDAB", (0x2000, 0x47F1), 123456.0),
        ("float32:BADC", (0xF147, 0x0020), 123456.0),
        ("float32:DCBA", (0x0020, 0xF147), 123456.0),
        ("float64", (0x4009, 0x21FB, 0x5444, 0x2D18), math.pi),
        ("float64:CDAB", (0x2D18, 0x5444, 0x21FB, 0x4009), math.pi),
        ("float64:BADC", (0x0940, 0xFB21, 0x4454, 0x182D), math.pi),
        ("float64:DCBA", (0x182D, 0x4454, 0xFB21, 0x0940), math.pi),
        ("int16", (0x8000,), -32768),
        ("int16:BADC", (0x0080,), -32768),
        ("int16:CDAB", (0x8000,), -32768),
        ("uint16", (0xFFFF,), 65535),
        ("int32:CDAB", (0xFFFE, 0xFFFF), -2),
        ("uint32", (0xFFFF, 0xFFFF), 4294967295),
        ("int64", (0x0020, 0, 0, 1), 2**53 + 1),
        ("int64", (0xFFDF, 0xFFFF, 0xFFFF, 0xFFFF), -(2**53) - 1),
        ("uint64", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), 2**64 - 1),
        ("bcd16", (0x1234,), 1234),
        ("bcd16", (0x9999,), 9999),
        ("bcd16:BADC", (0x3412,), 1234),
        ("bcd32", (0x1234, 0x5678), 12345678),
        ("bcd32:CDAB", (0x5678, 0x1234), 12345678),
        ("bool", (0x0000,), 0),
        ("bool", (0x0100,), 1),
        ("string:4", (0x4142, 0x4344), "ABCD"),
        ("string:4:BADC", (0x4241, 0x4443), "ABCD"),
        ("string:6", (0x4142, 0x4300, 0x5A5A), "ABC"),
        ("string:4", (0x4120, 0x2020), "A   "),
        ("string:4", (0, 0), ""),
        ("string:4", (0xC2B0, 0x4300), "\N{DEGREE SIGN}C"),
    ],
)
def test_known_patterns(type_text: str, registers: tuple[int, ...], expected: float | str) -> None:
    assert decode_one(type_text, *registers) == (expected, "Good")


# --- what has no value


@pytest.mark.parametrize(
    ("type_text", "registers", "status"),
    [
        ("float32", (0x7FC0, 0), "BadOutOfRange"),
        ("float32", (0x7F80, 1), "BadOutOfRange"),  # a signalling NaN
        ("float32", (0x7F80, 0), "BadOutOfRange"),
        ("float32", (0xFF80, 0), "BadOutOfRange"),
        ("float32:CDAB", (0, 0x7FC0), "BadOutOfRange"),
        ("float64", (0x7FF8, 0, 0, 0), "BadOutOfRange"),
        ("float64", (0x7FF0, 0, 0, 0), "BadOutOfRange"),
        ("float64", (0xFFF0, 0, 0, 0), "BadOutOfRange"),
        ("bcd16", (0x12A4,), "BadDecodingError"),
        ("bcd16", (0xFFFF,), "BadDecodingError"),
        ("bcd32", (0xA000, 0), "BadDecodingError"),
        ("string:2", (0xB043,), "BadDecodingError"),  # Latin-1, not UTF-8
        ("string:2", (0x41FF,), "BadDecodingError"),
    ],
)
def test_no_value_is_made_up(type_text: str, registers: tuple[int, ...], status: str) -> None:
    value, name = decode_one(type_text, *registers)
    assert name == status
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_lane_in_no_request_is_a_fault_of_the_configuration() -> None:
    points = [parse_modbus_address("hr:0", "string:250"), parse_modbus_address("hr:0", "uint16")]
    decoded = decode(batches(points, np.array([UNREAD, 0])), 2, b"\0\x07", np.empty(0, np.uint8))
    assert [status_name(int(code)) for code in decoded.status] == ["BadConfigurationError", "Good"]
    assert math.isnan(decoded.value[0])
    assert decoded.value[1] == 7


def test_bits_of_a_register() -> None:
    points = [parse_modbus_address(f"ir:0.{bit}", "") for bit in range(16)]
    assert decode_points(points, b"\x80\x05").value.tolist() == [1, 0, 1, *[0] * 12, 1]


def test_coils_and_discrete_inputs() -> None:
    points = [parse_modbus_address("coil:2", ""), parse_modbus_address("di:0", ""), parse_modbus_address("coil:1", "")]
    assert decode_points(points, b"", [0, 1, 1]).value.tolist() == [1, 0, 1]


# --- any mixture of lanes, against one value at a time


def network_order(cells: bytes, order: str) -> bytes:
    """The bytes of a value, most significant first; from the definition, byte by byte."""
    words = [cells[at : at + 2] for at in range(0, len(cells), 2)]
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    if order in ("CDAB", "DCBA"):
        words = words[::-1]
    return b"".join(words)


@st.composite
def lanes(draw: st.DrawFn) -> tuple[list[tuple[str, str]], bytes]:
    types = draw(st.lists(st.tuples(st.sampled_from(sorted(FORMATS)), st.sampled_from(ORDERS)), max_size=30))
    size = sum(struct.calcsize(FORMATS[kind]) for kind, _ in types)
    return types, draw(st.binary(min_size=size, max_size=size))


@given(lanes())
@example(([("float64", "ABCD")], struct.pack(">d", -0.0)))
@example(([("int64", "ABCD"), ("uint64", "CDAB")], b"\x80" + bytes(7) + b"\xff" * 8))
def test_any_mixture_decodes_like_one_at_a_time(case: tuple[list[tuple[str, str]], bytes]) -> None:
    types, buffer = case
    points, expected, at = [], [], 0
    for kind, order in types:
        size = struct.calcsize(FORMATS[kind])
        points.append(parse_modbus_address(f"hr:{at // 2}", f"{kind}:{order}"))
        expected.append(struct.unpack(">" + FORMATS[kind], network_order(buffer[at : at + size], order))[0])
        at += size
    decoded = decode_points(points, buffer)
    for lane, value in enumerate(expected):
        if not math.isfinite(value):
            assert status_name(int(decoded.status[lane])) == "BadOutOfRange"
            assert math.isnan(decoded.value[lane])
            continue
        assert decoded.status[lane] == GOOD
        assert decoded.value[lane].tobytes() == np.float64(value).tobytes()
        assert decoded.exact.get(lane, int(decoded.value[lane])) == int(value) or isinstance(value, float)
        assert (lane in decoded.exact) == (isinstance(value, int) and int(float(value)) != value)


@given(st.lists(st.integers(0, 99_999_999), max_size=20), st.sampled_from(ORDERS))
def test_decimal_digits(numbers: list[int], order: str) -> None:
    points = [parse_modbus_address(f"hr:{2 * lane}", f"bcd32:{order}") for lane in range(len(numbers))]
    buffer = b"".join(network_order(bytes.fromhex(f"{number:08d}"), order) for number in numbers)
    assert decode_points(points, buffer).value.tolist() == numbers


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), st.booleans())
def test_text(text: str, swapped: bool) -> None:
    cells = text.encode().ljust(48, b"\0")
    point = parse_modbus_address("hr:0", "string:48:BADC" if swapped else "string:48")
    decoded = decode_points([point], network_order(cells, "BADC" if swapped else "ABCD"))
    assert decoded.text == {0: text}
    assert math.isnan(decoded.value[0])
