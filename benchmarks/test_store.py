"""The store: commits, flushes, size and reading, each against something plain in the same run.

``python3 run.py bench benchmarks/test_store.py`` measures; as a test each runs once and small.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from historian.config.settings import StoreSettings
from historian.model.commit import Commit, CurrentSamples
from historian.model.samples import Samples
from historian.model.status import BAD_NO_COMMUNICATION
from historian.model.tag import Tag
from storage import archive, catalogue, names
from storage.columns import complete, to_batch
from storage.reader import StoreReader
from storage.store import Store

T0 = 1_763_000_000_000_000
SECOND = 1_000_000


def make_tags(count: int) -> list[Tag]:
    return [Tag(f"U{number:05d}.PV", "boiler", f"hr:{number}", "fast") for number in range(count)]


def scan_of(count: int, tags: int, second: int) -> Samples:
    """Values as from a 12 bit converter, one scan of all tags or, for more samples, several."""
    rng = np.random.default_rng(second)
    place = np.arange(count)
    value = np.round(50 + 10 * rng.standard_normal(count), 1)
    times = T0 + second * SECOND + 1000 * (place // tags)
    return Samples((place % tags + 1).astype(np.int32), times, value, np.zeros(count, np.uint32))


def commit_of(samples: Samples, second: int) -> Commit:
    """What the pipeline commits without compression: everything is stored, the newest are known."""
    everything = np.ones(len(samples), np.bool_)
    scans = np.full(len(samples), T0 + second * SECOND)
    return Commit(T0 + second * SECOND, samples, {0: CurrentSamples(samples, everything, ~everything, scans)})


def blob_bytes(store: Path) -> int:
    """What one commit wrote: its batch, and the newest samples beside it."""
    link = sqlite3.connect(store / names.DATABASE)
    (size,) = link.execute(
        "select (select avg(length(samples)) from batch) + (select avg(length(samples)) from current_group)"
    ).fetchone()
    link.close()
    return int(size)


def bare_sqlite_s(path: Path, blob_bytes: int, rounds: int) -> float:
    """Seconds (median) to insert a blob of that size with an fsync, which is what durability costs by itself."""
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("pragma journal_mode = wal")
    link.execute("pragma synchronous = full")
    link.execute("create table batch (number integer primary key, samples blob)")
    blob = np.random.default_rng(0).bytes(blob_bytes)
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        link.execute("insert into batch (samples) values (?)", (blob,))
        took.append(time.perf_counter() - started)
    link.close()
    return statistics.median(took)


@pytest.mark.parametrize("count", [1_000, 5_000, 10_000, 50_000, 100_000])
def test_commit(benchmark, figure, tmp_path: Path, count: int) -> None:
    """A scan into the buffer, on the disk when it returns, against a bare insert of a blob as large."""
    rounds = 60 if benchmark.enabled else 1  # a disabled benchmark runs once
    commits = [commit_of(scan_of(count, min(count, 5_000), second), second) for second in range(rounds)]
    with Store.open(tmp_path / "store", create=True) as store:
        store.register_tags(make_tags(5_000), T0, "benchmark")
        pending = iter(commits)
        benchmark.pedantic(lambda: store.commit(next(pending)), rounds=rounds)
        assert store.statistics().samples == count * rounds
    bare_s = bare_sqlite_s(tmp_path / "bare.sqlite", blob_bytes(tmp_path / "store"), rounds)
    if benchmark.stats is not None:
        took_s = benchmark.stats.stats.median
        figure(f"commit {count:,} samples", 1000 * took_s, "ms", better="less", peer=1000 * bare_s)
        figure(f"commit {count:,} samples", count / took_s, "samples/s", better="more", target=300_000)


@pytest.mark.parametrize("tags", [200, 5_000])
def test_flush(benchmark, figure, tmp_path: Path, tags: int) -> None:
    """From the buffer to a Parquet file, against pyarrow writing the same rows with its defaults."""
    scans = (1_000_000 if benchmark.enabled else 10_000) // tags
    with Store.open(tmp_path / "store", create=True) as store:
        store.register_tags(make_tags(tags), T0, "benchmark")
        for second in range(scans):
            store.commit(Commit(T0, scan_of(tags, tags, second)))
        with StoreReader.open(tmp_path / "store") as reader:
            rows = reader.snapshot().recent
        report = benchmark.pedantic(lambda: store.flush(force=True), rounds=1)
    assert report.rows == scans * tags
    started = time.perf_counter()
    pq.write_table(archive.sort(rows), tmp_path / "plain.parquet")
    plain_s = time.perf_counter() - started
    if benchmark.stats is not None:
        rate = report.rows / benchmark.stats.stats.min
        figure(f"flush of {tags:,} tags", rate, "samples/s", better="more", peer=report.rows / plain_s)
        size, plain = report.files[0].bytes / report.rows, (tmp_path / "plain.parquet").stat().st_size / report.rows
        figure(f"flush of {tags:,} tags", size, "bytes/sample", better="less", peer=plain)


def plant(tags: int, seconds: int) -> Samples:
    """Signals of a plant at 1 Hz: slow drifts, noisy flows, set points, counters and valves, 1 % Bad in runs.

    Analog values come from 12, 14 or 16 bit converters, half of them as decimal registers, half as float32.
    """
    rng = np.random.default_rng(20250101)
    value = np.stack([signal(rng, number, seconds) for number in range(tags)])
    status = np.zeros((tags, seconds), np.uint32)
    for number in range(tags):
        for start in rng.integers(0, seconds, max(1, seconds // 3000)):
            status[number, start : start + 30] = BAD_NO_COMMUNICATION
    value[status > 0] = np.nan
    times = np.tile(T0 + SECOND * np.arange(seconds), tags)
    return Samples(np.repeat(np.arange(1, tags + 1, dtype=np.int32), seconds), times, value.ravel(), status.ravel())


def signal(rng: np.random.Generator, number: int, seconds: int) -> np.ndarray:
    kind, span = number % 20, 100.0
    if kind >= 18:
        return (np.cumsum(rng.random(seconds) < 1 / 600) % 2).astype(np.float64)
    if kind == 17:
        return np.cumsum(rng.poisson(3.0, seconds)).astype(np.float64)
    if kind >= 14:
        return np.repeat(rng.integers(40, 160, seconds // 900 + 1) * 0.5, 900)[:seconds]
    noise, step = (0.03, 0.06) if kind < 10 else (1.0, 0.8)
    drift = 50 + np.cumsum(rng.normal(0, step, seconds))
    clipped = np.clip(drift + rng.normal(0, noise, seconds), 0, span)
    levels = 2 ** (12, 14, 16)[number % 3] - 1
    if number % 2:
        return (np.rint(clipped / span * levels).astype(np.float32) * np.float32(span / levels)).astype(np.float64)
    decimals = (1, 2, 2)[number % 3]
    return np.round(clipped, decimals)


@pytest.mark.parametrize("seconds", [300, 21_600])
def test_size(benchmark, figure, tmp_path: Path, seconds: int) -> None:
    """Bytes a sample of plant-like signals: five minutes as a flush writes them, six hours as compaction will."""
    tags = 200 if benchmark.enabled else 20
    samples = plant(tags, seconds if benchmark.enabled else 300)
    table = archive.sort(complete(pa.Table.from_batches([to_batch(samples)])))
    folder = archive.ArchiveFolder(tmp_path)
    file = benchmark.pedantic(lambda: archive.write(folder, "samples.parquet", table, store_id="x"), rounds=1)
    pq.write_table(table, tmp_path / "plain.parquet")
    assert pq.read_table(file.path).equals(table)
    plain = (tmp_path / "plain.parquet").stat().st_size / file.rows
    if benchmark.enabled:
        name = f"{tags} plant signals, {seconds:,} s"
        figure(name, file.bytes / file.rows, "bytes/sample", better="less", peer=plain)
        figure(name, file.rows / benchmark.stats.stats.min, "samples/s", better="more")


@pytest.fixture
def old_store(benchmark, tmp_path: Path) -> Path:
    """5,000 files in the catalogue; 300 commits of 6,300 tags in the buffer, joined as they are while collecting."""
    path = tmp_path / "store"
    tags = 6_300 if benchmark.enabled else 100
    settings = StoreSettings(path, flush_rows=10**9, flush_us=10**12)
    with Store.open(path, create=True, settings=settings) as store:
        store.register_tags(make_tags(tags), T0, "benchmark")
        for second in range(300):
            store.commit(commit_of(scan_of(tags, tags, second), second))
            store.flush()
    link = sqlite3.connect(path / names.DATABASE)
    with link:
        for number in range(5_000):
            name = f"samples/2025/11/20251113T{number:06d}Z-{number:06d}-abcdef.parquet"
            catalogue.add(link, number, name, catalogue.ArchiveFile(name, 1, number, number, 1, 2, 100, "0" * 64))
    link.close()
    return path


def test_open_and_snapshot(benchmark, figure, old_store: Path) -> None:
    """What a command pays before its question: opening, and one consistent view of everything."""

    def look() -> int:
        with StoreReader.open(old_store) as reader:
            return len(reader.snapshot().files)

    assert benchmark.pedantic(look, rounds=20 if benchmark.enabled else 1) == 5_000
    if benchmark.stats is not None:
        name = "open and snapshot, 5,000 files, 1.9 million samples in the buffer"
        figure(name, 1000 * benchmark.stats.stats.median, "ms", better="less", target=45)


def test_next_snapshot(benchmark, figure, old_store: Path) -> None:
    """What the next question of an open reader pays."""
    with StoreReader.open(old_store) as reader:
        first = reader.snapshot()
        again = benchmark.pedantic(reader.snapshot, rounds=50 if benchmark.enabled else 1)
        assert again.files is first.files
    if benchmark.stats is not None:
        figure("next snapshot", 1000 * benchmark.stats.stats.median, "ms", better="less", target=20)


def test_register(benchmark, figure, tmp_path: Path) -> None:
    """The tags of a large plant, at the first start and at every other."""
    tags = make_tags(50_000 if benchmark.enabled else 500)
    with Store.open(tmp_path / "store", create=True) as store:
        started = time.perf_counter()
        store.register_tags(tags, T0, "benchmark")
        first_s = time.perf_counter() - started
        assert len(benchmark.pedantic(lambda: store.register_tags(tags, T0, "benchmark"), rounds=1)) == len(tags)
    if benchmark.stats is not None:
        figure(f"register {len(tags):,} new tags", first_s, "s", better="less", target=2)
        figure(f"register {len(tags):,} known tags", benchmark.stats.stats.min, "s", better="less", target=2)
