"""Runners that end by a fault of ours: their tags are Bad, they are started again, and nothing dies in silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from collectors.driver import Reading
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.supervisor import Supervisor
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_COMMUNICATION_ERROR, BAD_INTERNAL_ERROR, GOOD
from historian.model.tag import Tag
from support.fake_clock import FakeClock
from support.fake_timer import FakeTimer

SECOND = 1_000_000


@dataclass(frozen=True)
class Plan:
    requests: int = 2
    is_complete: bool = True


@dataclass
class Scripted:
    """A driver whose readings the test decides: Good, unless there is something to raise."""

    timer: FakeTimer
    raises: list[BaseException] = field(default_factory=list)
    always: BaseException | None = None
    reads: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    planned: list[int] = field(default_factory=list)
    connects: int = 0

    async def connect(self) -> None:
        self.connects += 1

    async def resolve(self, groups):
        return {}

    async def plan(self, group) -> Plan:
        self.planned.append(group.number)
        return Plan()

    async def read(self, group, plan) -> Reading:
        self.reads.append(group.number)
        if self.always is not None:
            raise self.always
        if self.raises:
            raise self.raises.pop()
        count = len(group.tags)
        now_us = self.timer.clock.wall_us()
        return Reading(np.full(count, now_us), np.ones(count), np.zeros(count, np.uint32))

    async def forget(self, group) -> None:
        self.forgotten.append(group.number)

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Scans:
    """A sink that keeps scans, and fails as long as it is told to."""

    scans: list[Scan] = field(default_factory=list)
    broken: Exception | None = None
    events: list[str] = field(default_factory=list)

    def accept(self, scan: Scan) -> None:
        if self.broken is not None:
            raise self.broken
        self.scans.append(scan)

    def types_resolved(self, types) -> None:
        """None are told."""

    def event(self, kind: str, object_: str, text: str) -> None:
        self.events.append(kind)

    def statuses(self, group: int = 0) -> list[int]:
        return [int(scan.status[0]) for scan in self.scans if scan.group == group]

    def times_s(self, group: int) -> list[float]:
        return [scan.arrival_us / SECOND for scan in self.scans if scan.group == group]


def group(number: int, rate_us: int = SECOND, tags: int = 2) -> ScanGroup:
    names = [f"T{number}.{lane}" for lane in range(tags)]
    return ScanGroup(number, "s", f"c{rate_us}", rate_us, 0, tuple(Tag(name, "s", "hr:0", "c") for name in names))


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timer = FakeTimer(self.clock)
        self.driver = Scripted(self.timer)
        self.sink = Scans()
        self.health = SourceHealth("test", "test://s")

    def runner(self, *groups: ScanGroup) -> SourceRunner:
        return SourceRunner(
            "s", groups, make_driver=lambda: self.driver, sink=self.sink, timer=self.timer, health=self.health
        )

    async def pass_s(self, seconds: float) -> None:
        await self.timer.run_until(self.clock.monotonic_us() + round(seconds * SECOND))


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def supervised(world: World, runner: SourceRunner) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(world.timer)
    supervisor.start(runner)
    try:
        yield supervisor
    finally:
        await supervisor.close()


async def test_a_runner_that_ends_by_a_fault_turns_its_tags_bad_and_is_started_again(world, caplog):
    async with supervised(world, world.runner(group(0))):
        await world.pass_s(3.5)
        world.sink.broken = RuntimeError("the sink is broken")
        await world.pass_s(1.0)
        world.sink.broken = None
        assert world.health.state == "failed"
        assert world.health.errors_by_kind == {"BadInternalError": 1}
        await world.pass_s(5)
    assert world.health.state == "connected"
    assert world.sink.statuses()[-1] == GOOD
    assert "started again" in caplog.text
    assert "cannot be marked Bad either" in caplog.text


async def test_tags_are_bad_as_long_as_the_runner_is_down(world, monkeypatch):
    monkeypatch.setattr(SourceHealth, "note_latency", lambda *_: 1 / 0)
    async with supervised(world, world.runner(group(0))):
        await world.pass_s(2.5)
    assert set(world.sink.statuses()) == {BAD_INTERNAL_ERROR}


async def test_a_fault_that_stays_is_tried_again_with_growing_pauses(world, monkeypatch):
    monkeypatch.setattr(SourceHealth, "note_latency", lambda *_: 1 / 0)
    async with supervised(world, world.runner(group(0))):
        await world.pass_s(600)
    # 1 + 1 + 2 + 4 ... 32 s, then one a minute, each with up to a second until the next scan: about 15; not 300.
    assert 10 <= world.driver.connects <= 20


async def test_a_cancellation_from_inside_a_library_is_a_lost_connection(world):
    """It would end the task of the scans, and a group of tasks takes a cancelled one for one that was ended."""
    world.driver.raises = [asyncio.CancelledError()]
    async with supervised(world, world.runner(group(0))):
        await world.pass_s(10.5)
    assert world.sink.statuses()[0] == BAD_COMMUNICATION_ERROR
    assert world.sink.statuses()[-1] == GOOD
    assert world.driver.connects == 2
    assert world.sink.events == ["lost", "recovered"]


async def test_a_library_that_cancels_a_whole_runner_does_not_end_it(world, monkeypatch):
    runner, ends = world.runner(group(0)), [asyncio.CancelledError()]
    run = runner.run

    async def cancelled_once() -> None:
        if ends:
            raise ends.pop()
        await run()

    monkeypatch.setattr(runner, "run", cancelled_once)
    async with supervised(world, runner):
        await world.pass_s(5)
    assert world.sink.statuses()[-1] == GOOD


async def test_a_runner_that_is_ended_scans_no_more(world):
    runner = world.runner(group(0))
    async with supervised(world, runner) as supervisor:
        await world.pass_s(3.5)
        await supervisor.end([runner])
        await world.pass_s(10)
    assert len(world.sink.scans) == 3


# -- other groups while it runs ------------------------------------------------------------------------------------


async def test_groups_that_stay_keep_their_times_and_the_others_come_and_go(world):
    kept, gone, new = group(0), group(1, 2 * SECOND), group(2, SECOND // 2)
    runner, exchanged = world.runner(kept, gone), []
    async with supervised(world, runner):
        await world.pass_s(4.3)
        await runner.change([kept, new], lambda: exchanged.append(len(world.sink.scans)))
        at_exchange = len(world.sink.times_s(1))
        await world.pass_s(4)
    assert len(exchanged) == 1
    assert np.diff(world.sink.times_s(0)) == pytest.approx(1.0)
    assert len(world.sink.times_s(0)) == 8
    assert len(world.sink.times_s(1)) == at_exchange
    assert len(world.sink.times_s(2)) == 8
    assert world.driver.forgotten == [1]
    assert world.driver.planned == [0, 1, 2]
    assert world.driver.connects == 1
    assert (world.health.points, world.health.good) == (4, 4)


async def test_a_slow_group_that_comes_is_read_at_once(world):
    kept, slow = group(0), group(1, 3600 * SECOND)
    runner = world.runner(kept)
    async with supervised(world, runner):
        await world.pass_s(2.5)
        await runner.change([kept, slow], lambda: None)
        assert world.sink.statuses(1) == [GOOD]


async def test_groups_that_come_while_the_source_is_away_are_bad_and_follow_when_it_is_back(world):
    kept, new = group(0), group(1)
    runner = world.runner(kept)
    async with supervised(world, runner):
        await world.pass_s(2.5)
        world.driver.always = ConnectionError("gone")
        await world.pass_s(1)
        await runner.change([kept, new], lambda: None)
        await world.pass_s(2)
        assert set(world.sink.statuses(1)) == {BAD_INTERNAL_ERROR}, "what was raised is no error of a source"
        world.driver.always = None
        await world.pass_s(40)
    assert world.sink.statuses(0)[-1] == world.sink.statuses(1)[-1] == GOOD


async def test_a_change_waits_for_a_reading_under_way(world):
    old, new = group(0), group(1)
    runner, order = world.runner(old), []
    read = world.driver.read

    async def slow(group, plan):
        await world.timer.sleep_until(world.clock.monotonic_us() + SECOND // 2)
        order.append("read")
        return await read(group, plan)

    world.driver.read = slow
    async with supervised(world, runner):
        await world.pass_s(1.1)
        change = asyncio.create_task(runner.change([new], lambda: order.append("exchanged")))
        await world.pass_s(0.5)
        await change
        await world.pass_s(3)
    assert order[:2] == ["read", "exchanged"]
    assert len(world.sink.scans) >= 3
    assert [scan.group for scan in world.sink.scans[1:]] == [1] * (len(world.sink.scans) - 1)


async def test_figures_of_health(world):
    async with supervised(world, world.runner(group(0))):
        await world.pass_s(4.5)
    figures = world.health.as_mapping()
    assert figures["requests"] == 2 * figures["scans"] == 8
    assert figures["uncertain"] == 0
    assert {"latency_p50_ms", "latency_p99_ms", "lateness_p99_ms", "errors_by_kind"} <= set(figures)
    assert figures["lateness_counts"] == {"1": 4}
