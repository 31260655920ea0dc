"""Modbus addresses and types, as tag lists write them: ``hr:100`` with ``float32:CDAB``.

Parsed here to check a configuration, and again by :mod:`collectors.modbus` to read the points.

Two ways of writing are understood.  ``hr:100`` counts from zero, as the protocol does, so it reaches all 65,536 places.
``40101`` counts from one and begins with the digit of the table, as most manuals do: five digits reach the first 9,999
places, six digits (``400101``) all.  Both name the same register.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from historian.config.modbus_type import VALUE_TYPES, ByteOrder, ModbusKind, ModbusType, parse_modbus_type
from historian.config.nearest import shown
from historian.errors import UnusableValueError
from historian.model.tag import ValueType

ModbusTable: TypeAlias = Literal["hr", "ir", "coil", "di"]

TABLE_SIZE: Final = 65_536

WANTED: Final = "hr:0 to hr:65535 (ir:, coil: and di: alike), or 40001, 30001, 10001, 00001 and on with 5 or 6 digits"

_TABLES: Final[dict[str, ModbusTable]] = {"hr": "hr", "ir": "ir", "coil": "coil", "di": "di"}
_DIGIT_TABLES: Final[dict[str, ModbusTable]] = {"4": "hr", "3": "ir", "1": "di", "0": "coil"}
_ZERO_BASED: Final = re.compile(r"(hr|ir|coil|di):(\d{1,9})(?:\.(\d{1,9}))?", re.ASCII | re.IGNORECASE)
_ONE_BASED: Final = re.compile(r"([0134])(\d{4,5})(?:\.(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModbusPoint:
    """One value in a device.

    ``table`` hr (holding registers), ir (input registers), coil or di (discrete inputs); ``address`` 0 to 65535;
    ``bit`` 0 (least significant) to 15 of a register, or None; ``length`` in registers, of coil and di in bits.
    ``byte_order`` names the bytes of the value from the most significant (A), as they come over the wire; 16-bit values
    swap theirs for BADC and DCBA, 64-bit ones do with their four registers what the letters do with two.
    """

    table: ModbusTable
    address: int
    bit: int | None
    kind: ModbusKind
    byte_order: ByteOrder
    length: int

    @property
    def value_type(self) -> ValueType:
        """What the value is once it is read."""
        return VALUE_TYPES[self.kind]

    @property
    def is_register(self) -> bool:
        """True in the tables of 16-bit registers, False in those of single bits."""
        return self.table in ("hr", "ir")


class _Place(NamedTuple):
    table: ModbusTable
    address: int
    bit: int | None

    @property
    def is_bit(self) -> bool:
        """Whether there is a single bit at this place."""
        return self.bit is not None or self.table in ("coil", "di")


def parse_modbus_address(address: str, type_text: str = "", byte_order: ByteOrder = "ABCD") -> ModbusPoint:
    """The point at ``address`` read as ``type_text``, where that names no byte order with this one.

    A blank type is bool in the tables of bits and for one bit of a register, uint16 for a register.  bool of a whole
    register is True unless the register is 0.  Raises UnusableValueError when either cannot be read, when they do not
    go together, or when the value would reach beyond the last register.
    """
    place = _parse_place(address)
    blank = "bool" if place.is_bit else "uint16"
    return _modbus_point(place, parse_modbus_type(type_text or blank, byte_order), address, type_text)


def _parse_place(address: str) -> _Place:
    """Table, zero-based address and bit.  Raises UnusableValueError, also for a bit of a bit."""
    if match := _ZERO_BASED.fullmatch(address):
        place = _Place(_TABLES[match[1].lower()], int(match[2]), None if match[3] is None else int(match[3]))
    elif match := _ONE_BASED.fullmatch(address):
        place = _Place(_DIGIT_TABLES[match[1]], int(match[2]) - 1, None if match[3] is None else int(match[3]))
    else:
        raise UnusableValueError(shown(address), WANTED, _address_hint(address))
    if not 0 <= place.address < TABLE_SIZE:
        digits = address.partition(".")[0]
        hint = f"'{digits[:-1]}1' is {place.table}:0" if place.address < 0 else ""
        raise UnusableValueError(shown(address), WANTED, hint and f"these count from one: {hint}")
    if place.bit is not None and place.table in ("coil", "di"):
        raise UnusableValueError(shown(address), f"{place.table}:{place.address} without a bit", "it is a bit already")
    if place.bit is not None and place.bit > 15:
        raise UnusableValueError(shown(address), "a bit from .0 (least significant) to .15")
    return place


def _modbus_point(place: _Place, kind: ModbusType, address: str, type_text: str) -> ModbusPoint:
    """Address and type put together; raises UnusableValueError when they do not go together."""
    if place.is_bit and kind.kind != "bool":
        raise UnusableValueError(shown(type_text), f"bool or blank, {address} is a single bit")
    if place.address + kind.registers > TABLE_SIZE:
        last = TABLE_SIZE - kind.registers
        raise UnusableValueError(
            shown(address), f"{place.table}:0 to {place.table}:{last}, {type_text} takes {kind.registers} registers"
        )
    return ModbusPoint(place.table, place.address, place.bit, kind.kind, kind.byte_order, kind.registers)


def _address_hint(address: str) -> str:
    if re.fullmatch(r"\d{1,4}", address, re.ASCII) and int(address):
        number = int(address)
        return (
            f"'4{number:04d}' for holding register {number} counted from one;"
            f" '{number:05d}', whose zeros a spreadsheet drops, is coil:{number - 1}"
        )
    if re.fullmatch(r"\d{1,6}", address, re.ASCII):
        return f"did you mean 'hr:{int(address)}'?" if int(address) < TABLE_SIZE else ""
    if re.fullmatch(r"ns=.*|nsu=.*|[isgb]=.*|/.*", address):
        return "that is an OPC UA address, and the source speaks Modbus"
    meant = _other_notation(address) or _other_table(address)
    return f"did you mean '{meant}'?" if meant else ""


def _other_notation(address: str) -> str:
    """What ``4x101``, ``hr:0x65`` and ``%MW100`` are here."""
    if match := re.fullmatch(r"([0134])[xX](\d{1,5})", address, re.ASCII):
        return f"{match[1]}{match[2].zfill(4)}"
    if match := re.fullmatch(r"(hr|ir|coil|di):0x([0-9a-f]{1,4})", address, re.ASCII | re.IGNORECASE):
        return f"{match[1]}:{int(match[2], 16)}"
    if match := re.fullmatch(r"%M(W?)(\d{1,5})", address, re.ASCII | re.IGNORECASE):
        return f"{'hr' if match[1] else 'coil'}:{match[2]}"
    return ""


def _other_table(address: str) -> str:
    """What ``holding 5`` is here."""
    names = {
        "holding": "hr", "holdingregister": "hr", "input": "ir", "inputregister": "ir", "coils": "coil", "do": "coil",
        "discrete": "di", "discreteinput": "di", "h": "hr", "i": "ir", "c": "coil", "d": "di",
    }  # fmt: skip
    match = re.fullmatch(r"([A-Za-z_ ]+)[:\s]?(\d+(?:\.\d+)?)", address, re.ASCII)
    if match is None:
        return ""
    word = re.sub(r"[_ ]", "", match[1]).lower()
    table = word if word in _TABLES else names.get(word)
    return f"{table}:{match[2]}" if table else ""
