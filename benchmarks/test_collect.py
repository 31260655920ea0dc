"""The main job under load: a scan to its commit, and values a second end to end from simulated devices.

``python3 run.py bench benchmarks/test_collect.py`` measures; as a test each runs once and briefly.
"""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from collectors.driver import Reading
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.schedule import SystemTimer
from collectors.simulator.plant import SimulatedServer
from collectors.supervisor import run_sources
from historian.config.settings import Configuration, StoreSettings
from historian.errors import StoreError
from historian.model.clock import SystemClock
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import Scan, ScanGroup
from historian.model.status import GOOD
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.pipeline.pipeline import Pipeline
from storage.reader import StoreReader
from storage.store import Store

TAGS = 5_000
TARGET_SAMPLES_PER_S = 300_000
TARGET_VALUES_PER_S = 20_000
TARGET_MEMORY_MB = 150
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


def write_load_configuration(folder: Path, url: str, tags: int, rate: str = "1s") -> None:
    """A configuration that reads so many registers of the load server, compressed."""
    (folder / "historian.toml").write_text(
        f'tag_files = ["tags.csv"]\n[store]\npath = "store"\n[scan_classes.fast]\nrate = "{rate}"\n'
        f'[sources.load]\nprotocol = "modbus"\nurl = "{url}"\ntimeout = "5s"\n'
    )
    with (folder / "tags.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tag", "source", "address", "type", "scan_class", "low", "high", "exc_dev", "comp_dev"])
        writer.writerows(
            [f"L{number}", "load", f"hr:{number}", "uint16", "fast", 0, 65535, "0.1%", "0.3%"] for number in range(tags)
        )


Health = dict[str, dict[str, object]]


def collect_for(folder: Path, seconds: float) -> tuple[Health, Health]:
    """Collect in a process of its own; the health figures of the first scans and of those ``seconds`` later."""
    process = subprocess.Popen([sys.executable, "-P", "-m", "cli", "collect"], cwd=folder)
    try:
        first = health_when_scanning(folder / "store")
        time.sleep(seconds)
        return first, health_when_scanning(folder / "store")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def health_when_scanning(store: Path) -> Health:
    """The figures as soon as the first scan is in the store; however long a busy machine takes to start."""
    deadline = time.monotonic() + 40.0
    while True:
        try:
            with closing(StoreReader.open(store)) as reader:
                health = reader.health()
            if health.get("source/load", {}).get("scans"):
                return health
        except StoreError:  # the store is still being made
            pass
        assert time.monotonic() < deadline, "nothing was collected"
        time.sleep(0.05)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("tags", [5_000, 20_000])
def test_end_to_end_from_the_load_simulator(benchmark, tmp_path: Path, tags: int) -> None:
    """5,000 and 20,000 values a second from a Modbus server in another process, compression on."""
    server = SimulatedServer(["load-modbus", "--registers", str(tags)])
    try:
        write_load_configuration(tmp_path, server.wait_until_ready(), tags)
        seconds = 2.0 if benchmark.disabled else 30.0
        first, health = benchmark.pedantic(collect_for, (tmp_path, seconds), rounds=1)
    finally:
        server.close()
    source, process = health["source/load"], health["process"]
    scans = float(source["scans"]) - float(first["source/load"]["scans"])
    elapsed_s = (float(process["updated_us"]) - float(first["process"]["updated_us"])) / SECOND_US
    figures = {
        "values/s": round(scans * tags / elapsed_s),
        "overruns": source["overruns"],
        "lateness_max_ms": round(float(source["lateness_max_ms"]), 1),
        "latency_ms": round(float(source["latency_ms"]), 1),
        "commit_max_ms": round(float(process["commit_max_ms"]), 1),
        "memory_mb": round(float(process["memory_bytes"]) / 1e6),
        "stored": process["samples_stored"],
        "received": process["samples_in"],
    }
    benchmark.extra_info.update(figures)
    print(f"\n{tags:,} tags a second, target {TARGET_VALUES_PER_S:,} values/s, {TARGET_MEMORY_MB} MB at 5,000 tags:")
    print(json.dumps(figures))
    assert process["samples_in"] == source["scans"] * tags, "every value read is accounted for"


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
