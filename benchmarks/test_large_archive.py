"""How the cost of a question grows with the archive; LARGE_ARCHIVES names folders of stores, smallest first."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from make_large_archive import make

import historian
from storage.reader import StoreReader

START = datetime(2025, 1, 1, tzinfo=UTC)


def best_ms(ask, rounds=7):
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


@pytest.mark.skipif(
    "LARGE_ARCHIVES" not in os.environ, reason="LARGE_ARCHIVES names no stores made by make_large_archive.py"
)
def test_one_tag_one_day(figure):
    before = None
    for folder in os.environ["LARGE_ARCHIVES"].split(os.pathsep):
        with historian.open(folder) as h:
            tag = h.tags()["tag"][len(h.tags()) // 2].as_py()
            cost = best_ms(lambda h=h, tag=tag: h.history(tag, START, START + timedelta(days=1)))
        opening = best_ms(lambda folder=folder: StoreReader.open(Path(folder)).close())
        print(f"{folder}: one tag, one day {cost:.1f} ms; opening {opening:.1f} ms")
        figure(
            f"{Path(folder).name}: one tag, one day",
            cost,
            "ms",
            better="less",
            target=None if before is None else before * 1.5,
        )
        before = before or cost
