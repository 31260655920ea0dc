"""Questions on samples in memory, against what an analyst would write in pandas on the same arrays.

What is measured here is the computing alone; reading the store comes on top (``test_retrieval.py``).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.counter import CounterRules, counter
from historian.retrieval.questions.lookup import every_tag
from historian.retrieval.questions.measures import weigh
from historian.retrieval.questions.percentiles import percentiles
from historian.retrieval.questions.plot import plot
from historian.retrieval.questions.value_at import value_at
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

YEAR_AT_10_S = 3_153_600
STEP_US = 10_000_000
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def year() -> Series:
    """One tag, a year at 10 s."""
    values = np.random.default_rng(1).standard_normal(YEAR_AT_10_S).cumsum()
    return series_of(np.arange(YEAR_AT_10_S, dtype=np.int64) * STEP_US, values, tags=1)


@pytest.fixture(scope="module")
def plant() -> Series:
    """200 tags, six hours at 1 Hz."""
    times = np.tile(np.arange(6 * 3600, dtype=np.int64) * 1_000_000, 200)
    return series_of(times, np.random.default_rng(2).standard_normal(len(times)), tags=200)


def series_of(times: np.ndarray, values: np.ndarray, tags: int) -> Series:
    starts = np.arange(tags + 1) * (len(times) // tags)
    status = np.zeros(len(times), np.uint32)
    return Series(starts, times, values, status, np.zeros(tags, np.bool_), times[starts[1:] - 1])


def frame_of(series: Series) -> pd.DataFrame:
    tag = np.repeat(np.arange(len(series)), np.diff(series.starts))
    return pd.DataFrame({"tag": tag, "time": series.time_us, "value": series.value})


def hours(series: Series) -> tuple[Windows, int]:
    edges = np.arange(0, int(series.time_us[-1]) + 1, HOUR_US)
    return Windows.whole(Intervals(edges[:-1], edges[1:])), len(edges) - 1


def peer_ms(ask) -> float:
    """Milliseconds of the peer, the best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def test_values_at_instants(benchmark, figure, plant):
    instants = np.sort(np.random.default_rng(3).integers(0, 6 * HOUR_US, 1000))
    tag, at_us = every_tag(plant, instants)
    found = benchmark(value_at, plant, tag, at_us)
    frame = frame_of(plant).sort_values("time", kind="stable")
    asked = pd.DataFrame({"tag": tag, "time": at_us}).sort_values("time", kind="stable")

    def by_hand() -> pd.DataFrame:
        return pd.merge_asof(asked, frame, on="time", by="tag")

    assert np.array_equal(found.value, by_hand().sort_values(["tag", "time"], kind="stable")["value"])
    if benchmark.stats is not None:
        took = benchmark.stats.stats.min * 1000
        figure("value_at, 200 tags x 1,000 instants", took, "ms", target=15, peer=peer_ms(by_hand), better="less")


def test_plot_of_a_year(benchmark, figure, year):
    end_us = YEAR_AT_10_S * STEP_US
    found = benchmark(plot, year, 0, end_us, 2000)
    frame = frame_of(year)

    def by_hand() -> pd.DataFrame:
        cell = frame["time"] * 2000 // end_us
        return frame.groupby(cell)["value"].agg(["first", "idxmin", "idxmax", "last"])

    assert set(by_hand()["idxmax"]) <= set(found.row.tolist())
    if benchmark.stats is not None:
        took = benchmark.stats.stats.min * 1000
        figure("plot, a year in 2,000 columns", took, "ms", target=30, peer=peer_ms(by_hand), better="less")


def test_hourly_percentiles_of_a_year(benchmark, figure, year):
    windows, count = hours(year)
    found = benchmark(weigh, year, windows, count, lambda cut: percentiles(cut, [95])[0])
    frame = frame_of(year)

    def by_hand() -> pd.Series:
        return frame.groupby(frame["time"] // HOUR_US)["value"].quantile(0.95)

    # The peer counts samples and knows no line between them, so it is near and not the same.
    assert np.median(np.abs(found.value - by_hand().to_numpy()[:count])) < 0.2
    if benchmark.stats is not None:
        took = benchmark.stats.stats.min * 1000
        figure("hourly 95th percentile by time, a year", took, "ms", peer=peer_ms(by_hand), better="less")


def test_hourly_counts_of_a_year(benchmark, figure, year):
    windows, count = hours(year)
    counting = replace(year, value=np.arange(YEAR_AT_10_S) % 10_000.0)
    found = benchmark(counter, counting, windows, count, CounterRules(rollover=10_000))
    frame = frame_of(counting)

    def by_hand() -> pd.Series:
        return (frame["value"].diff() % 10_000).groupby((frame["time"] - 1) // HOUR_US).sum()

    assert np.array_equal(found.delta.value, by_hand().to_numpy()[1 : count + 1])
    if benchmark.stats is not None:
        took = benchmark.stats.stats.min * 1000
        figure("hourly counts with rollovers, a year", took, "ms", peer=peer_ms(by_hand), better="less")
