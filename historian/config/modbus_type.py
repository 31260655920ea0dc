"""Types of values in Modbus registers: ``float32``, ``int32:CDAB``, ``string:16``, ``bcd32``.

A register has 16 bits; how larger values lie in several is the device's choice.  The letters of a byte order name the
bytes of a 32-bit value from the most significant, in the order in which they come over the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias, cast

from historian.config.nearest import did_you_mean, one_of, shown
from historian.errors import UnusableValueError
from historian.model.tag import ValueType

ModbusKind: TypeAlias = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string", "bcd16", "bcd32"
]
ByteOrder: TypeAlias = Literal["ABCD", "BADC", "CDAB", "DCBA"]

REGISTERS: Final[dict[str, int]] = {
    "bool": 1, "int16": 1, "uint16": 1, "bcd16": 1, "int32": 2, "uint32": 2, "float32": 2, "bcd32": 2,
    "int64": 4, "uint64": 4, "float64": 4,
}  # fmt: skip
"""Registers of each kind of fixed length."""

BYTE_ORDERS: Final[tuple[ByteOrder, ...]] = ("ABCD", "BADC", "CDAB", "DCBA")

TEXT_ORDERS: Final[tuple[ByteOrder, ...]] = ("ABCD", "BADC")
"""Text has no words to swap: only the two characters of a register may change places."""

MAX_TEXT: Final = 250
"""Characters that one request can carry: 125 registers of two (Modbus Application Protocol 1.1b3, 6.3)."""

VALUE_TYPES: Final[dict[str, ValueType]] = {
    "bool": ValueType.BOOL, "int16": ValueType.INT16, "uint16": ValueType.UINT16, "int32": ValueType.INT32,
    "uint32": ValueType.UINT32, "int64": ValueType.INT64, "uint64": ValueType.UINT64, "float32": ValueType.FLOAT32,
    "float64": ValueType.FLOAT64, "string": ValueType.TEXT, "bcd16": ValueType.UINT16, "bcd32": ValueType.UINT32,
}  # fmt: skip
"""What each kind is once it is read; bcd32 reaches 99,999,999."""

OTHER_NAMES: Final[dict[str, str]] = {
    "real": "float32", "float": "float32", "single": "float32", "lreal": "float64", "double": "float64",
    "int": "int16", "sint": "int16", "short": "int16", "integer": "int16", "dint": "int32", "long": "int32",
    "lint": "int64", "uint": "uint16", "word": "uint16", "ushort": "uint16", "udint": "uint32", "dword": "uint32",
    "ulong": "uint32", "ulint": "uint64", "lword": "uint64", "boolean": "bool", "bit": "bool", "bcd": "bcd16",
    "text": "string:16", "str": "string:16", "string": "string:16",
}  # fmt: skip
"""Names of the same in other systems (IEC 61131-3 above all): not accepted, because they differ, but suggested."""

WANTED: Final = f"a type: {one_of([*REGISTERS, 'string:N'])}, then perhaps a byte order such as :CDAB"


@dataclass(frozen=True, slots=True)
class ModbusType:
    """How a value lies in registers.  ``registers`` counts them, of text two characters each."""

    kind: ModbusKind
    byte_order: ByteOrder = "ABCD"
    registers: int = 1


@lru_cache(maxsize=1024)
def parse_modbus_type(text: str, byte_order: ByteOrder = "ABCD") -> ModbusType:
    """The type that ``text`` names, upper and lower case alike; a number without a byte order has this one.

    Raises UnusableValueError for an unknown kind or order, and for text without a length.
    """
    kind, *rest = text.split(":")
    kind = kind.strip().lower()
    if kind == "string":
        return _text_type(text, rest)
    if kind not in REGISTERS or len(rest) > 1:
        raise UnusableValueError(shown(text), WANTED, _type_hint(kind))
    if kind == "bool":
        if rest:
            raise UnusableValueError(shown(text), "bool without a byte order")
        return ModbusType("bool")
    order = _byte_order(text, rest[0], BYTE_ORDERS) if rest else byte_order
    return ModbusType(cast("ModbusKind", kind), order, REGISTERS[kind])


def _text_type(text: str, rest: list[str]) -> ModbusType:
    length = rest[0].strip() if rest else ""
    if not re.fullmatch("[0-9]{1,3}", length) or not 1 <= int(length) <= MAX_TEXT or len(rest) > 2:
        raise UnusableValueError(
            shown(text), f"string:N with N from 1 to {MAX_TEXT} characters", "such as string:16 or string:16:BADC"
        )
    order = _byte_order(text, rest[1], TEXT_ORDERS) if len(rest) == 2 else "ABCD"
    return ModbusType("string", order, (int(length) + 1) // 2)


def _byte_order(text: str, order: str, allowed: tuple[ByteOrder, ...]) -> ByteOrder:
    order = order.strip().upper()
    if order not in allowed:
        raise UnusableValueError(shown(text), f"the byte order {one_of(allowed)}", did_you_mean(order, allowed))
    return order


def _type_hint(kind: str) -> str:
    if kind in OTHER_NAMES:
        return f"did you mean '{OTHER_NAMES[kind]}'?"
    return did_you_mean(kind, [*REGISTERS, "string:16"])
