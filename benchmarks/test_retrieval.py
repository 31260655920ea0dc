"""Questions to a store of 200 tags at 1 Hz, against hand-written SQL on the same Parquet files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

import historian
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.store import Store
from support.sample_store import SECOND, T0_US

TAGS = [Tag(f"TAG{number:03}.PV", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(200)]
HOURS = 2
START = datetime.fromtimestamp(T0_US / 1e6, UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file an hour, and ten minutes in the buffer as the 600 batches that a second each leaves there."""
    path = tmp_path_factory.mktemp("retrieval") / "store"
    rng = np.random.default_rng(1)
    with Store.open(path, create=True) as store:
        ids = np.array(list(store.register_tags(TAGS, T0_US, "benchmark").values()), np.int32)
        for hour in range(HOURS):
            store.commit(Commit(T0_US, block(rng, ids, hour * 3600, 3600)))
            store.flush(force=True)
        for second in range(600):
            store.commit(Commit(T0_US, block(rng, ids, HOURS * 3600 + second, 1)))
    return path


def block(rng: np.random.Generator, ids: np.ndarray, start_s: int, seconds: int) -> Samples:
    count = len(ids) * seconds
    times = T0_US + (start_s + np.tile(np.arange(seconds, dtype=np.int64), len(ids))) * SECOND
    values = np.round(rng.normal(size=count), 2)
    return Samples(np.repeat(ids, seconds), times, values, np.zeros(count, np.uint32))


@pytest.fixture
def opened(folder: Path) -> Iterator[historian.Historian]:
    with historian.open(folder) as found:
        found.sql("select 1")
        yield found


def peer_s(folder: Path, sql: str) -> float:
    """Seconds of hand-written SQL over the files, warm, the best of a few."""
    files = sorted(str(path) for path in (folder / "archive" / "samples").rglob("*.parquet"))
    with duckdb.connect() as link:
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            link.execute(sql, [files]).fetchall()
            best = min(best, time.perf_counter() - start)
    return best


QUESTIONS = {
    "one tag, one hour": (
        "select time, value from samples where tag = 'TAG100.PV' and time < '2026-11-22 01:00:00+00'",
        "select time::varchar, value from read_parquet(?) where tag_id = 101 and time < '2026-11-22 01:00:00+00'",
    ),
    "ten-minute averages of all": (
        "select tag, epoch_us(time) // 600000000 as bucket, avg(value) from samples group by all",
        "select tag_id, epoch_us(time) // 600000000 as bucket, avg(value) from read_parquet(?) group by all",
    ),
    "newest of all": (
        "select tag, value from snapshot",
        "select tag_id, arg_max(value, time) from read_parquet(?) group by tag_id",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_question(benchmark, figure, opened, folder, name):
    ours, by_hand = QUESTIONS[name]
    benchmark(opened.sql, ours)
    if benchmark.stats is not None:
        figure(name, benchmark.stats.stats.min * 1000, "ms", peer=peer_s(folder, by_hand) * 1000, better="less")


def test_history_of_an_hour(benchmark, figure, opened, folder):
    hour = ("TAG100.PV", START, START + timedelta(hours=1))
    assert len(benchmark(opened.history, *hour)) == 3600
    if benchmark.stats is not None:
        by_hand = peer_s(folder, QUESTIONS["one tag, one hour"][1]) * 1000
        figure("history() of one tag, one hour", benchmark.stats.stats.min * 1000, "ms", peer=by_hand, better="less")


def test_values_at_a_thousand_instants(benchmark, figure, opened):
    instants = [START + timedelta(seconds=7 * each) for each in range(1000)]
    assert len(benchmark(opened.value_at, "*", instants)) == 200_000
    if benchmark.stats is not None:
        cost = benchmark.stats.stats.min * 1000
        figure("value_at of 200 tags at 1,000 instants", cost, "ms", target=50, better="less")


def test_the_first_values_at_an_instant(benchmark, figure, folder):
    """All row groups of 200 tags for an hour are unpacked for it."""

    def ask() -> None:
        with historian.open(folder) as fresh:
            assert len(fresh.value_at("*", START + timedelta(minutes=30))) == 200

    benchmark(ask)
    if benchmark.stats is not None:
        cost = benchmark.stats.stats.min * 1000
        figure("open, value_at of 200 tags for the first time", cost, "ms", target=100, better="less")


def test_fresh_snapshot_of_600_batches(benchmark, figure, folder):
    def ask() -> None:
        with historian.open(folder) as fresh:
            fresh.sql("select 1")

    benchmark(ask)
    if benchmark.stats is not None:
        figure("open, snapshot of 600 batches, query", benchmark.stats.stats.min * 1000, "ms", better="less")
