"""What exception reporting and the swinging door cost a sample, and what they keep of it.

Scans of noisy, drifting, quantised numbers go through both stages.  Peers, in the same run: copying the columns of the
same scans with numpy (what no stage can beat), and the slow loops over one tag that the tests compare with.  As a test
each runs once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from historian.compression.exception import ExceptionFilter
from historian.compression.lanes import LaneSamples
from historian.compression.swinging_door import SwingingDoor
from properties.compression_lanes import lane_settings
from properties.compression_reference import Sample, Settings, both

LANES = (200, 1_000, 5_000, 50_000)
SCANS = 60
SETTINGS = Settings(exc_dev=0.3, exc_max_us=600_000_000, comp_dev=0.5, comp_max_us=28_800_000_000)
TARGET = {200: 1_000_000, 1_000: 1_000_000, 5_000: 3_000_000, 50_000: 3_000_000}


def signal(scans: int, lanes: int) -> np.ndarray:
    """float64[scans, lanes]: slow drift and noise of 0.1, in steps of 0.01."""
    random = np.random.default_rng(7)
    drift = 50 + np.cumsum(random.normal(0, 0.05, (scans, lanes)), axis=0)
    return np.round(drift + random.normal(0, 0.1, (scans, lanes)), 2)


def plant(lanes: int) -> list[LaneSamples]:
    lane, status = np.arange(lanes), np.zeros(lanes, np.uint32)
    return [
        LaneSamples(lane, np.full(lanes, (place + 1) * 1_000_000, np.int64), value, status)
        for place, value in enumerate(signal(SCANS, lanes))
    ]


class Stages:
    """Both stages, counting what passes each."""

    def __init__(self, lanes: int) -> None:
        settings = lane_settings([SETTINGS] * lanes)
        self.exception, self.door = ExceptionFilter(settings), SwingingDoor(settings)
        self.reported = self.stored = 0

    def run(self, scans: Sequence[LaneSamples]) -> Stages:
        """Push all scans and stop in order."""
        for scan in scans:
            for part in self.exception.push(scan):
                self.take(part)
        self.take(self.exception.pending())
        self.stored += sum(map(len, self.door.drain()))
        return self

    def take(self, part: LaneSamples) -> None:
        """Push what was reported, if anything was."""
        if len(part):
            self.reported += len(part)
            self.stored += sum(map(len, self.door.push(part)))


def copies(scans: Sequence[LaneSamples]) -> None:
    for scan in scans:
        for column in (scan.lane, scan.time_us, scan.value, scan.status):
            column.copy()


def best_s(work: Callable[[], object], rounds: int = 5) -> float:
    """Shortest time of ``rounds``: the machine is shared."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(rounds))


@pytest.mark.parametrize("lanes", LANES)
def test_streaming_with_both_stages(benchmark, figure, lanes):
    scans = plant(lanes)
    count = SCANS * lanes
    stages = benchmark.pedantic(lambda: Stages(lanes).run(scans), rounds=1 if benchmark.disabled else 20)
    assert lanes <= stages.stored <= stages.reported <= count
    if benchmark.disabled:
        return
    rate = count / benchmark.stats["min"]
    name = f"compression, {lanes:,} lanes"
    figure(f"{name}, both stages", rate, "samples/s", target=TARGET[lanes], better="more")
    figure(f"{name}, against a copy", rate, "samples/s", peer=count / best_s(lambda: copies(scans)), better="more")
    figure(f"{name}, reported", 100 * stages.reported / count, "%", better="less")
    figure(f"{name}, stored", 100 * stages.stored / count, "%", better="less")


def test_lanes_against_loops_over_one_tag(benchmark, figure):
    lanes, tags = 1_000, 10
    scans = plant(lanes)
    samples = [[Sample(int(scan.time_us[lane]), float(scan.value[lane])) for scan in scans] for lane in range(tags)]
    stages = benchmark.pedantic(lambda: Stages(lanes).run(scans), rounds=1 if benchmark.disabled else 20)
    kept = [both(tag, SETTINGS) for tag in samples]
    assert Stages(tags).run([scan.take(np.arange(tags)) for scan in scans]).stored == sum(map(len, kept))
    assert stages.stored > 0
    if benchmark.disabled:
        return
    loops = tags * SCANS / best_s(lambda: [both(tag, SETTINGS) for tag in samples])
    rate = lanes * SCANS / benchmark.stats["min"]
    figure("compression, 1,000 lanes, against the slow loops", rate, "samples/s", peer=loops, better="more")
