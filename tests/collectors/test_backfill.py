"""Filling gaps: what is to be filled, in which order, at which rate, and that nothing of it is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from collectors.backfill import KEY, MOST_WAITING, SLICE_US, Backfill, Gap, Gaps, History
from collectors.health import SourceHealth
from collectors.memory import ShortMemory
from historian.errors import SourceUnavailableError
from historian.model.clock import US_PER_S
from historian.model.scan import LateValues, ScanGroup
from historian.model.status import BAD_TIMEOUT
from historian.model.tag import Tag
from support.fake_clock import START_US, FakeClock
from support.fake_timer import FakeTimer

HOUR_US = 3_600 * US_PER_S
DAY_US = 24 * HOUR_US
TAGS = [Tag(f"T{number}", "device", f"ns=2;s={number}", "fast") for number in range(2)]
GROUPS = [ScanGroup(number, "device", f"class{number}", US_PER_S, 0, (tag,)) for number, tag in enumerate(TAGS)]


def test_a_gap_begins_at_the_first_loss_and_ends_with_the_first_reading() -> None:
    gaps = Gaps(ShortMemory(), DAY_US)
    gaps.end(5)
    assert not gaps.there_are_some.is_set(), "nothing was lost"
    gaps.begin(10)
    gaps.begin(20)
    gaps.end(30)
    gaps.end(40)
    assert gaps.first() == Gap(10, 30)
    gaps.begin(50)
    gaps.end(60)
    assert not gaps.fill(20)
    assert gaps.first() == Gap(20, 30)
    assert gaps.fill(30)
    assert gaps.fill(60)
    assert not gaps.there_are_some.is_set()


def test_of_a_long_gap_only_the_last_part_is_filled() -> None:
    gaps = Gaps(ShortMemory(), DAY_US)
    gaps.begin(0)
    gaps.end(10 * DAY_US)
    assert gaps.first() == Gap(9 * DAY_US, 10 * DAY_US)


def test_gaps_are_known_after_a_restart() -> None:
    memory = ShortMemory()
    gaps = Gaps(memory, DAY_US)
    gaps.begin(10)
    gaps.end(30)
    gaps.fill(20)
    gaps.begin(50)
    again = Gaps(memory, DAY_US)
    assert again.first() == Gap(20, 30)
    again.begin(99)  # where the last run ended
    again.end(100)
    again.fill(30)
    assert again.first() == Gap(50, 100), "it was lost before it ended"


@pytest.mark.parametrize("note", ["", "{}", "[]", "rubbish", '{"gaps": [1]}', '{"gaps": [["a", 2]]}'])
def test_a_note_that_cannot_be_read_is_none(note: str) -> None:
    assert not Gaps(ShortMemory({KEY: note}), DAY_US).there_are_some.is_set()


@dataclass
class Device:
    """Has a value a second of each group, in pages of so many."""

    page: int = 1_000
    failures: int = 0
    asked: list[tuple[int, int, int]] = field(default_factory=list)

    async def history(self, group: ScanGroup, plan: Any, start_us: int, end_us: int) -> AsyncGenerator[History, None]:
        self.asked.append((group.number, start_us, end_us))
        times = np.arange(-(-start_us // US_PER_S) * US_PER_S, end_us, US_PER_S)
        for start in range(0, len(times), self.page):
            if self.failures:
                self.failures -= 1
                raise SourceUnavailableError("no answer", BAD_TIMEOUT)
            some = times[start : start + self.page]
            lanes = np.zeros(len(some), np.intp)
            values = LateValues(group.number, lanes, some, some / US_PER_S, np.zeros(len(some), np.uint32))
            yield History(values, without=(0,) if group.number else ())


@dataclass
class ListSink:
    late: list[LateValues] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    late_waiting: int = 0

    def accept_late(self, late: LateValues) -> None:
        self.late.append(late)

    def event(self, *event: str) -> None:
        self.events.append(event)


class World:
    def __init__(self, memory: ShortMemory | None = None) -> None:
        self.timer = FakeTimer(FakeClock())
        self.device, self.sink, self.memory = Device(), ListSink(), memory or ShortMemory()
        self.health = SourceHealth("test", "test://device")
        self.gaps = Gaps(self.memory, 30 * DAY_US)
        self.backfill = Backfill(self.gaps, GROUPS, self.sink, self.timer, self.health)  # type: ignore[arg-type]
        self.plans: dict[int, Any] = {0: "plan", 1: "plan"}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        filling = self.backfill.run("device", self.device, lambda group: self.plans.get(group.number))
        task = asyncio.create_task(filling)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, seconds: float) -> None:
        await self.timer.run_until(self.timer.clock.monotonic_us() + round(seconds * US_PER_S))

    def times(self, group: int) -> list[int]:
        return [int(at) for late in self.sink.late if late.group == group for at in late.time_us]


async def test_a_gap_is_filled_completely_the_oldest_first_for_all_groups() -> None:
    world = World()
    world.backfill.lost(START_US - 3 * HOUR_US)
    world.backfill.recovered(START_US)
    async with world.connected():
        await world.run(60)
    for number in range(2):
        assert world.times(number) == list(range(START_US - 3 * HOUR_US, START_US, US_PER_S))
    spans = [(number, START_US - hours * HOUR_US) for hours in (3, 2, 1) for number in range(2)]
    assert [(number, start_us) for number, start_us, _ in world.device.asked] == spans
    assert max(end_us - start_us for _, start_us, end_us in world.device.asked) == SLICE_US
    ((kind, name, text),) = world.sink.events
    assert (kind, name) == ("backfilled", "device")
    assert text.startswith("21,600 values from its history fill a gap up to 2026-09-21 14:13:20Z")
    assert text.endswith("; there is no history of 1 tag: T1")
    assert world.health.backfilled == 21_600


async def test_a_gap_that_ends_later_is_filled_then() -> None:
    world = World()
    async with world.connected():
        await world.run(10)
        world.backfill.lost(START_US)
        await world.run(10)
        assert world.device.asked == []
        world.backfill.recovered(START_US + 20 * US_PER_S)
        await world.run(10)
    assert world.times(0) == [START_US + second * US_PER_S for second in range(20)]


async def test_the_rate_is_bounded() -> None:
    """3 hours of 2 values a second are 21,600, and more than a second's worth of what is allowed."""
    world = World()
    world.backfill.lost(START_US - 3 * HOUR_US)
    world.backfill.recovered(START_US)
    async with world.connected():
        await world.run(0.5)
        assert 8_000 <= world.health.backfilled <= 12_000
        await world.run(1)
    assert world.health.backfilled == 21_600


