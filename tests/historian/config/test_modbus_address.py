"""Modbus addresses and types; the five- and six-digit forms as in the Modicon manuals: the first register is 40001."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.config.modbus_address import parse_modbus_address
from historian.errors import UnusableValueError
from historian.model.tag import ValueType


@pytest.mark.parametrize(
    ("address", "table", "zero_based", "bit"),
    [
        ("hr:100", "hr", 100, None),
        ("ir:0", "ir", 0, None),
        ("coil:65535", "coil", 65535, None),
        ("di:7", "di", 7, None),
        ("HR:3", "hr", 3, None),
        ("40101", "hr", 100, None),
        ("40001", "hr", 0, None),
        ("49999", "hr", 9998, None),
        ("30001", "ir", 0, None),
        ("10001", "di", 0, None),
        ("00001", "coil", 0, None),
        ("400101", "hr", 100, None),
        ("465536", "hr", 65535, None),
        ("365536", "ir", 65535, None),
        ("165536", "di", 65535, None),
        ("000001", "coil", 0, None),
        ("hr:100.3", "hr", 100, 3),
        ("ir:1.15", "ir", 1, 15),
        ("40101.0", "hr", 100, 0),
    ],
)
def test_addresses(address, table, zero_based, bit):
    point = parse_modbus_address(address)
    assert (point.table, point.address, point.bit) == (table, zero_based, bit)


@pytest.mark.parametrize(
    "address",
    [
        "", "hr", "hr:", "hr:-1", "hr:65536", "hr:1.16", "hr:1.", "hr:1.-1", "hr: 1", "coil:3.1", "di:0.0", "40000",
        "400000", "465537", "20001", "50001", "4001", "1", "00000", "4000001", "x:1", "hr:1e3", "hr:0x10",
        "hr:\N{FULLWIDTH DIGIT ONE}",
        "00001.1", "hr:" + "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_address(address):
    with pytest.raises(UnusableValueError):
        parse_modbus_address(address)


@pytest.mark.parametrize(
    ("type_text", "kind", "order", "length", "value_type"),
    [
        ("", "uint16", "ABCD", 1, ValueType.UINT16),
        ("bool", "bool", "ABCD", 1, ValueType.BOOL),
        ("int16", "int16", "ABCD", 1, ValueType.INT16),
        ("uint16:BADC", "uint16", "BADC", 1, ValueType.UINT16),
        ("int32", "int32", "ABCD", 2, ValueType.INT32),
        ("uint32:DCBA", "uint32", "DCBA", 2, ValueType.UINT32),
        ("float32:CDAB", "float32", "CDAB", 2, ValueType.FLOAT32),
        ("Float32:cdab", "float32", "CDAB", 2, ValueType.FLOAT32),
        ("int64", "int64", "ABCD", 4, ValueType.INT64),
        ("uint64", "uint64", "ABCD", 4, ValueType.UINT64),
        ("float64:CDAB", "float64", "CDAB", 4, ValueType.FLOAT64),
        ("string:16", "string", "ABCD", 8, ValueType.TEXT),
        ("string:5:BADC", "string", "BADC", 3, ValueType.TEXT),
        ("string:250", "string", "ABCD", 125, ValueType.TEXT),
        ("bcd16", "bcd16", "ABCD", 1, ValueType.UINT16),
        ("bcd32", "bcd32", "ABCD", 2, ValueType.UINT32),
    ],
)
def test_types(type_text, kind, order, length, value_type):
    point = parse_modbus_address("hr:0", type_text)
    assert (point.kind, point.byte_order, point.length, point.value_type) == (kind, order, length, value_type)


@pytest.mark.parametrize(
    "type_text",
    ["int", "float32:", "float32:ABDC", "float32:CDAB:1", "string", "string:", "string:0", "string:251",
     "string:5:CDAB", "bool:ABCD", "x", "text", "string:-1", "string:" + "9" * 5000],
)  # fmt: skip
def test_what_is_no_type(type_text):
    with pytest.raises(UnusableValueError):
        parse_modbus_address("hr:0", type_text)


@pytest.mark.parametrize("address", ["coil:1", "di:1", "hr:1.3", "00001"])
def test_a_bit_is_bool(address):
    assert parse_modbus_address(address).kind == "bool"
    assert parse_modbus_address(address, "bool").value_type is ValueType.BOOL
    with pytest.raises(UnusableValueError, match="single bit"):
        parse_modbus_address(address, "int16")


@given(st.integers(0, 65535), st.sampled_from([("int16", 1), ("float32", 2), ("uint64", 4), ("string:7", 4)]))
def test_a_value_ends_before_register_65536(address, type_and_length):
    type_text, length = type_and_length
    if address + length <= 65536:
        assert parse_modbus_address(f"hr:{address}", type_text).length == length
    else:
        with pytest.raises(UnusableValueError, match=f"hr:{65536 - length}"):
            parse_modbus_address(f"hr:{address}", type_text)


@given(st.integers(0, 65535))
def test_both_ways_of_writing_name_the_same_place(address):
    assert parse_modbus_address(f"4{address + 1:05d}") == parse_modbus_address(f"hr:{address}")
    if address < 9999:
        assert parse_modbus_address(f"3{address + 1:04d}") == parse_modbus_address(f"ir:{address}")


@pytest.mark.parametrize(
    ("address", "type_text", "hint"),
    [
        ("hr:0", "real", "'float32'"),
        ("hr:0", "DINT", "'int32'"),
        ("hr:0", "flaot32", "'float32'"),
        ("hr:0", "string", "string:16"),
        ("4x101", "", "'40101'"),
        ("40000", "", "these count from one: '40001' is hr:0"),
        ("300000.3", "", "these count from one: '300001' is ir:0"),
        ("hr:0x65", "", "'hr:101'"),
        ("%MW100", "", "'hr:100'"),
        ("%m3", "", "'coil:3'"),
        ("holding:5", "", "'hr:5'"),
        ("hr100", "", "'hr:100'"),
        ("Coils 3", "", "'coil:3'"),
        ("1", "", "coil:0"),
        ("ns=2;s=x", "", "OPC UA"),
    ],
)
def test_hints(address, type_text, hint):
    with pytest.raises(UnusableValueError) as caught:
        parse_modbus_address(address, type_text)
    assert hint in caught.value.hint


@given(st.text(max_size=12), st.text(max_size=8))
def test_any_text_is_an_address_or_refused(address, type_text):
    with suppress(UnusableValueError):
        point = parse_modbus_address(address, type_text)
        assert 0 <= point.address < point.address + point.length <= 65536
