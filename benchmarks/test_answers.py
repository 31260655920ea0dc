"""Answers from the store, files and all, against hand-written SQL, pandas and Polars on the same Parquet.

``WORKLOADS_DIR=folder pytest benchmarks/test_answers.py --benchmark-enable -s``.  Within the suite all run once, on
small workloads.  What SQL, pandas and Polars are asked is less than what we answer: averages of samples, not over time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from peers.ours import Ours
from peers.workload import Workload, load

import historian
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.edits import Cause
from storage.import_chunk import ImportNotes
from storage.reader import StoreReader
from storage.store import Store

HOUR_US, MINUTE_US, DAY_US = 3_600_000_000, 60_000_000, 86_400_000_000
ROUNDS = 7


@pytest.fixture(scope="module")
def is_measuring(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


class Plant:
    """A workload in a store, and the files of its archive for others."""

    def __init__(self, folder: Path, work: Workload) -> None:
        self.work = work
        ours = Ours(folder)
        ours.ingest(work)
        ours.open()
        self.link = ours.link
        with StoreReader.open(folder / "store") as reader:
            self.files = [file.path for file in reader.snapshot().files]
        self.start = datetime.fromtimestamp(work.times_us[0] / 1e6, UTC)
        self.end = datetime.fromtimestamp(work.times_us[-1] / 1e6 + 1, UTC)


@pytest.fixture(scope="module")
def year(tmp_path_factory, is_measuring):
    plant = Plant(tmp_path_factory.mktemp("year"), load("w2") if is_measuring else load("w2", times=2200))
    yield plant
    plant.link.close()


@pytest.fixture(scope="module")
def shift(tmp_path_factory, is_measuring):
    work = load("w1") if is_measuring else load("w1", tags=190, times=1100)
    plant = Plant(tmp_path_factory.mktemp("shift"), work)
    yield plant
    plant.link.close()


def best_ms(ask: Callable[[], object], is_measuring: bool) -> float:
    times = []
    for _ in range(ROUNDS + 1 if is_measuring else 1):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return min(times)


def report(figure, is_measuring: bool, name: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]]):
    """Ours and each peer, by turns, because the machine is busy."""
    mine = best_ms(ours, is_measuring)
    for peer, ask in peers.items():
        theirs = best_ms(ask, is_measuring)
        mine = min(mine, best_ms(ours, is_measuring))
        figure(f"{name}, against {peer}", mine, "ms", better="less", peer=theirs)
    return mine


def sql(
    files: list[str], bucket_us: int, columns: str = "avg(value), min(value), max(value)"
) -> Callable[[], pa.Table]:
    connection = duckdb.connect()
    text = f"""select tag_id, epoch_us(time) // {bucket_us} as bucket, {columns}
               from read_parquet({files!r}) where value is not null group by all order by all"""
    return lambda: connection.sql(text).to_arrow_table()


def by_pandas(files: list[str], rule: str) -> pd.DataFrame:
    frame = pd.concat([pd.read_parquet(file, columns=["tag_id", "time", "value"]) for file in files])
    return frame.groupby(["tag_id", pd.Grouper(key="time", freq=rule)])["value"].agg(["mean", "min", "max"])


def by_polars(files: list[str], every: str) -> pl.DataFrame:
    value = pl.col("value")
    return (
        pl.scan_parquet(files)
        .select("tag_id", "time", "value")
        .group_by("tag_id", pl.col("time").dt.truncate(every))
        .agg(value.mean().alias("mean"), value.min().alias("min"), value.max().alias("max"))
        .collect()
    )


@pytest.mark.timeout(300)
def test_hours_of_a_year(figure, year, is_measuring):
    names = ["TimeAverage", "Minimum", "Maximum", "PercentGood"]

    def ours() -> pa.Table:
        return year.link.aggregate(year.work.names[0], year.start, year.end, "1h", names)

    hours = len(np.unique(year.work.times_us // HOUR_US))
    assert len(ours()) >= 4 * (hours - 1)
    peers = {
        "SQL for avg, min, max (wanted: 0.67)": sql(year.files, HOUR_US),
        "pandas": lambda: by_pandas(year.files, "1h"),
        "Polars": lambda: by_polars(year.files, "1h"),
    }
    report(figure, is_measuring, "a year of one tag by hours", ours, peers)


@pytest.mark.timeout(300)
def test_ten_minutes_of_all_tags(figure, shift, is_measuring):
    def ours() -> pa.Table:
        return shift.link.aggregate("*", shift.start, shift.end, "10m", "TimeAverage")

    assert len(ours()) >= len(shift.work.names)
    peers = {
        "SQL for avg (wanted: 0.5)": sql(shift.files, 10 * MINUTE_US, "avg(value)"),
        "pandas": lambda: by_pandas(shift.files, "10min"),
        "Polars": lambda: by_polars(shift.files, "10m"),
    }
    report(figure, is_measuring, "ten minutes of all tags", ours, peers)


@pytest.mark.timeout(300)
def test_all_tags_at_a_thousand_times(figure, shift, is_measuring):
    rng = np.random.default_rng(1)
    count = 1000 if is_measuring else 10
    moments_us = np.sort(rng.integers(shift.work.times_us[0], shift.work.times_us[-1], count))
    moments = [datetime.fromtimestamp(each / 1e6, UTC) for each in moments_us.tolist()]

    def ours() -> pa.Table:
        return shift.link.value_at("*", moments)

    def by_asof() -> pl.DataFrame:
        wanted = pl.DataFrame({"at": pl.Series(moments_us).cast(pl.Datetime("us", "UTC"))})
        tags = pl.DataFrame({"tag_id": pl.Series(np.arange(1, len(shift.work.names) + 1, dtype=np.int32))})
        samples = pl.read_parquet(shift.files, columns=["tag_id", "time", "value"])
        asked = tags.join(wanted, how="cross").sort("tag_id", "at")
        return asked.join_asof(samples, left_on="at", right_on="time", by="tag_id", check_sortedness=False)

    assert len(ours()) == count * len(shift.work.names)
    mine = report(figure, is_measuring, "all tags at a thousand times", ours, {"Polars": by_asof})
    figure("all tags at a thousand times", mine, "ms", better="less", target=50)


@pytest.mark.timeout(300)
def test_a_year_in_2000_pixels(figure, year, is_measuring):
    def ours() -> pa.Table:
        return year.link.plot(year.work.names[0], year.start, year.end, 2000)

    def by_polars_m4() -> pl.DataFrame:
        width_us = max(int(year.work.times_us[-1] - year.work.times_us[0]) // 2000, 1)
        value = pl.col("value")
        pixel = (pl.col("time").dt.epoch("us") - int(year.work.times_us[0])) // width_us
        frame = pl.scan_parquet(year.files).select("time", "value")
        return frame.group_by(pixel.alias("pixel")).agg(
            value.first().alias("first"), value.last().alias("last"),
            value.min().alias("min"), value.max().alias("max"),
            pl.col("time").get(value.arg_min()).alias("at_min"), pl.col("time").get(value.arg_max()).alias("at_max"),
        ).collect()  # fmt: skip

    assert len(ours()) > 0
    mine = report(figure, is_measuring, "a year in 2,000 pixels", ours, {"Polars": by_polars_m4})
    figure("a year in 2,000 pixels", mine, "ms", better="less", target=60)


@pytest.fixture(scope="module")
def scattered(tmp_path_factory, is_measuring):
    """An archive of 5,000 files: ten tags at 10 s, a file a quarter of an hour."""
    folder = tmp_path_factory.mktemp("scattered")
    files, rows = (5000, 90) if is_measuring else (5, 90)
    tags = [Tag(f"T{number}", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(10)]
    start_us = 1_735_689_600_000_000
    with Store.open(folder / "store", create=True) as store:
        store.register_tags(tags, start_us, "benchmark")
        for number in range(files):
            times_us = start_us + (number * rows + np.arange(rows, dtype=np.int64)) * 10_000_000
            tag_id = np.repeat(np.arange(1, 11, dtype=np.int32), rows)
            values = np.random.default_rng(number).normal(size=10 * rows)
            samples = Samples(tag_id, np.tile(times_us, 10), values, np.zeros(10 * rows, np.uint32))
            cause = Cause("benchmark", "a file", start_us + DAY_US * 400)
            store.insert_chunk(samples, cause, replace=False, settle=lambda _: ImportNotes())
            store.flush(force=True)
    link = historian.open(folder / "store")
    yield link, folder / "store", files, start_us
    link.close()


@pytest.mark.timeout(600)
def test_one_hour_out_of_5000_files(figure, scattered, is_measuring):
    link, folder, files, start_us = scattered
    low_us = start_us + files // 2 * 900_000_000
    span = f"time >= '{_text(low_us)}' and time < '{_text(low_us + HOUR_US)}'"

    def ours() -> pa.Table:
        return link.sql(f"select time, value from samples where tag = 'T5' and {span}")

    def by_function() -> pa.Table:
        return link.history(
            "T5", datetime.fromtimestamp(low_us / 1e6, UTC), datetime.fromtimestamp(low_us / 1e6 + 3600, UTC)
        )

    found = sorted((folder / "archive" / "samples").rglob("*.parquet"))
    assert len(found) == files
    right = [str(path) for path in found[files // 2 : files // 2 + 4]]
    connection = duckdb.connect()
    text = f"select time, value from read_parquet({right!r}) where tag_id = 6 and {span}"

    def handed() -> pa.Table:
        return connection.sql(text).to_arrow_table()

    assert sorted(ours().to_pylist(), key=str) == sorted(handed().to_pylist(), key=str)
    report(figure, is_measuring, "an hour out of 5,000 files, SQL (wanted: 0.5)", ours, {"the right files": handed})
    report(figure, is_measuring, "an hour out of 5,000 files, history()", by_function, {"the right files": handed})


def _text(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat()
