"""The system clock steps while a source is collected from: scans keep their rate, and times stay in order."""

from pathlib import Path

import numpy as np
import pytest

from collectors.driver import Reading
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.supervisor import Supervisor
from historian.config.settings import Configuration, StoreSettings
from historian.model.clock import AnchoredClock
from historian.model.samples import Samples
from historian.model.scan import ScanGroup
from historian.model.status import GOOD
from historian.model.tag import Tag
from historian.pipeline.pipeline import Pipeline
from support.fake_clock import FakeClock
from support.fake_timer import FakeTimer

SECOND = 1_000_000
TAGS = (Tag("A", "s", "hr:0", "fast"), Tag("B", "s", "hr:1", "fast"))
GROUP = ScanGroup(0, "s", "fast", SECOND, 0, TAGS)


class Plan:
    requests = 1
    is_complete = True


class Stamping:
    """A driver whose values have the time of arrival, as those of Modbus have."""

    def __init__(self, clock: AnchoredClock) -> None:
        self.clock = clock

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def resolve(self, groups):
        return {}

    async def plan(self, group) -> Plan:
        return Plan()

    async def read(self, group, plan) -> Reading:
        now_us = self.clock.wall_us()
        return Reading(np.full(2, now_us), np.full(2, now_us % 1e9), np.zeros(2, np.uint32))

    async def forget(self, group) -> None:
        """Nothing to forget."""

    async def close(self) -> None:
        """Nothing to close."""


class AnchoredTimer:
    """Waits by the fake timer, and tells the anchored time."""

    def __init__(self, timer: FakeTimer, clock: AnchoredClock) -> None:
        self.clock = clock
        self._timer = timer

    async def sleep_until(self, monotonic_us: int) -> None:
        await self._timer.sleep_until(monotonic_us)


@pytest.mark.parametrize("steps_s", [(3600,), (-3600,), (-30, 3600, -7200), (0.3, -0.3), (86_400 * 365, -86_400 * 365)])
async def test_no_step_costs_a_scan_or_turns_the_order(steps_s):
    system = FakeClock()
    clock = AnchoredClock(system)
    timer = FakeTimer(system)
    configuration = Configuration(Path("h.toml"), StoreSettings(Path()), {}, {}, TAGS)
    pipeline = Pipeline(configuration, [GROUP], {"A": 1, "B": 2}, Samples.empty(), clock)
    anchored = AnchoredTimer(timer, clock)
    runner = SourceRunner(
        "s", [GROUP], make_driver=lambda: Stamping(clock), sink=pipeline, timer=anchored, health=SourceHealth("t", "u")
    )
    supervisor = Supervisor(anchored)
    supervisor.start(runner)
    seconds = 0
    for step_s in (0, *steps_s):
        system.step_wall(seconds=step_s)
        for _ in range(60):
            clock.check()
            seconds += 1
            await timer.run_until(seconds * SECOND)
    await supervisor.close()
    pipeline.finish()
    commit = pipeline.take({})
    mine = np.flatnonzero((commit.stored.tag_id == 1) & (commit.stored.status == GOOD))
    times_us = commit.stored.time_us[mine]
    assert len(times_us) == seconds, "a scan a second, whatever the clock says"
    assert (np.diff(times_us) > 0).all()
    assert runner.health.overruns == 0
    assert commit.quarantined == ()
