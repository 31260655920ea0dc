"""Every way in which registers can be understood, side by side: for ``historian probe``.

Manuals count from 0 or from 1, and leave out types and byte orders; with the value that an instrument shows, a person
finds the right one in a table of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from collectors.modbus.decode import Decoded, batches, decode
from historian.config.modbus_address import ModbusPoint, ModbusTable
from historian.config.modbus_type import BYTE_ORDERS, REGISTERS, ByteOrder, ModbusKind
from historian.model.status import GOOD

KINDS: Final[tuple[ModbusKind, ...]] = (
    "uint16", "int16", "bcd16", "float32", "int32", "uint32", "bcd32", "float64", "int64", "uint64",
)  # fmt: skip

SCALES: Final = (1.0, 0.1, 0.01, 0.001)
"""Whole numbers often carry decimal places: 217 for 21.7."""

LEAST_TEXT: Final = 4
"""So many visible characters in a row are a text worth showing."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """A value as which the registers from ``address`` on can be understood."""

    address: int
    kind: ModbusKind
    byte_order: ByteOrder
    value: int | float

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number by its type."""
        return not self.kind.startswith("float")

    @property
    def type_text(self) -> str:
        """The type as a tag list writes it."""
        return self.kind if self.byte_order == "ABCD" else f"{self.kind}:{self.byte_order}"

    def scale_for(self, low: float, high: float) -> float | None:
        """The scale with which it lies between ``low`` and ``high``; None when there is none.

        Numbers with decimal places of their own have no other scale than 1.
        """
        scales = SCALES if self.is_whole else SCALES[:1]
        return next((scale for scale in scales if low <= self.value * scale <= high), None)


def decodings(table: ModbusTable, registers: Mapping[int, int]) -> list[Decoding]:
    """All types in all byte orders from each address on, as far as the registers are there and make a value."""
    if not registers:
        return []
    points = [
        ModbusPoint(table, address, None, kind, order, REGISTERS[kind])
        for address in sorted(registers)
        for kind in KINDS
        for order in _orders(kind)
        if all(cell in registers for cell in range(address, address + REGISTERS[kind]))
    ]
    first = min(registers)
    cells = [registers.get(cell, 0) for cell in range(first, max(registers) + 1)]
    positions = np.array([point.address - first for point in points], np.intp)
    decoded = decode(
        batches(points, positions), len(points), np.array(cells, ">u2").tobytes(), np.empty(0, np.uint8)
    )  # fmt: skip
    return [
        Decoding(point.address, point.kind, point.byte_order, _value(point.kind, decoded, lane))
        for lane, point in enumerate(points)
        if decoded.status[lane] == GOOD
    ]


def _value(kind: ModbusKind, decoded: Decoded, lane: int) -> int | float:
    number = float(decoded.value[lane])
    return number if kind.startswith("float") else decoded.exact.get(lane, int(number))


def _orders(kind: ModbusKind) -> tuple[ByteOrder, ...]:
    """The byte orders that make a difference: a single register has no words to swap."""
    return BYTE_ORDERS if REGISTERS[kind] > 1 else ("ABCD", "BADC")


def texts(registers: Mapping[int, int]) -> list[tuple[int, str, str]]:
    """Texts among the registers: address, type and text."""
    found = []
    for run in _runs(registers):
        for suffix, order in (("", "big"), (":BADC", "little")):
            letters = b"".join(registers[cell].to_bytes(2, order) for cell in run)  # type: ignore[arg-type]
            text = letters.split(b"\0", 1)[0]
            if len(text) >= LEAST_TEXT and all(0x20 <= letter < 0x7F for letter in text):
                found.append((run[0], f"string:{2 * len(run)}{suffix}", text.decode("ascii")))
    return found


def _runs(registers: Mapping[int, int]) -> list[list[int]]:
    """Stretches of registers that may hold a text: without a gap, each beginning behind one that is none."""
    visible = [cell for cell in sorted(registers) if _may_be_text(registers[cell])]
    return [
        [cell for _, cell in members]
        for _, members in groupby(enumerate(visible), key=lambda pair: pair[1] - pair[0])
    ]  # fmt: skip


def _may_be_text(register: int) -> bool:
    return all(byte == 0 or 0x20 <= byte < 0x7F for byte in (register >> 8, register & 0xFF)) and register != 0
