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
from storage import archive, import_chunk, import_files, names, steps
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
    import_chunk.ARCHIVE_ROWS = 10  # so that each chunk becomes files, and some of them two, written at the same time
    import_files.PART_ROWS, import_files.MAX_PARTS = 10, 2
    archive.MIN_GROUP_ROWS = 5
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


@pytest.fixture(autouse=True)
def many_files(monkeypatch):
    """What :func:`run` changes is as before when the test is over."""
    for module, name in (
        (import_chunk, "ARCHIVE_ROWS"),
        (import_files, "PART_ROWS"),
        (import_files, "MAX_PARTS"),
        (archive, "MIN_GROUP_ROWS"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


def test_the_import_without_a_crash(tmp_path):
    write_file(tmp_path)
    assert run(tmp_path) == 2 * ROWS - 1
    with StoreReader.open(tmp_path / "store") as reader:
        files = reader.snapshot().files
    assert len(files) > len({(file.first_us, file.last_us) for file in files}), "no chunk became two files"


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_crash_while_importing(step, after, tmp_path):
    write_file(tmp_path)
    process = get_context("spawn").Process(target=import_and_die, args=(str(tmp_path), step, after))
    process.start()
    process.join(30)
    assert process.exitcode == DIED
    assert run(tmp_path) == 2 * ROWS - 1
    with StoreReader.open(tmp_path / "store") as reader:
        snapshot = reader.snapshot()
        assert sum(file.rows for file in snapshot.files) + len(snapshot.recent) == 2 * ROWS - 1
        assert [each.value for each in reader.quarantine()] == ["x"]
        assert snapshot.audit.column("action").to_pylist().count("imported") == 1
    on_disk = {path.name for path in (tmp_path / "store" / names.ARCHIVE / names.SAMPLES).rglob("*") if path.is_file()}
    assert on_disk == {Path(file.path).name for file in snapshot.files}
