"""The Modbus driver: reads the lanes of a scan group block by block.

Between :mod:`collectors.runner`, which keeps the schedule, and :mod:`collectors.modbus.connection`.  The requests are
planned once a connection (:mod:`collectors.modbus.plan`), and anew when something is learnt about the device; a reading
asks for block after block and decodes all answers in one pass (:mod:`collectors.modbus.decode`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import numpy as np

from collectors.driver import Reading, ReadPlan
from collectors.memory import ShortMemory, SourceMemory
from collectors.modbus.bus import Bus, frame_silence_us
from collectors.modbus.connection import ModbusConnection
from collectors.modbus.cost import NETWORK, Cost, CostMeter, serial_cost
from collectors.modbus.decode import Decoded, decode
from collectors.modbus.device_notes import DeviceNotes
from collectors.modbus.explore import Exploration, Outcome
from collectors.modbus.known import Known, news
from collectors.modbus.layout import Layout, layout_of
from collectors.modbus.patience import Patience
from collectors.modbus.plan import Block, Limits, plan_blocks
from collectors.modbus.request import Function
from historian.config.modbus_address import ModbusPoint, parse_modbus_address
from historian.config.settings import ModbusSource, SerialEndpoint
from historian.model.clock import Clock
from historian.model.samples import UInt32Array
from historian.model.scan import ScanGroup
from historian.model.status import GOOD
from historian.model.tag import ValueType

FUNCTIONS: Final = {
    "coil": Function.READ_COILS,
    "di": Function.READ_DISCRETE_INPUTS,
    "hr": Function.READ_HOLDING_REGISTERS,
    "ir": Function.READ_INPUT_REGISTERS,
}

DIVISIBLE: Final = frozenset((2, 3))
"""Exceptions that smaller requests may avoid: illegal address (a hole in the block), illegal value (too many cells)."""

READINGS_BETWEEN_LOOKS: Final = 64
"""So often it is looked whether requests cost what the plan was made for."""

READINGS_BETWEEN_CONTRASTS: Final = 8
WORTH_A_CONTRAST: Final = 20
"""Registers of a request from which on a short one beside it tells something."""

OTHER_COST: Final = 2.0
"""The plan is made again when the widest gap that pays has become so many times wider or narrower."""


class ModbusPlan:
    """A group's requests, and where each lane's value is among the answers."""

    def __init__(self, points: Sequence[ModbusPoint], limits: Limits, cost: Cost, known: Known) -> None:
        self.points = tuple(points)
        self.limits = limits
        self.readings = 0
        self.patience = Patience()
        self.make(cost, known)

    def make(self, cost: Cost, known: Known) -> None:
        """Plan for a device of which this is known and whose requests cost so much."""
        self.cost, self.known = cost, known
        self.layout = layout_of(self.points, plan_blocks(self.points, self.limits, cost, known))
        self.patience.keep_only(self.layout.blocks)

    @property
    def requests(self) -> int:
        """How many requests one reading takes."""
        return len(self.layout.blocks)

    @property
    def is_complete(self) -> bool:
        """True: a device that refuses points now is asked for them again by the readings themselves."""
        return True

    def is_due_again(self, cost: Cost, known: Known) -> bool:
        """Whether more is known of the device than when the plan was made."""
        if known is not self.known:
            return True
        if not self.limits.reads_gaps or self.readings % READINGS_BETWEEN_LOOKS:
            return False
        old, new = max(self.cost.widest_gap, 1), max(cost.widest_gap, 1)
        # A gap wider than a request is like any other.
        longest = self.limits.max_registers
        return not 1 / OTHER_COST <= min(new, longest) / min(old, longest) <= OTHER_COST


class ModbusDriver:
    """One Modbus device behind :class:`collectors.driver.Driver`.  It reads and cannot write."""

    def __init__(
        self, source: ModbusSource, clock: Clock, memory: SourceMemory | None = None, bus: Bus | None = None
    ) -> None:
        self._connection = ModbusConnection(source, bus or Bus(source.endpoint, source.tls, clock))
        self._source = source
        self._limits = limits_of(source)
        self._clock = clock
        self._notes = DeviceNotes(memory or ShortMemory(), source)
        self._known = self._told = self._notes.known(clock.wall_us())
        first = first_cost(source)
        self._noted_cost = self._notes.cost() or first
        self._meter = CostMeter(self._noted_cost, first.register_us if is_serial(source) else 0.0)

    async def connect(self) -> None:
        """Connect within the source's time-out; raises SourceUnavailableError."""
        await self._connection.open()

    async def resolve(self, groups: Sequence[ScanGroup]) -> Mapping[str, ValueType]:  # noqa: ARG002 - the interface's
        """Nothing: a Modbus device does not know its types, the configuration does."""
        return {}

    async def plan(self, group: ScanGroup) -> ModbusPlan:
        """Lay out the group's requests; needs no connection."""
        # In a thread: this takes 10 ms for each 1,000 points, and other sources' scans are due meanwhile.
        return await asyncio.to_thread(plan_of, group, self._source, self._meter.cost, self._known)

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:  # noqa: ARG002 - the plan knows the group
        """Read every lane once; raises SourceUnavailableError when the device is gone or silent."""
        work = cast("ModbusPlan", plan)
        if work.is_due_again(self._meter.cost, self._known):
            await asyncio.to_thread(work.make, self._meter.cost, self._known)
        work.readings += 1
        if work.readings % READINGS_BETWEEN_LOOKS == 0:
            self._note_cost()
        if work.readings % READINGS_BETWEEN_CONTRASTS == 0:
            await self._contrast(work)
        exploration = Exploration(self._ask, self._known)
        outcomes = await self._read_blocks(work, exploration)
        layout = work.layout
        if len(outcomes) != len(layout.blocks):
            layout = await asyncio.to_thread(layout_of, work.points, [outcome.block for outcome in outcomes])
        return self._reading(layout, outcomes, self._learn(exploration.known))

    async def forget(self, group: ScanGroup) -> None:
        """Nothing: a device knows of no plans."""

    async def close(self) -> None:
        """Drop the connection; never raises."""
        self._note_cost()
        await self._connection.close()

    async def _read_blocks(self, work: ModbusPlan, exploration: Exploration) -> list[Outcome]:
        """One after the other, or at once where the device takes several requests: the bus lets through what it may."""
        if self._source.in_flight == 1:
            parts = [await self._read_block(block, work, exploration) for block in work.layout.blocks]
        else:
            parts = await _all_or_none(self._read_block(block, work, exploration) for block in work.layout.blocks)
        return [outcome for of_block in parts for outcome in of_block]

    async def _read_block(self, block: Block, work: ModbusPlan, exploration: Exploration) -> list[Outcome]:
        """Ask for a block, and find out what the device refuses of it; in the end these are all of its parts."""
        if block.refused:
            return await self._read_refused(block, work, exploration)
        return await exploration.read(block)

    async def _read_refused(self, block: Block, work: ModbusPlan, exploration: Exploration) -> list[Outcome]:
        """A block that the device has refused before: asked for now and then, as a whole and then in parts."""
        if not work.patience.is_due(block, work.readings):
            return [Outcome(block, self._clock.wall_us(), work.patience.status(block), refused=True)]
        outcome = await self._ask(block)
        parts = [outcome]
        if outcome.refused and work.patience.refused(block, work.readings, outcome.status):
            parts = await exploration.take_apart(outcome)
        for part in parts:
            if part.is_good:
                exploration.known = exploration.known.without(block.table, part.block.start, part.block.stop)
        return parts

    async def _ask(self, block: Block) -> Outcome:
        answer = await self._connection.ask(FUNCTIONS[block.table], block.start, block.count)
        if answer.status == GOOD:
            self._meter.note(block.registers, answer.took_us)
        return Outcome(block, answer.time_us, answer.status, answer.exception in DIVISIBLE, answer.data)

    async def _contrast(self, work: ModbusPlan) -> None:
        """Where all requests are long, time a short one: else nobody knows what of it the registers take."""
        if not self._meter.wants_contrast or not work.limits.reads_gaps:
            return
        longest = max(work.layout.blocks, key=lambda block: block.registers)
        if longest.registers >= WORTH_A_CONTRAST and not longest.refused:
            await self._ask(longest.part(longest.segments[:1]))

    # -- what is learnt ------------------------------------------------------------------------------------------

    def _learn(self, known: Known) -> str:
        """Keep what the reading found out; told in one piece by the first reading that finds nothing more."""
        if known != self._known:
            self._known = known
            self._notes.keep_known(known, self._clock.wall_us())
            return ""
        finding, self._told = news(self._told, self._known), self._known
        return finding

    def _note_cost(self) -> None:
        cost = self._meter.cost
        if cost.measured and cost != self._noted_cost:
            self._noted_cost = cost
            self._notes.keep_cost(cost)

    def _reading(self, layout: Layout, outcomes: Sequence[Outcome], finding: str) -> Reading:
        """All lanes at once; a lane of a block without an answer has that block's status and no value."""
        times = np.array([*(outcome.time_us for outcome in outcomes), self._clock.wall_us()], np.int64)
        answers = np.array([*(outcome.status for outcome in outcomes), GOOD], np.uint32)
        decoded = decode(layout.batches, len(layout.block_of_lane), *layout.gather(outcomes))
        if (answers != GOOD).any():
            decoded = without_answer(decoded, answers[layout.block_of_lane])
        return Reading(
            times[layout.block_of_lane], decoded.value, decoded.status, decoded.exact, decoded.text, finding=finding
        )


