"""Where each lane's value is among the answers of one reading.

Between :mod:`collectors.modbus.plan`, which makes the requests, and :mod:`collectors.modbus.decode`.  The answers are
put one behind the other into two buffers, one of registers and one of bits; each lane knows its place there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.modbus.decode import UNREAD, Batch, batches
from collectors.modbus.explore import Outcome
from collectors.modbus.plan import Block
from historian.config.modbus_address import ModbusPoint
from historian.model.samples import IndexArray


@dataclass(frozen=True, slots=True)
class Layout:
    """The requests of a reading and the places of their answers.

    ``bases``: where the first cell of each block goes, in registers or in bits.  ``block_of_lane`` intp[n] is
    ``len(blocks)`` for a lane that no request can carry.
    """

    blocks: tuple[Block, ...]
    bases: tuple[int, ...]
    registers: int
    bits: int
    block_of_lane: IndexArray
    batches: tuple[Batch, ...]

    def gather(self, outcomes: Sequence[Outcome]) -> tuple[bytearray, NDArray[np.uint8]]:
        """The registers, two bytes each, and the bits, 0 or 1 each, of the outcomes; zeros without an answer."""
        registers, bits = bytearray(2 * self.registers), np.zeros(self.bits, np.uint8)
        for block, base, outcome in zip(self.blocks, self.bases, outcomes, strict=True):
            if not outcome.data:
                continue
            if block.is_register:
                registers[2 * base : 2 * (base + block.count)] = outcome.data
            else:
                unpacked = np.unpackbits(np.frombuffer(outcome.data, np.uint8), bitorder="little")
                bits[base : base + block.count] = unpacked[: block.count]
        return registers, bits


def layout_of(points: Sequence[ModbusPoint], blocks: Sequence[Block]) -> Layout:
    """The layout for these blocks; lane i is point i."""
    lanes = len(points)
    numbers, positions = np.full(lanes, len(blocks), np.intp), np.full(lanes, UNREAD, np.intp)
    bases, registers, bits = [], 0, 0
    for number, block in enumerate(blocks):
        base = registers if block.is_register else bits
        bases.append(base)
        for segment in block.segments:
            numbers[list(segment.lanes)] = number
            positions[list(segment.lanes)] = base + segment.start - block.start
        registers += block.count if block.is_register else 0
        bits += 0 if block.is_register else block.count
    return Layout(tuple(blocks), tuple(bases), registers, bits, numbers, batches(points, positions))
