"""Compression with the store behind it: commits of held scans, what a reader takes for them, bytes of a raw sample.

``python3 run.py bench benchmarks/test_compression_store.py`` measures; as a test each runs once and small.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import Scan, ScanGroup
from historian.model.tag import CompressionSettings, Tag
from historian.pipeline.group import GroupPipeline
from storage.reader import StoreReader
from storage.store import Store

T0 = 1_763_000_000_000_000
SECOND = 1_000_000
SPAN = 100.0
TARGET_COMMIT_MS = 100
SCANS = 70


def make_tags(count: int, deviation: float) -> tuple[Tag, ...]:
    settings = CompressionSettings(ErrorBound(deviation))
    return tuple(Tag(f"U{k:05d}.PV", "boiler", f"hr:{k}", "fast", compression=settings) for k in range(count))


class Plant:
    """A group of tags with compression, and the store behind it."""

    def __init__(self, folder: Path, tags: tuple[Tag, ...]) -> None:
        self.store = Store.open(folder, create=True)
        ids = self.store.register_tags(tags, T0, "bench")
        self.group = GroupPipeline(
            ScanGroup(0, "boiler", "fast", SECOND, 0, tags), np.array([ids[tag.name] for tag in tags], np.int32),
            Samples.empty(), started_us=T0, future_us=3600 * SECOND, past_us=3600 * SECOND,
        )  # fmt: skip
        self.status = np.zeros(len(tags), np.uint32)

    def scan(self, second: int, value: np.ndarray) -> tuple[float, float]:
        """One scan and its commit; how long each took, in ms."""
        time_us = T0 + second * SECOND
        started = time.perf_counter()
        stored, _ = self.group.accept(Scan(0, time_us, np.full(len(value), time_us), value, self.status))
        commit = Commit(time_us, stored, {0: self.group.current()}, held=self.group.take_held())
        scanned = time.perf_counter()
        self.store.commit(commit)
        return (scanned - started) * 1000, (time.perf_counter() - scanned) * 1000


def signal(scans: int, lanes: int) -> np.ndarray:
    """float64[scans, lanes], over a span of 100: slow drift and noise of 0.2, as from a converter of 12 bits."""
    random = np.random.default_rng(7)
    drift = 50 + np.cumsum(random.normal(0, 0.05, (scans, lanes)), axis=0)
    return np.round((drift + random.normal(0, 0.2, (scans, lanes))) * 40.95) / 40.95


@pytest.mark.parametrize("count", [5_000, 50_000])
def test_commit_of_scans_that_are_held(benchmark, figure, tmp_path, count):
    """Scans of all tags, a commit each; blocks are settled among them, and a reader looks after each."""
    count, scans = (count, SCANS) if benchmark.enabled else (100, 3)
    values = signal(scans, count)
    plant = Plant(tmp_path / "store", make_tags(count, 0.5))
    took, read_ms = [], []

    def run() -> None:
        with StoreReader.open(tmp_path / "store") as reader:
            for second, value in enumerate(values):
                took.append(plant.scan(second, value))
                started = time.perf_counter()
                recent = reader.snapshot().recent
                read_ms.append((time.perf_counter() - started) * 1000)
                assert len(recent) >= count

    benchmark.pedantic(run, rounds=1)
    plant.store.close()
    if not benchmark.enabled:
        return
    name = f"compression in the store, {count:,} tags"
    scan_ms, commit_ms = np.array(took)[1:].T
    figure(f"{name}, a scan (median)", float(np.median(scan_ms)), "ms", better="less")
    figure(f"{name}, a scan (longest)", float(scan_ms.max()), "ms", better="less")
    figure(f"{name}, a commit (median)", float(np.median(commit_ms)), "ms", target=TARGET_COMMIT_MS, better="less")
    figure(f"{name}, a commit (longest)", float(commit_ms.max()), "ms", target=TARGET_COMMIT_MS, better="less")
    figure(f"{name}, a reader's snapshot (median)", float(np.median(read_ms[1:])), "ms", better="less")


@pytest.mark.parametrize("percent", [None, 0.1, 0.5, 1.0], ids=["lossless", "0.1", "0.5", "1"])
def test_bytes_of_a_raw_sample(benchmark, figure, tmp_path, percent):
    """200 tags for some hours, through the whole way into the archive."""
    tags, scans = (200, 7_200) if benchmark.enabled else (5, 200)
    values = signal(scans, tags)
    made = make_tags(tags, percent / 100 * SPAN) if percent else tuple(
        Tag(tag.name, tag.source, tag.address, tag.scan_class) for tag in make_tags(tags, 0.0)
    )  # fmt: skip
    plant = Plant(tmp_path / "store", made)

    def run() -> None:
        for second, value in enumerate(values):
            time_us = T0 + second * SECOND
            stored, _ = plant.group.accept(Scan(0, time_us, np.full(tags, time_us), value, plant.status))
            if second % 60 == 0 or len(stored):
                held = plant.group.take_held()
                plant.store.commit(Commit(time_us, stored, {0: plant.group.current()}, held=held))
        plant.store.commit(Commit(T0 + scans * SECOND, plant.group.interrupt(T0 + scans * SECOND, 0x80000000)))
        plant.store.flush(force=True)

    benchmark.pedantic(run, rounds=1)
    plant.store.close()
    with StoreReader.open(tmp_path / "store") as reader:
        files = reader.snapshot().files
    raw = tags * scans
    assert sum(file.rows for file in files) <= raw + tags
    if benchmark.enabled:
        what = f"comp_dev {percent} % of span" if percent else "lossless"
        figure(f"archive, {what}", sum(file.bytes for file in files) / raw, "bytes a raw sample", better="less")
        figure(f"archive, {what}, kept", 100 * sum(file.rows for file in files) / raw, "%", better="less")