def limits_of(source: ModbusSource) -> Limits:
    """What the configuration lets a request to the source ask for."""
    return Limits(source.max_registers, source.max_bits, source.max_gap, source.one_by_one)


def is_serial(source: ModbusSource) -> bool:
    """Whether the source is at a serial line, whose speed is known."""
    return isinstance(source.endpoint, SerialEndpoint)


def first_cost(source: ModbusSource) -> Cost:
    """What requests to the source are assumed to cost until they are measured."""
    endpoint = source.endpoint
    cost = NETWORK
    if isinstance(endpoint, SerialEndpoint):
        cost = serial_cost(endpoint.framing, endpoint.character_us, frame_silence_us(endpoint))
    return replace(cost, request_us=cost.request_us + source.request_pause_us)


def plan_of(group: ScanGroup, source: ModbusSource, cost: Cost, known: Known) -> ModbusPlan:
    """The plan for a group's tags."""
    points = [parse_modbus_address(tag.address, tag.type_text, source.byte_order) for tag in group.tags]
    return ModbusPlan(points, limits_of(source), cost, known)


async def _all_or_none(readings: Iterable[Coroutine[Any, Any, list[Outcome]]]) -> list[list[Outcome]]:
    """All results in their order; with the first error, and none of them left running, when one fails."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reading) for reading in readings]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def without_answer(decoded: Decoded, answers: UInt32Array) -> Decoded:
    """Take away what was decoded from nothing.  ``answers`` uint32[n]: the status of each lane's block."""
    failed = answers != GOOD
    return Decoded(
        np.where(failed, np.nan, decoded.value),
        np.where(failed, answers, decoded.status),
        {lane: whole for lane, whole in decoded.exact.items() if not failed[lane]},
        {lane: text for lane, text in decoded.text.items() if not failed[lane]},
    )
