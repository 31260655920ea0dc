"""Registers hold the bytes that the byte orders say; expected words are written out by hand."""

import math

import pytest

from collectors.simulator.registers import to_counts, to_registers


@pytest.mark.parametrize(
    ("value", "type_", "words"),
    [
        (1.0, "float32", [0x3F80, 0x0000]),
        (1.0, "float32:CDAB", [0x0000, 0x3F80]),
        (1.0, "float32:BADC", [0x803F, 0x0000]),
        (1.0, "float32:DCBA", [0x0000, 0x803F]),
        (-2, "int16", [0xFFFE]),
        (0x12345678, "uint32", [0x1234, 0x5678]),
        (0x12345678, "uint32:CDAB", [0x5678, 0x1234]),
        (0x12345678, "uint32:BADC", [0x3412, 0x7856]),
        (0x12345678, "uint32:DCBA", [0x7856, 0x3412]),
        (2**53 + 1, "uint64", [0x0020, 0x0000, 0x0000, 0x0001]),
        (2**53 + 1, "uint64:CDAB", [0x0001, 0x0000, 0x0000, 0x0020]),
        (-1, "int64", [0xFFFF] * 4),
        (1.0, "float64", [0x3FF0, 0, 0, 0]),
        (1234, "bcd16", [0x1234]),
        (12345678, "bcd32:CDAB", [0x5678, 0x1234]),
        (123456789, "bcd32", [0x2345, 0x6789]),
        ("AB", "string:4", [0x4142, 0x0000]),
        ("ABC", "string:3", [0x4142, 0x4300]),
    ],
)
def test_words_of_a_value(value, type_, words):
    assert to_registers(value, type_) == words


def test_no_value_is_a_quiet_nan():
    high, low = to_registers(math.nan, "float32")
    assert high & 0x7F80 == 0x7F80
    assert high & 0x007F or low


def test_a_type_without_registers_is_refused():
    with pytest.raises(ValueError, match="text"):
        to_registers(1, "text")


def test_counts_undo_the_scale():
    assert to_counts(24.03, 0.01) == 2403
    assert to_counts(24.03, None) == 24.03