async def test_it_waits_while_the_store_does_not_take_what_was_brought() -> None:
    world = World()
    world.backfill.lost(START_US - HOUR_US)
    world.backfill.recovered(START_US)
    world.sink.late_waiting = MOST_WAITING + 1
    async with world.connected():
        await world.run(30)
        assert world.health.backfilled == 1_000, "the first page"
        world.sink.late_waiting = 0
        await world.run(10)
    assert world.health.backfilled == 7_200


async def test_what_was_not_brought_is_brought_again() -> None:
    """A page that fails, then a connection that is lost in the middle, then a restart of the process."""
    world = World()
    world.device.failures = 1
    world.backfill.lost(START_US - 3 * HOUR_US)
    world.backfill.recovered(START_US)
    async with world.connected():
        await world.run(30)
        assert world.health.backfilled == 0
        await world.run(30.4)
    assert 0 < world.health.backfilled < 21_600
    noted = json.loads(world.memory.notes[KEY])["gaps"][0][0]
    assert noted % HOUR_US == (START_US - 3 * HOUR_US) % HOUR_US, "whole parts"
    again = World(world.memory)
    async with again.connected():
        await again.run(60)
    brought = {*world.times(0), *again.times(0)}
    assert brought == set(range(START_US - 3 * HOUR_US, START_US, US_PER_S))


async def test_a_fault_of_our_own_is_told_and_the_gap_stays(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.backfill.lost(START_US - 60 * US_PER_S)
    world.backfill.recovered(START_US)
    world.sink.accept_late = lambda _: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    async with world.connected():
        await world.run(10)
    assert "a fault in the collector itself while filling a gap" in caplog.text
    assert world.gaps.there_are_some.is_set()


async def test_without_a_plan_it_waits_for_the_next_connection() -> None:
    world = World()
    world.plans.clear()
    world.backfill.lost(START_US - 60 * US_PER_S)
    world.backfill.recovered(START_US)
    async with world.connected():
        await world.run(10)
    assert world.device.asked == []
    assert world.gaps.there_are_some.is_set()
