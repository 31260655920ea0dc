"""The Modbus TCP driver: reads the lanes of a scan group block by block.

Between :mod:`collectors.runner`, which keeps the schedule, and :mod:`collectors.modbus.connection`.  The work is laid
out once a connection (:mod:`collectors.modbus.plan`); a reading asks for block after block and decodes all answers in
one pass (:mod:`collectors.modbus.decode`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, NamedTuple, cast

import numpy as np

from collectors.driver import Reading, ReadPlan
from collectors.modbus.connection import Function, ModbusConnection
from collectors.modbus.decode import UNREAD, Decoded, batches, decode
from collectors.modbus.plan import Block, Limits, join_refused, plan_blocks, settle, split
from historian.config.modbus_address import ModbusPoint, parse_modbus_address
from historian.config.settings import ModbusSource
from historian.model.clock import Clock
from historian.model.samples import IndexArray, UInt32Array
from historian.model.scan import ScanGroup
from historian.model.status import GOOD
from historian.model.tag import ValueType

_FUNCTIONS: Final = {
    "coil": Function.READ_COILS,
    "di": Function.READ_DISCRETE_INPUTS,
    "hr": Function.READ_HOLDING_REGISTERS,
    "ir": Function.READ_INPUT_REGISTERS,
}

DIVISIBLE: Final = frozenset((2, 3))
"""Exceptions that smaller requests may avoid: illegal address (a hole in the block), illegal value (too many cells)."""

PROBES_PER_READING: Final = 32
"""Requests that one reading may spend on finding out what a device refuses; the rest is found out by the next ones."""

READINGS_BETWEEN_PROBES: Final = 60
"""A refused range is asked for as a whole; every so many readings its parts are tried again."""


class Outcome(NamedTuple):
    """A block that was asked for: when it was answered (microseconds since 1970 UTC), and how."""

    block: Block
    time_us: int
    status: int
    refused: bool


class Layout(NamedTuple):
    """The requests of a group; ``block_of_lane`` intp[n] is ``len(blocks)`` for a lane that no request can carry."""

    blocks: tuple[Block, ...]
    block_of_lane: IndexArray


class ModbusPlan:
    """A group's requests, and where each lane's value is among the answers."""

    def __init__(self, points: Sequence[ModbusPoint], limits: Limits) -> None:
        self.limits = limits
        self.lanes = len(points)
        self.readings = 0
        blocks = plan_blocks(points, limits)
        self.layout = layout_of(blocks, self.lanes)
        self.registers = sum(block.count for block in blocks if block.is_register)
        self.bits = sum(block.count for block in blocks if not block.is_register)
        self.batches = batches(points, _positions(blocks, self.lanes))

    @property
    def requests(self) -> int:
        """How many requests one reading takes."""
        return len(self.layout.blocks)

    @property
    def is_complete(self) -> bool:
        """True: a device that refuses points now is asked for them again by the readings themselves."""
        return True


def layout_of(blocks: tuple[Block, ...], lanes: int) -> Layout:
    """Which block each of ``lanes`` lanes is in."""
    numbers = np.full(lanes, len(blocks), np.intp)
    for number, block in enumerate(blocks):
        for segment in block.segments:
            numbers[list(segment.lanes)] = number
    return Layout(blocks, numbers)


def _positions(blocks: Sequence[Block], lanes: int) -> IndexArray:
    positions = np.full(lanes, UNREAD, np.intp)
    for block in blocks:
        for segment in block.segments:
            positions[list(segment.lanes)] = block.base + segment.start - block.start
    return positions


def _plan_of(group: ScanGroup, limits: Limits) -> ModbusPlan:
    return ModbusPlan([parse_modbus_address(tag.address, tag.type_text) for tag in group.tags], limits)


@dataclass(slots=True)
class _Pass:
    """One reading while it goes on: the cells read so far, and how many requests may still go into probing."""

    registers: bytearray
    bits: np.ndarray[tuple[int], np.dtype[np.uint8]]
    probes: int = PROBES_PER_READING

    def keep(self, block: Block, data: bytes) -> None:
        """Put a block's answer where the decoder looks for it."""
        if block.is_register:
            self.registers[2 * block.base : 2 * (block.base + block.count)] = data
        else:
            unpacked = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            self.bits[block.base : block.base + block.count] = unpacked[: block.count]


