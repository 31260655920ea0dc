"""Deaths of an import between all its steps: the next one ends with every sample once, and nothing left over."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crash.store_scenarios import DIED, die_at
from historian.importing.options import ImportOptions
from historian.importing.run import Setting, import_file
from historian.importing.tag_book import TagBook
from historian.importing.target import StoreTarget, TagFinder, tags_of
from storage import import_chunk, names, steps
from storage.reader import StoreReader
from storage.store import Store

NOW_US = 1_800_000_000_000_000
ROWS = 60
STEPS = [step for step in steps.STEPS if step.startswith("import: ")]


def write_file(folder: Path) -> None:
    time = pa.array(NOW_US - 10**9 + 10**6 * np.arange(ROWS)).cast(pa.timestamp("us", tz="UTC"))
    values = np.where(np.arange(ROWS) == 7, np.inf, np.arange(ROWS, dtype=np.float64))
    texts = pa.array(["x" if row == 40 else str(row) for row in range(ROWS)])
    pq.write_table(pa.table({"time": time, "A": values, "B": texts}), folder / "file.parquet")


def run(folder: Path) -> int:
    """Import in three chunks; the samples imported in all."""
    import_chunk.ARCHIVE_ROWS = 10  # so that each chunk becomes a file
    with Store.open(folder / "store", create=True) as store:
        target = StoreTarget(store, "test", NOW_US)
        book = TagBook(TagFinder((), tags_of(folder / "store")).find)
        setting = Setting(ImportOptions(), target, book, "test", NOW_US, NOW_US, chunk_samples=40)
        return import_file(folder / "file.parquet", setting).figures.imported


def import_and_die(folder: str, step: str, after: int) -> None:
    from historian.importing import parquet_file

    parquet_file.BATCH_CELLS, parquet_file.MIN_BATCH_ROWS = 20, 1
    die_at(step, after)
    run(Path(folder))
    os._exit(0)


@pytest.mark.parametrize("step", STEPS)
def test_crash_while_importing(step, tmp_path, monkeypatch):
    write_file(tmp_path)
    process = get_context("spawn").Process(target=import_and_die, args=(str(tmp_path), step, 1))
    process.start()
    process.join(30)
    assert process.exitcode == DIED
    monkeypatch.setattr(import_chunk, "ARCHIVE_ROWS", 10)
    assert run(tmp_path) == 2 * ROWS - 1
    with StoreReader.open(tmp_path / "store") as reader:
        snapshot = reader.snapshot()
        assert sum(file.rows for file in snapshot.files) + len(snapshot.recent) == 2 * ROWS - 1
        assert [each.value for each in reader.quarantine()] == ["x"]
        assert snapshot.audit.column("action").to_pylist().count("imported") == 1
    on_disk = {path.name for path in (tmp_path / "store" / names.ARCHIVE / names.SAMPLES).rglob("*") if path.is_file()}
    assert on_disk == {Path(file.path).name for file in snapshot.files}
