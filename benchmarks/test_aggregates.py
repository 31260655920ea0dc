"""Aggregates of Part 13 on samples in memory, against DuckDB on the same in an Arrow table, and pandas and Polars.

The peers' averages do not weigh by time (DuckDB) or do so by hand (pandas, Polars), and none of them knows statuses,
gaps or the values at the edges of hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from historian.model.status import BAD
from historian.retrieval.aggregates import NAMES, AggregateRows, aggregate
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series

SECOND = 1_000_000
HOUR = 3600 * SECOND
HOURLY = ("TimeAverage", "Minimum", "Maximum", "PercentGood")


@dataclass(frozen=True)
class Workload:
    """Samples of some tags, the intervals asked for, and the same samples as an Arrow table."""

    series: Series
    intervals: Intervals
    table: pa.Table
    step_us: int

    def ask(self, *names: str) -> AggregateRows:
        """The aggregates of all tags and intervals."""
        return aggregate(self.series, self.intervals, names)


def workload(tags: int, samples: int, every_us: int, step_us: int, bad: int = 0) -> Workload:
    rng = np.random.default_rng(1)
    count = tags * samples
    times = np.tile(np.arange(samples, dtype=np.int64) * every_us, tags)
    values = np.round(50 + np.cumsum(rng.normal(size=count)) * 0.01, 3)
    status = np.zeros(count, np.uint32)
    status[rng.choice(count, bad, replace=False)] = BAD
    values[status == BAD] = np.nan
    known_us = np.full(tags, (samples - 1) * every_us)
    series = Series(np.arange(tags + 1) * samples, times, values, status, np.zeros(tags, np.bool_), known_us)
    starts = np.arange(0, samples * every_us, step_us)
    table = pa.table({"tag": np.repeat(np.arange(tags, dtype=np.int32), samples), "time": times, "value": values})
    return Workload(series, Intervals(starts, starts + step_us), table, step_us)


@pytest.fixture(scope="module")
def year() -> Workload:
    """One tag, a year at 10 s, hours."""
    return workload(1, 365 * 8640, 10 * SECOND, HOUR)


@pytest.fixture(scope="module")
def year_with_faults() -> Workload:
    """The same with a Bad sample now and then."""
    return workload(1, 365 * 8640, 10 * SECOND, HOUR, bad=300)


@pytest.fixture(scope="module")
def area() -> Workload:
    """200 tags, six hours at 1 s, ten minutes."""
    return workload(200, 6 * 3600, SECOND, 600 * SECOND)


def best_s(ask: Callable[[], object]) -> float:
    """Seconds, warm, the best of a few."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - start)
    return best


def duckdb_s(one: Workload, columns: str) -> float:
    with duckdb.connect() as link:
        link.register("samples", one.table)
        sql = f"select tag, time // {one.step_us} as bucket, {columns} from samples group by all"
        return best_s(lambda: link.execute(sql).fetchnumpy())


def by_pandas(one: Workload) -> object:
    frame = pd.DataFrame({"time": one.series.time_us, "value": one.series.value})
    spent = frame["time"].diff().shift(-1).fillna(0)
    frame["area"] = (frame["value"] + frame["value"].shift(-1).ffill()) / 2 * spent
    frame["spent"] = spent
    hours = frame.groupby(frame["time"] // one.step_us)
    sums = hours[["area", "spent"]].sum()
    return sums["area"] / sums["spent"], hours["value"].agg(["min", "max"])


def by_polars(one: Workload) -> object:
    spent = pl.col("time").shift(-1) - pl.col("time")
    return (
        pl.LazyFrame({"time": one.series.time_us, "value": one.series.value})
        .with_columns(
            area=(pl.col("value") + pl.col("value").shift(-1)) / 2 * spent,
            spent=spent,
            bucket=pl.col("time") // one.step_us,
        )
        .group_by("bucket")
        .agg(
            pl.col("area").sum() / pl.col("spent").sum(),
            pl.col("value").min().alias("a"),
            pl.col("value").max().alias("b"),
        )
        .collect()
    )


def test_year_of_hours(benchmark, figure, year):
    rows = benchmark(year.ask, *HOURLY)
    assert len(rows) == 4 * 8760
    if benchmark.stats is not None:
        ours = benchmark.stats.stats.min * 1000
        name = "a year of 3.15 M samples: hourly " + ", ".join(HOURLY)
        figure(f"{name}, against DuckDB's avg, min, max", ours, "ms", peer=year_by_duckdb(year) * 1000, better="less")
        for other, by_hand in (("pandas", by_pandas), ("Polars", by_polars)):
            by_hand_ms = best_s(lambda by_hand=by_hand: by_hand(year)) * 1000
            figure(f"{name}, against {other} by hand", ours, "ms", peer=by_hand_ms, better="less")


def year_by_duckdb(year: Workload) -> float:
    return duckdb_s(year, "avg(value), min(value), max(value)")


def test_year_of_hours_with_faults(benchmark, figure, year, year_with_faults):
    benchmark(year_with_faults.ask, *HOURLY)
    if benchmark.stats is not None:
        ours = benchmark.stats.stats.min * 1000
        figure("the same with 300 Bad samples", ours, "ms", peer=year_by_duckdb(year) * 1000, better="less")


def test_ten_minutes_of_200_tags(benchmark, figure, area):
    rows = benchmark(area.ask, "TimeAverage")
    assert len(rows) == 200 * 36
    if benchmark.stats is not None:
        peer = duckdb_s(area, "avg(value)") * 1000
        ours = benchmark.stats.stats.min * 1000
        figure("200 tags, 4.3 M samples: ten-minute TimeAverage", ours, "ms", peer=peer, better="less")


def test_all_of_them_at_once(benchmark, figure, year):
    rows = benchmark(year.ask, *NAMES)
    assert len(rows) == len(NAMES) * 8760
    if benchmark.stats is not None:
        each = best_s(lambda: year.ask("TimeAverage")) * 1000
        figure(
            "all 37 over a year, against 37 times one",
            benchmark.stats.stats.min * 1000,
            "ms",
            peer=37 * each,
            better="less",
        )
