"""Importing: signals of a plant from files of every form, against plain Parquet of the same samples in the same run."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from historian.importing.options import ImportOptions
from historian.importing.run import Setting, import_file
from historian.importing.tag_book import TagBook
from historian.importing.target import StoreTarget, TagFinder
from historian.model.samples import Samples
from historian.model.tag import Tag
from storage.edits import Cause
from storage.import_chunk import ImportNotes
from storage.store import Store

NOW_US = 1_800_000_000_000_000
SECOND = 1_000_000


def values_of(tags: int, seconds: int) -> np.ndarray:
    """Drifts and flows from converters of 12 to 16 bits, float64[tags, seconds]."""
    rng = np.random.default_rng(20250101)
    drift = 50 + np.cumsum(rng.normal(0, 0.06, (tags, seconds)), axis=1)
    levels = 2.0 ** np.array([12, 14, 16])[np.arange(tags) % 3] - 1
    return np.rint(np.clip(drift, 0, 100) / 100 * levels[:, None]) / levels[:, None] * 100


def long_table(values: np.ndarray) -> pa.Table:
    tags, seconds = values.shape
    times = pa.array(np.tile(NOW_US - 10**12 + SECOND * np.arange(seconds), tags)).cast(pa.timestamp("us", tz="UTC"))
    codes = pa.array(np.repeat(np.arange(tags, dtype=np.int32), seconds))
    names = pa.DictionaryArray.from_arrays(codes, pa.array([f"U{tag:03}.PV" for tag in range(tags)]))
    return pa.table({"tag": names, "time": times, "value": values.ravel()})


def wide_table(values: np.ndarray) -> pa.Table:
    times = pa.array(NOW_US - 10**12 + SECOND * np.arange(values.shape[1])).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"time": times, **{f"U{tag:03}.PV": row for tag, row in enumerate(values)}})


def plain_parquet_s(path: Path, values: np.ndarray) -> float:
    """Seconds to write the samples, sorted and in memory, as Parquet tuned by hand, without any care for crashes."""
    tags, seconds = values.shape
    table = long_table(values)
    tag_id = pa.array(np.repeat(np.arange(tags, dtype=np.int32), seconds))
    table = table.set_column(0, "tag_id", tag_id).append_column("status", pa.array(np.zeros(len(table), np.int32)))
    started = time.perf_counter()
    pq.write_table(
        table, path, compression="zstd", compression_level=3, row_group_size=seconds, write_page_index=True,
        use_dictionary=["tag_id", "value", "status"], column_encoding={"time": "DELTA_BINARY_PACKED"},
    )  # fmt: skip
    return time.perf_counter() - started


@pytest.mark.parametrize("form", ["long.parquet", "wide.parquet", "long.csv", "wide.csv"])
def test_import_file(benchmark, figure, tmp_path: Path, form: str) -> None:
    """A file into a new store; the peer writes the samples alone, without reading them first."""
    values = values_of(200, 21_600) if benchmark.enabled else values_of(5, 100)
    table = long_table(values) if form.startswith("long") else wide_table(values)
    if form.endswith("csv"):
        if form.startswith("long"):
            table = table.set_column(0, "tag", table.column("tag").cast(pa.string()))
        pa.csv.write_csv(table, tmp_path / form)
    else:
        pq.write_table(table, tmp_path / form)
    with Store.open(tmp_path / "store", create=True) as store:
        book = TagBook(TagFinder((), None).find)
        setting = Setting(ImportOptions(), StoreTarget(store, "me", NOW_US), book, "me", NOW_US, NOW_US)
        report = benchmark.pedantic(lambda: import_file(tmp_path / form, setting), rounds=1)
    assert report.figures.imported == values.size
    plain_s = plain_parquet_s(tmp_path / "plain.parquet", values)
    if benchmark.enabled:
        took_s = benchmark.stats.stats.min
        figure(f"import {form}", values.size / took_s, "samples/s", better="more", peer=values.size / plain_s)


def test_insert_chunk(benchmark, figure, tmp_path: Path) -> None:
    """Sorted samples from memory into the store, on the disk when it returns, against plain Parquet."""
    values = values_of(200, 21_600) if benchmark.enabled else values_of(5, 100)
    tags, seconds = values.shape
    samples = Samples(
        np.repeat(np.arange(1, tags + 1, dtype=np.int32), seconds),
        np.tile(NOW_US - 10**12 + SECOND * np.arange(seconds), tags),
        values.ravel(),
        np.zeros(values.size, np.uint32),
    )
    plain_s = min(plain_parquet_s(tmp_path / "plain.parquet", values) for _ in range(2))
    with Store.open(tmp_path / "store", create=True) as store:
        store.register_tags([Tag(f"U{tag}", "s", "", "") for tag in range(tags)], NOW_US, "me")
        cause = Cause("me", "benchmark", NOW_US)

        def insert() -> None:
            store.insert_chunk(samples, cause, replace=False, settle=lambda _: ImportNotes())

        benchmark.pedantic(insert, rounds=1)
        assert store.statistics().samples == values.size
    if benchmark.enabled:
        took_s = benchmark.stats.stats.min
        figure("insert a chunk", values.size / took_s, "samples/s", better="more", peer=values.size / plain_s)
