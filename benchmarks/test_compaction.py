"""Compaction: how fast, in what memory, and what a query for one tag reads of the files that come out of it.

``python3 run.py bench benchmarks/test_compaction.py`` measures; as a test each runs once and small.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from historian.config.settings import CompactionSettings
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag
from storage.reader import StoreReader
from storage.store import Store

SECOND = 1_000_000
DAY = 86_400 * SECOND
JAN_1 = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z."""


def make_tags(count: int) -> list[Tag]:
    return [Tag(f"U{number:05d}.PV", "boiler", f"hr:{number}", "fast") for number in range(count)]


def fill(path: Path, tags: int, files: int, rows: int, days: int) -> None:
    """Files of random walks with one decimal, spread evenly over so many days."""
    rng = np.random.default_rng(1)
    each = max(rows // tags, 1)
    level = rng.normal(50, 10, tags)
    step_us = days * DAY // (files * each)
    with Store.open(path, create=True) as store:
        store.register_tags(make_tags(tags), JAN_1, "benchmark")
        for file in range(files):
            walk = np.cumsum(rng.normal(0, 0.05, (tags, each)), axis=1) + level[:, None]
            level = walk[:, -1]
            times = JAN_1 + step_us * (np.arange(each) + file * each)
            tag_id = np.repeat(np.arange(1, tags + 1, dtype=np.int32), each)
            value = np.round(walk.ravel(), 1)
            store.commit(Commit(JAN_1, Samples(tag_id, np.tile(times, tags), value, np.zeros(len(value), np.uint32))))
            store.flush(force=True)


def peak_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 - not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def touched(paths: list[str], tag_id: int) -> tuple[int, int, int]:
    """Files, row groups and bytes whose statistics say that they may hold a tag."""
    files = groups = size = 0
    for path in paths:
        metadata = pq.read_metadata(path)
        found = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            statistics = group.column(0).statistics
            if statistics.min <= tag_id <= statistics.max:
                found += 1
                size += sum(group.column(column).total_compressed_size for column in range(group.num_columns))
        files += bool(found)
        groups += found
    return files, groups, size


@pytest.mark.parametrize("tags", [200, 5_000])
def test_compaction_of_a_day(benchmark, figure, tmp_path: Path, tags: int) -> None:
    """Files of minutes become one of the day; a day of 1e8 samples has five minutes and 2 GB."""
    files, rows = (100, 100_000) if benchmark.enabled else (4, 10_000)
    fill(tmp_path / "store", tags, files, rows, 1)
    with Store.open(tmp_path / "store") as store, StoreReader.open(tmp_path / "store") as reader:
        before = [file.path for file in reader.snapshot().files]
        report = benchmark.pedantic(lambda: store.compact(JAN_1 + 3 * DAY, CompactionSettings()), rounds=1)
        after = reader.snapshot().files
    assert [job.rows for job in report.jobs] == [sum(pq.read_metadata(path).num_rows for path in before)]
    assert len(after) == 1
    if benchmark.stats is None:
        return
    rate = after[0].rows / benchmark.stats.stats.min
    figure(f"compaction of {tags:,} tags", rate, "samples/s", better="more", target=1e8 / 300)
    figure(f"compaction of {tags:,} tags, memory of the process", peak_bytes() / 1e6, "MB", better="less", target=2000)
    was = sum(Path(path).stat().st_size for path in before)
    figure(f"a day of {tags:,} tags", after[0].bytes / 1e6, "MB", better="less", peer=was / 1e6)
    (_, groups_was, size_was), (_, groups, size) = touched(before, tags // 2), touched([after[0].path], tags // 2)
    figure(f"one of {tags:,} tags, a day", groups, "row groups", better="less", peer=groups_was)
    figure(f"one of {tags:,} tags, a day", size / 1e3, "kB", better="less", peer=size_was / 1e3)


def test_one_tag_over_a_year(benchmark, figure, tmp_path: Path) -> None:
    """A year of 200 tags in files of days becomes twelve files; what one tag needs of them."""
    files, rows = (365, 200 * 288) if benchmark.enabled else (40, 200 * 4)
    fill(tmp_path / "store", 200, files, rows, files)
    with Store.open(tmp_path / "store") as store, StoreReader.open(tmp_path / "store") as reader:
        before = [file.path for file in reader.snapshot().files]
        benchmark.pedantic(lambda: store.compact(JAN_1 + 400 * DAY, CompactionSettings()), rounds=1)
        after = [file.path for file in reader.snapshot().files]
    assert len(after) == (12 if benchmark.enabled else 2)
    started = time.perf_counter()
    table = pa.concat_tables(pq.read_table(path, filters=[("tag_id", "=", 100)]) for path in after)
    took_s = time.perf_counter() - started
    assert len(table) == files * (rows // 200)
    if benchmark.stats is not None:
        (_, groups_was, size_was), (found, groups, size) = touched(before, 100), touched(after, 100)
        figure("one of 200 tags, a year", found, "files", better="less", peer=len(before))
        figure("one of 200 tags, a year", groups, "row groups", better="less", peer=groups_was)
        figure("one of 200 tags, a year", size / 1e3, "kB", better="less", peer=size_was / 1e3)
        figure("one of 200 tags, a year, read", 1000 * took_s, "ms", better="less")
