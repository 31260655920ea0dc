"""Parts of the main job under load: a scan to its commit, and the grid of scans.

``python3 run.py bench benchmarks/test_collect.py`` measures; as a test each runs once and briefly.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from collectors.driver import Reading
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.schedule import SystemTimer
from collectors.supervisor import run_sources
from historian.config.settings import Configuration, StoreSettings
from historian.model.clock import SystemClock
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import Scan, ScanGroup
from historian.model.status import GOOD
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.pipeline.pipeline import Pipeline
from storage.store import Store

TAGS = 5_000
TARGET_SAMPLES_PER_S = 300_000
TARGET_LATENESS_MS = 20
SECOND_US = 1_000_000


class Clock:
    """Moves one second with every scan."""

    def __init__(self) -> None:
        self.now_us = 1_800_000_000 * SECOND_US

    def wall_us(self) -> int:
        """Time of day."""
        return self.now_us

    def monotonic_us(self) -> int:
        """The same."""
        return self.now_us


@pytest.mark.parametrize("compressed", [False, True], ids=["lossless", "compressed"])
def test_scan_to_commit(benchmark, tmp_path: Path, compressed: bool) -> None:
    """One scan of 5,000 tags through scaling, exception reporting, the door, and a commit with fsync."""
    deviations = {}
    if compressed:
        deviations = {
            "exception": ExceptionSettings(ErrorBound(0.1)),
            "compression": CompressionSettings(ErrorBound(0.3)),
        }
    tags = tuple(Tag(f"T{number}", "s", "hr:0", "fast", scale=0.1, **deviations) for number in range(TAGS))
    group = ScanGroup(0, "s", "fast", SECOND_US, 0, tags)
    clock, walk = Clock(), np.cumsum(np.random.default_rng(1).standard_normal((200, TAGS)), axis=0)
    with Store.open(tmp_path / "store", create=True) as store:
        ids = store.register_tags(tags, clock.now_us, "benchmark")
        store.recover(clock.now_us)
        configuration = Configuration(Path("historian.toml"), StoreSettings(tmp_path), {}, {}, tags)
        pipeline = Pipeline(configuration, (group,), ids, Samples.empty(), clock)
        scans = iter(range(10**9))

        def scan_and_commit() -> None:
            clock.now_us += SECOND_US
            values = walk[next(scans) % len(walk)]
            times = np.full(TAGS, clock.now_us)
            pipeline.accept(Scan(0, clock.now_us, times, values, np.full(TAGS, GOOD, np.uint32)))
            store.commit(pipeline.take({}))

        benchmark.pedantic(scan_and_commit, rounds=1 if benchmark.disabled else 300, warmup_rounds=3)
    if not benchmark.disabled:
        rate = TAGS / benchmark.stats.stats.median
        benchmark.extra_info["samples/s"] = round(rate)
        print(f"\n{rate:,.0f} samples/s from scan to commit, {rate / TARGET_SAMPLES_PER_S:.1f} x the target")


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """Nothing to prepare, and nothing missing."""

    requests: int = 0
    is_complete: bool = True


class IdleDriver:
    """Answers at once: what is measured is the schedule."""

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def resolve(self, groups) -> dict[str, object]:
        """No types to tell."""
        return {}

    async def plan(self, group) -> IdlePlan:
        """No requests to prepare."""
        return IdlePlan()

    async def read(self, group, plan) -> Reading:
        """One value a lane, now."""
        count = len(group.tags)
        now_us = SystemClock().wall_us()
        return Reading(np.full(count, now_us), np.zeros(count), np.zeros(count, np.uint32))

    async def forget(self, group) -> None:
        """Nothing was prepared."""

    async def close(self) -> None:
        """There is nothing to close."""


class LatenessSink:
    """Notes how far after its place on the grid each scan was read."""

    def __init__(self, rate_us: int) -> None:
        self.rate_us = rate_us
        self.lateness_us: list[int] = []

    def accept(self, scan: Scan) -> None:
        """The grid lies on whole multiples of the rate since 1970."""
        self.lateness_us.append(int(scan.time_us[0]) % self.rate_us)

    def types_resolved(self, types) -> None:
        """Not measured."""

    def event(self, kind: str, object_: str, text: str) -> None:
        """Not measured."""


async def scan_on_the_grid(scans: int, rate_us: int) -> list[int]:
    """Lateness of so many scans, by the system's clocks."""
    group = ScanGroup(
        0, "s", "fast", rate_us, 0, tuple(Tag(f"T{number}", "s", "hr:0", "fast") for number in range(100))
    )
    sink = LatenessSink(rate_us)
    timer = SystemTimer(SystemClock())
    runner = SourceRunner(
        "s", (group,), make_driver=IdleDriver, sink=sink, timer=timer, health=SourceHealth("idle", "")
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run_sources([runner], stop, timer))
    while len(sink.lateness_us) < scans:
        await asyncio.sleep(rate_us / SECOND_US)
    stop.set()
    await running
    return sink.lateness_us


def test_scans_keep_to_the_grid(benchmark) -> None:
    """A thousand scans at 50 Hz: the last ones start as near to the grid as the first."""
    scans, rate_us = (50 if benchmark.disabled else 1_000), 20_000
    lateness_us = benchmark.pedantic(lambda: asyncio.run(scan_on_the_grid(scans, rate_us)), rounds=1)
    figures = {
        "scans": len(lateness_us),
        "median_ms": float(np.median(lateness_us)) / 1000,
        "p99_ms": float(np.percentile(lateness_us, 99)) / 1000,
        "median_of_last_hundred_ms": float(np.median(lateness_us[-100:])) / 1000,
    }
    benchmark.extra_info.update(figures)
    print(f"\nlateness against the grid, limit {TARGET_LATENESS_MS} ms: {json.dumps(figures)}")
    assert len(lateness_us) >= scans