class ModbusDriver:
    """One Modbus TCP device behind :class:`collectors.driver.Driver`.  It reads and cannot write."""

    def __init__(self, source: ModbusSource, clock: Clock) -> None:
        self._connection = ModbusConnection(source, clock)
        self._limits = Limits(source.max_registers, source.max_bits, source.max_gap)
        self._clock = clock

    async def connect(self) -> None:
        """Connect within the source's time-out; raises SourceUnavailableError."""
        await self._connection.open()

    async def resolve(self, groups: Sequence[ScanGroup]) -> Mapping[str, ValueType]:  # noqa: ARG002 - the interface's
        """Nothing: a Modbus device does not know its types, the configuration does."""
        return {}

    async def plan(self, group: ScanGroup) -> ModbusPlan:
        """Lay out the group's requests; needs no connection."""
        # In a thread: this takes 10 ms for each 1,000 points, and other sources' scans are due meanwhile.
        return await asyncio.to_thread(_plan_of, group, self._limits)

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:  # noqa: ARG002 - the plan knows the group
        """Read every lane once; raises SourceUnavailableError when the device is gone or silent."""
        work = cast("ModbusPlan", plan)
        work.readings += 1
        probe_refused = work.readings % READINGS_BETWEEN_PROBES == 0
        layout = work.layout
        current = _Pass(bytearray(2 * work.registers), np.zeros(work.bits, np.uint8))
        outcomes: list[Outcome] = []
        blocks: list[Block] = []
        for block in layout.blocks:
            parts = await self._read_block(block, current, probe=probe_refused or not block.refused)
            outcomes += parts
            blocks += settle(block, [(part.block, part.refused) for part in parts], work.limits)
        if len(outcomes) != len(layout.blocks):
            layout = layout_of(tuple(outcome.block for outcome in outcomes), work.lanes)
        if any(new is not old for new, old in zip_longest(blocks, work.layout.blocks)):
            work.layout = layout_of(join_refused(blocks, work.limits), work.lanes)
        return self._reading(work, layout, outcomes, current)

    async def close(self) -> None:
        """Drop the connection; never raises."""
        await self._connection.close()

    async def _read_block(self, block: Block, current: _Pass, *, probe: bool) -> list[Outcome]:
        """Ask for a block; when the device refuses it, ``probe`` for the parts that it does answer."""
        outcome = await self._ask(block, current)
        halves = split(block) if outcome.refused and probe and current.probes >= 2 else None
        if halves is None:
            return [outcome]
        current.probes -= 2
        parts: list[Outcome] = []
        for half in halves:
            parts += await self._read_block(half, current, probe=True)
        return parts

    async def _ask(self, block: Block, current: _Pass) -> Outcome:
        answer = await self._connection.ask(_FUNCTIONS[block.table], block.start, block.count)
        if answer.status == GOOD:
            current.keep(block, answer.data)
        return Outcome(block, answer.time_us, answer.status, answer.exception in DIVISIBLE)

    def _reading(self, work: ModbusPlan, layout: Layout, outcomes: Sequence[Outcome], current: _Pass) -> Reading:
        """All lanes at once; a lane of a block without an answer has that block's status and no value."""
        times = np.array([*(outcome.time_us for outcome in outcomes), self._clock.wall_us()], np.int64)
        answers = np.array([*(outcome.status for outcome in outcomes), GOOD], np.uint32)
        decoded = decode(work.batches, work.lanes, current.registers, current.bits)
        if (answers != GOOD).any():
            decoded = without_answer(decoded, answers[layout.block_of_lane])
        return Reading(times[layout.block_of_lane], decoded.value, decoded.status, decoded.exact, decoded.text)


def without_answer(decoded: Decoded, answers: UInt32Array) -> Decoded:
    """Take away what was decoded from nothing.  ``answers`` uint32[n]: the status of each lane's block."""
    failed = answers != GOOD
    return Decoded(
        np.where(failed, np.nan, decoded.value),
        np.where(failed, answers, decoded.status),
        {lane: whole for lane, whole in decoded.exact.items() if not failed[lane]},
        {lane: text for lane, text in decoded.text.items() if not failed[lane]},
    )
