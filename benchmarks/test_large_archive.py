"""How the cost of a question grows with the archive; LARGE_ARCHIVES names folders of stores, smallest first."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from make_large_archive import T0_US, make

import historian
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.reader import StoreReader
from storage.store import Store

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


def best_ms(ask, rounds=25):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return min(times)


def test_the_script_makes_what_it_says(tmp_path):
    assert make(tmp_path / "store", tags=5, samples=150, per_day=24, chunk_rows=48) == 240
    with historian.open(tmp_path / "store") as h:
        assert h.sql("select count(*) as n, count(distinct tag) as tags from samples").to_pylist() == [
            {"n": 240, "tags": 5}
        ]
        assert h.history("TAG000003.PV", START, START + timedelta(days=1)).num_rows == 24


SQL = "select time, value from samples where tag = ? and time >= ? and time < ?"

QUESTIONS = {
    "history()": lambda h, tag, start, end: h.history(tag, start, end),
    "SQL": lambda h, tag, start, end: h.sql(SQL, [tag, start, end]),
}


@pytest.mark.skipif(
    "LARGE_ARCHIVES" not in os.environ, reason="LARGE_ARCHIVES names no stores made by make_large_archive.py"
)
@pytest.mark.parametrize("question", QUESTIONS)
def test_one_tag_one_day(figure, question):
    ask, before = QUESTIONS[question], None
    for folder in os.environ["LARGE_ARCHIVES"].split(os.pathsep):
        with historian.open(folder) as h:
            tag = h.tags()["tag"][len(h.tags()) // 2].as_py()
            day = (tag, START + timedelta(days=9), START + timedelta(days=10))
            first = best_ms(lambda h=h, day=day: ask(h, *day), rounds=1)
            cost = best_ms(lambda h=h, day=day: ask(h, *day))
        opening = best_ms(lambda folder=folder: StoreReader.open(Path(folder)).close())
        print(f"{folder}: one tag, one day by {question} {cost:.2f} ms, at first {first:.0f}; opening {opening:.1f} ms")
        figure(
            f"{Path(folder).name}: one tag, one day by {question}",
            cost,
            "ms",
            better="less",
            target=None if before is None else before * 1.5,
        )
        before = before or cost


@pytest.fixture
def many_files(tmp_path, request) -> Path:
    """A file an hour of ten tags: 5,000 when something is measured, else some."""
    tags = [Tag(f"TAG{number:03}.PV", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(10)]
    rng = np.random.default_rng(1)
    with Store.open(tmp_path / "store", create=True) as store:
        ids = np.array(list(store.register_tags(tags, T0_US, "benchmark").values()), np.int32)
        for hour in range(5000 if request.config.getoption("benchmark_enable") else 20):
            times = T0_US + hour * HOUR_US + np.arange(360, dtype=np.int64) * (HOUR_US // 360)
            values = np.round(rng.normal(size=3600), 2)
            rows = Samples(np.repeat(ids, 360), np.tile(times, 10), values, np.zeros(3600, np.uint32))
            store.commit(Commit(T0_US, rows))
            store.flush(force=True)
    return tmp_path / "store"


@pytest.mark.timeout(300)
def test_one_hour_of_many_files(figure, many_files):
    """Against hand-written SQL that is handed the right file."""
    with StoreReader.open(many_files) as reader:
        files = reader.snapshot().files
    file = files[len(files) // 2]
    start = datetime.fromtimestamp(file.first_us / 1e6, UTC)
    by_hand = "select time, value from read_parquet(?) where tag_id = 6 and time >= ? and time < ?"
    with historian.open(many_files) as h, duckdb.connect() as link:
        hour = ("TAG005.PV", start, start + timedelta(hours=1))
        peer = best_ms(lambda: link.sql(by_hand, params=[[file.path], *hour[1:]]).to_arrow_table())
        for question, ask in QUESTIONS.items():
            assert len(ask(h, *hour)) == 360
            cost = best_ms(lambda ask=ask: ask(h, *hour))
            figure(f"one hour of {len(files):,} files by {question}", cost, "ms", peer=peer, better="less")
