"""What exception reporting and the door cost a sample, streaming and in bulk.

Scans of noisy, drifting, quantised numbers go through both stages.  Peers, in the same run: the same loops in C, one
lane after the other, compiled on the spot (left out where there is no compiler).  All of it is one thread, so that the
time is that of the processor: a busy machine says less about it than the clock would.  As a test each runs once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from compression_in_c import COMPILER, InC

from historian.compression.bulk import LONGEST_PIECE, kept
from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.series import LaneSeries
from historian.model.samples import Samples
from historian.pipeline.part import Parts
from properties.compression_lanes import lane_settings
from properties.compression_reference import Settings

pytestmark = pytest.mark.benchmark(timer=time.process_time)

EXC_DEV, COMP_DEV = 0.3, 0.5
BOTH = Settings(exc_dev=EXC_DEV, comp_dev=COMP_DEV)
DOOR_ONLY = Settings(comp_dev=COMP_DEV)
SAMPLES = 1_000_000
STREAMING_TARGET = {200: 1_500_000, 1_000: None, 5_000: 8_000_000, 50_000: None}
BULK_TARGET = 10_000_000


def signal(samples: int, lanes: int) -> np.ndarray:
    """float64[samples, lanes]: slow drift and noise of 0.1, in steps of 0.01."""
    random = np.random.default_rng(7)
    drift = 50 + np.cumsum(random.normal(0, 0.05, (samples, lanes)), axis=0)
    return np.round(drift + random.normal(0, 0.1, (samples, lanes)), 2)


def plant(scans: int, lanes: int) -> list[LaneSamples]:
    lane, status = np.arange(lanes), np.zeros(lanes, np.uint32)
    return [
        LaneSamples(lane, np.full(lanes, (place + 1) * 1_000_000, np.int64), value, status)
        for place, value in enumerate(signal(scans, lanes))
    ]


@pytest.fixture
def in_c(request, tmp_path):
    """The loops in C; None in a test that runs once, and where nothing compiles them."""
    return InC(tmp_path) if COMPILER and request.config.getoption("benchmark_enable") else None


def best_s(work: Callable[[], object], rounds: int = 3) -> float:
    """Shortest time of ``rounds``: the machine is shared."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(rounds))


class Streaming:
    """Parts of a group as the pipeline makes them, and how long the longest scan took."""

    def __init__(self, settings: LaneSettings) -> None:
        self.parts = Parts.of(settings, np.arange(len(settings), dtype=np.int32))
        self.stored = 0
        self.longest_s = 0.0

    def run(self, scans: list[LaneSamples]) -> Streaming:
        """Take all scans and stop in order."""
        for place, scan in enumerate(scans):
            start = time.process_time()
            self.take(self.parts.accept(scan, place * 1_000_000))
            self.longest_s = max(self.longest_s, time.process_time() - start)
        return self.take(self.parts.drain())

    def take(self, stored: list[Samples]) -> Streaming:
        """Count what was stored."""
        self.stored += sum(map(len, stored))
        return self


def without_compiler(in_c: InC | None) -> str:
    return "" if in_c else " (no compiler: no ratio to C)"


@pytest.mark.parametrize("settings", [BOTH, DOOR_ONLY], ids=["both stages", "door only"])
@pytest.mark.parametrize("lanes", STREAMING_TARGET)
def test_streaming(benchmark, figure, in_c, lanes, settings):
    scans = plant(max(SAMPLES // lanes, 64) if benchmark.enabled else 20, lanes)
    count = lanes * len(scans)
    columns = lane_settings([settings] * lanes)
    streaming = benchmark.pedantic(lambda: Streaming(columns).run(scans), rounds=3 if benchmark.enabled else 1)
    assert 2 * lanes <= streaming.stored <= count
    if not benchmark.enabled:
        return
    what = "both stages" if settings is BOTH else "door only"
    rate = count / benchmark.stats["min"]
    name = f"compression, streaming, {lanes:,} lanes, {what}"
    figure(name + without_compiler(in_c), rate, "samples/s", target=STREAMING_TARGET[lanes], better="more")
    if in_c:
        value = np.ascontiguousarray(np.stack([scan.value for scan in scans], axis=1))
        times = np.arange(len(scans), dtype=np.float64)
        took_s = best_s(lambda: in_c.kept(times, value, exc_dev=settings.exc_dev, comp_dev=COMP_DEV))
        figure(f"{name}, against C", rate, "samples/s", peer=count / took_s, better="more")
    if settings is BOTH:
        figure(f"{name}, longest scan", streaming.longest_s * 1000, "ms", target=50, better="less")


@pytest.mark.parametrize("settings", [BOTH, DOOR_ONLY], ids=["both stages", "door only"])
@pytest.mark.parametrize("tags", [1, 200])
def test_bulk(benchmark, figure, in_c, tags, settings):
    each = (SAMPLES if benchmark.enabled else 4_000) // tags
    value = np.ascontiguousarray(signal(each, tags).T)
    series = LaneSeries(
        np.arange(tags + 1) * each, np.tile(np.arange(each, dtype=np.int64) * 1_000_000, tags),
        value.reshape(-1), np.zeros(tags * each, np.uint32),
    )  # fmt: skip
    columns = lane_settings([settings] * tags)
    stays = benchmark.pedantic(lambda: kept(series, columns), rounds=5 if benchmark.enabled else 1)
    cuts = tags * (each // LONGEST_PIECE + 1)
    assert 2 * tags <= np.count_nonzero(stays) <= tags * each
    if not benchmark.enabled:
        return
    what = "both stages" if settings is BOTH else "door only"
    name = f"compression, bulk, {tags} tags, {what}"
    rate = tags * each / benchmark.stats["min"]
    figure(name + without_compiler(in_c), rate, "samples/s", target=BULK_TARGET, better="more")
    if in_c:
        times = np.arange(each, dtype=np.float64)
        run = lambda: in_c.kept(times, value, exc_dev=settings.exc_dev, comp_dev=COMP_DEV)  # noqa: E731 - twice
        figure(f"{name}, against C", rate, "samples/s", peer=tags * each / best_s(run), better="more")
        wanted = int(np.count_nonzero(run()))
        assert np.count_nonzero(stays) <= wanted + 2 * cuts, "what is kept for the cuts, and no more"
        figure(f"{name}, kept", np.count_nonzero(stays), "samples", peer=wanted, better="less")
