"""One source under supervision, with a driver that does as it is told and a clock turned by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pytest

from collectors.backoff import Backoff
from collectors.driver import Reading
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.supervisor import run_sources
from historian.errors import SourceUnavailableError
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_DATA_LOST, BAD_INTERNAL_ERROR, BAD_NO_COMMUNICATION, BAD_TIMEOUT, GOOD
from historian.model.tag import Tag, ValueType
from support.fake_clock import FakeClock
from support.fake_timer import FakeTimer

SECOND = 1_000_000


@dataclass
class Plan:
    requests: int = 1
    is_complete: bool = True


@dataclass
class Device:
    """What a driver finds: the test writes here what happens next."""

    timer: FakeTimer
    reachable: bool = True
    answers: bool = True
    read_s: float = 0.0
    fault: Exception | None = None
    knows_all: bool = True
    plans: int = 0
    plan_now: Plan | None = None
    tells_all: bool = False
    connects: int = 0
    closes: int = 0
    open: int = 0
    forgotten: list[int] = field(default_factory=list)


class DeviceDriver:
    def __init__(self, device: Device) -> None:
        self.device = device
        self._connected = False

    async def connect(self) -> None:
        self.device.connects += 1
        if not self.device.reachable:
            raise SourceUnavailableError("cannot connect: refused", BAD_NO_COMMUNICATION)
        self._connected = True
        self.device.open += 1

    async def resolve(self, groups) -> dict[str, ValueType]:
        return {tag.name: ValueType.FLOAT64 for group in groups for tag in group.tags}

    async def plan(self, group) -> Plan:
        self.device.plans += 1
        self.device.plan_now = Plan(is_complete=self.device.knows_all)
        return self.device.plan_now

    async def read(self, group, plan) -> Reading:
        clock = self.device.timer.clock
        await self.device.timer.sleep_until(clock.monotonic_us() + round(self.device.read_s * SECOND))
        if self.device.fault is not None:
            raise self.device.fault
        if not self.device.answers:
            raise SourceUnavailableError("cannot read: no answer", BAD_TIMEOUT)
        count = len(group.tags)
        values, status = np.full(count, 1.0), np.zeros(count, np.uint32)
        return Reading(np.full(count, clock.wall_us()), values, status, tells_all=self.device.tells_all)

    async def forget(self, group) -> None:
        self.device.forgotten.append(group.number)

    async def close(self) -> None:
        self.device.closes += 1
        self.device.open -= self._connected
        self._connected = False


@dataclass
class ListSink:
    scans: list[Scan] = field(default_factory=list)
    types: dict[str, ValueType] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)

    def accept(self, scan: Scan) -> None:
        self.scans.append(scan)

    def types_resolved(self, types) -> None:
        self.types.update(types)

    def event(self, kind: str, object_: str, text: str) -> None:
        self.events.append((kind, object_))

    def statuses(self, group: int = 0) -> list[int]:
        return [int(scan.status[0]) for scan in self.scans if scan.group == group]


def group(number: int = 0, rate_us: int = SECOND, phase_us: int = 0) -> ScanGroup:
    tags = tuple(Tag(f"T{number}{lane}", "device", "hr:0", "fast") for lane in range(3))
    return ScanGroup(number, "device", f"class{number}", rate_us, phase_us, tags)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timer = FakeTimer(self.clock)
        self.device = Device(self.timer)
        self.sink = ListSink()
        self.health = SourceHealth("test", "test://device")

    def runner(
        self, *groups: ScanGroup, health: SourceHealth | None = None, device: Device | None = None
    ) -> SourceRunner:
        return SourceRunner(
            "device",
            groups or (group(),),
            make_driver=lambda: DeviceDriver(device or self.device),
            sink=self.sink,
            timer=self.timer,
            health=health or self.health,
            backoff=Backoff(first_s=0.5, limit_s=4),
        )

    async def run(self, seconds: float) -> None:
        await self.timer.run_until(self.clock.monotonic_us() + round(seconds * SECOND))


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def running(world: World, *runners: SourceRunner) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_sources(runners, stop, world.timer))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_scans_start_on_the_grid_for_a_thousand_scans(world):
    world.clock.advance(123_456)
    async with running(world, world.runner(group(phase_us=250_000))):
        await world.run(1000)
    times = [int(scan.time_us[0]) for scan in world.sink.scans]
    assert len(times) == 1000
    assert {time_us % SECOND for time_us in times} == {250_000}
    assert set(np.diff(times)) == {SECOND}
    assert world.health.overruns == 0


async def test_an_overrun_skips_the_missed_scans_and_counts_them(world):
    world.device.read_s = 2.5
    async with running(world, world.runner()):
        await world.run(30.9)
    assert world.health.scans == 10
    assert world.health.overruns == 2 * 10
    starts = [int(scan.time_us[0]) - 2_500_000 for scan in world.sink.scans]
    assert {start % SECOND for start in starts} == {0}


# -- holes: nothing has failed, but nothing was read either


@pytest.mark.parametrize("stands_still", [True, False], ids=["the machine stands still", "its clock is set forward"])
async def test_time_in_which_nothing_was_read_is_marked_from_the_first_scan_that_is_missing(world, stands_still):
    async with running(world, world.runner()):
        await world.run(5.5)
        if stands_still:
            world.clock.advance(seconds=7200)
        else:
            world.clock.step_wall(seconds=7200)
        await world.run(5)
    statuses, times = world.sink.statuses(), [int(scan.time_us[0]) for scan in world.sink.scans]
    assert statuses[:7] == [GOOD] * 5 + [BAD_DATA_LOST, GOOD]
    assert set(statuses[7:]) == {GOOD}, "once"
    assert times[5] == times[4] + SECOND
    assert times[6] - times[4] > 7200 * SECOND - 2 * SECOND
    assert not world.sink.scans[5].answered
    assert world.sink.events == [("not read", "device")]


@pytest.mark.parametrize(
    ("rate_s", "hole_s", "is_marked"), [(1, 58, False), (1, 65, True), (60, 110, False), (60, 260, True)]
)
async def test_a_hole_is_longer_than_three_scans_and_a_minute(world, rate_s, hole_s, is_marked):
    async with running(world, world.runner(group(rate_us=rate_s * SECOND))):
        await world.run(5 * rate_s + 0.5)
        world.clock.advance(seconds=hole_s)
        await world.run(2 * rate_s)
    assert (BAD_DATA_LOST in world.sink.statuses()) == is_marked
    assert world.health.overruns


async def test_a_clock_that_is_set_while_a_reading_is_under_way_has_left_hours_out_too(world):
    world.device.read_s = 0.4
    async with running(world, world.runner()):
        await world.run(5.2)
        world.clock.step_wall(seconds=7200)
        await world.run(5)
    statuses = world.sink.statuses()
    assert statuses[:6] == [GOOD] * 4 + [BAD_DATA_LOST, GOOD]
    assert set(statuses[6:]) == {GOOD}


async def test_a_source_that_is_slow_has_no_holes(world):
    world.device.read_s = 45
    async with running(world, world.runner(group(0), group(1))):
        await world.run(900)
    assert {*world.sink.statuses(0), *world.sink.statuses(1)} == {GOOD}
    assert world.health.overruns > 500


async def test_a_device_that_tells_all_changes_has_no_holes(world):
    world.device.tells_all = True
    async with running(world, world.runner()):
        await world.run(5.5)
        world.clock.advance(seconds=7200)
        await world.run(5)
    assert set(world.sink.statuses()) == {GOOD}


async def test_a_hole_before_a_loss_is_marked_where_it_begins_and_none_in_an_outage(world):
    async with running(world, world.runner()):
        await world.run(5.5)
        world.device.answers = False
        world.clock.advance(seconds=7200)
        await world.run(5)
        world.clock.advance(seconds=7200)
        await world.run(5)
        world.device.answers = True
        await world.run(10)
    runs = [status for status, _ in groupby(world.sink.statuses())]
    assert runs == [GOOD, BAD_DATA_LOST, BAD_TIMEOUT, GOOD]
    assert world.sink.statuses().count(BAD_DATA_LOST) == 1


async def test_types_told_by_the_device_are_passed_on(world):
    async with running(world, world.runner()):
        await world.run(1.5)
    assert world.sink.types == dict.fromkeys(["T00", "T01", "T02"], ValueType.FLOAT64)


async def test_nothing_is_said_before_the_first_attempt_has_ended(world):
    async with running(world, world.runner()):
        assert world.sink.scans == []
        await world.run(0.5)
    assert world.sink.statuses() == []


async def test_a_source_that_is_not_there_turns_bad_at_once_and_recovers_by_itself(world):
    world.device.reachable = False
    async with running(world, world.runner()):
        await world.run(10.5)
        assert set(world.sink.statuses()) == {BAD_NO_COMMUNICATION}
        assert world.health.state == "failed"
        assert world.health.last_error == "cannot connect: refused"
        assert not any(scan.answered for scan in world.sink.scans)
        world.device.reachable = True
        await world.run(6)
    assert world.sink.statuses()[-1] == GOOD
    assert world.health.state == "connected"
    assert world.health.reconnects == 1
    assert world.sink.events == [("lost", "device"), ("recovered", "device")]


async def test_attempts_are_spaced_by_the_back_off(world):
    world.device.reachable = False
    async with running(world, world.runner()):
        await world.run(60)
    # 0.5 + 1 + 2 s, then every 4 s (each 20 % more or less): 3 + 56.5 / 4, with room for jitter.
    assert 13 <= world.device.connects <= 22


async def test_no_answer_turns_every_group_bad_now_not_at_its_next_scan(world):
    fast, slow = group(0), group(1, rate_us=3600 * SECOND)
    async with running(world, world.runner(fast, slow)):
        await world.run(5)
        assert world.sink.statuses(1) == [GOOD], "a slow group is read once after connecting"
        world.device.answers = False
        await world.run(1.1)
    assert world.sink.statuses(0)[-1] == BAD_TIMEOUT
    assert world.sink.statuses(1)[-1] == BAD_TIMEOUT
    assert world.health.bad == 6


async def test_a_slow_group_is_read_again_as_soon_as_the_source_is_back(world):
    async with running(world, world.runner(group(0), group(1, rate_us=3600 * SECOND))):
        await world.run(2)
        world.device.answers = False
        await world.run(20)
        world.device.answers = True
        await world.run(6)
    assert world.sink.statuses(1)[-1] == GOOD


async def test_points_that_a_device_does_not_know_yet_are_looked_for_again_with_growing_pauses(world):
    world.device.knows_all = False
    async with running(world, world.runner()):
        await world.run(75)
        assert world.device.plans == 4, "at once, after 10 s, 20 s more and 40 s more"
        world.device.knows_all = True
        await world.run(3600)
    assert world.device.plans == 5
    assert world.device.connects == 1
    assert world.sink.statuses().count(GOOD) == 3675


async def test_points_that_a_device_forgets_later_are_looked_for_again(world):
    async with running(world, world.runner()):
        await world.run(100)
        assert world.device.plans == 1
        world.device.plan_now.is_complete = False
        await world.run(11)
        assert world.device.plans == 2
        await world.run(100)
    assert world.device.plans == 2


async def test_a_connection_that_is_lost_meanwhile_is_made_again(world):
    world.device.knows_all = False
    async with running(world, world.runner()):
        await world.run(5)
        world.device.answers = False
        await world.run(2)
        world.device.answers = True
        await world.run(6)
    assert world.sink.statuses()[-1] == GOOD
    assert world.health.reconnects == 1


async def test_a_server_that_accepts_but_never_answers_is_not_hammered(world):
    world.device.answers = False
    async with running(world, world.runner()):
        await world.run(60)
    assert world.device.connects <= 30
    assert [event for event in world.sink.events if event[0] == "lost"] == [("lost", "device")]


async def test_a_fault_of_our_own_is_bad_internal_error_and_the_source_goes_on(world, caplog):
    world.device.fault = ZeroDivisionError("a fault")
    async with running(world, world.runner()):
        await world.run(2)
        world.device.fault = None
        await world.run(10)
    assert BAD_INTERNAL_ERROR in world.sink.statuses()
    assert world.sink.statuses()[-1] == GOOD
    assert "fault in the collector itself" in caplog.text


async def test_sources_never_wait_for_one_another(world):
    hung = Device(world.timer, read_s=10_000)
    async with running(
        world, world.runner(group(0)), world.runner(group(1), device=hung, health=SourceHealth("t", "u"))
    ):
        await world.run(20.5)
    assert len(world.sink.statuses(0)) == 20
    assert world.sink.statuses(1) == []


async def test_every_connection_is_closed_in_the_end(world):
    async with running(world, world.runner()):
        await world.run(3)
    assert world.device.open == 0
    assert world.device.closes == world.device.connects


async def test_a_sink_that_fails_does_not_stop_the_source_for_good(world, monkeypatch, caplog):
    accept, failures = world.sink.accept, [RuntimeError("the sink is broken")]

    def failing(scan: Scan) -> None:
        if failures:
            raise failures.pop()
        accept(scan)

    monkeypatch.setattr(world.sink, "accept", failing)
    async with running(world, world.runner()):
        await world.run(1.1)
        assert world.health.state == "failed", "nobody may think that this source is collected from"
        await world.run(9)
    assert world.sink.statuses()[-1] == GOOD
    assert "started again" in caplog.text


async def test_health_counts_points_and_times(world):
    world.device.read_s = 0.05
    async with running(world, world.runner()):
        await world.run(5.5)
    assert (world.health.points, world.health.good, world.health.bad) == (3, 3, 0)
    assert world.health.latency_ms == pytest.approx(50)
    assert world.health.last_good_us == world.sink.scans[-1].arrival_us
    assert set(world.health.as_mapping()) >= {"state", "scans", "overruns", "errors", "last_error", "updated_us"}


async def test_an_operator_reads_of_a_loss_and_of_the_return_once_in_the_log(world, caplog):
    world.device.reachable = False
    async with running(world, world.runner()):
        await world.run(20)
        world.device.reachable = True
        await world.run(10)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "device: cannot connect: refused. All its tags are Bad now; it is tried again until it answers",
        "device: test://device answers again",
    ]


async def test_a_group_that_waits_for_its_turn_is_late(world):
    world.device.read_s = 0.3
    async with running(world, world.runner(group(0), group(1))):
        await world.run(3.1)
        figures = world.health.as_mapping()
    assert figures["overruns"] == 0
    assert figures["lateness_max_ms"] == pytest.approx(300), "the second of two that are due at the same time"
