"""Bulk inserts: what several processors write at once, and what is left when one of them cannot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.store_data import SECOND, T0, make_tags
from conformance.store_suite import stored_rows
from crash.store_process import files_on_disk
from historian.errors import StoreFullError
from historian.model.samples import Samples
from storage import archive, import_files
from storage.edits import Cause
from storage.files import ArchiveFolder
from storage.import_chunk import ImportNotes
from storage.import_files import shared_out
from storage.reader import StoreReader
from storage.store import Store

TAGS, EACH = 8, 30_000
CAUSE = Cause("test", "bulk insert", T0 + 10**9 * SECOND)


def samples_of(tags: int, each: int) -> Samples:
    return Samples(
        np.repeat(np.arange(1, tags + 1, dtype=np.int32), each),
        np.tile(T0 + SECOND * np.arange(each), tags),
        np.arange(tags * each) % 1000 / 4,
        np.zeros(tags * each, np.uint32),
    )


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(import_files, "MAX_PARTS", 3)
    monkeypatch.setattr(import_files, "PART_ROWS", 60_000)


def insert(store: Store, samples: Samples) -> int:
    return store.insert_chunk(samples, CAUSE, replace=False, settle=lambda _: ImportNotes()).fresh


def test_many_samples_become_files_of_about_as_many_tags(parts, store_path):
    samples = samples_of(TAGS, EACH)
    with Store.open(store_path, create=True) as store, StoreReader.open(store_path) as reader:
        store.register_tags(make_tags(TAGS), T0, "test")
        assert insert(store, samples) == TAGS * EACH
        assert insert(store, samples) == 0
        files = sorted(reader.snapshot().files, key=lambda file: file.first_tag)
    assert [(file.first_tag, file.last_tag, file.rows) for file in files] == [
        (1, 3, 3 * EACH), (4, 5, 2 * EACH), (6, 8, 3 * EACH),
    ]  # fmt: skip
    assert [(file.first_us, file.last_us) for file in files] == [(T0, T0 + SECOND * (EACH - 1))] * 3
    values = np.concatenate([pq.read_table(file.path).column("value").to_numpy() for file in files])
    assert np.array_equal(values, samples.value)


def test_a_long_tag_is_cut_by_time(parts, store_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_GROUP_ROWS", 50_000)
    with Store.open(store_path, create=True) as store, StoreReader.open(store_path) as reader:
        store.register_tags(make_tags(1), T0, "test")
        insert(store, samples_of(1, 240_000))
        files = sorted(reader.snapshot().files, key=lambda file: file.first_us)
    assert len(files) == 3
    assert all(one.last_us < other.first_us for one, other in pairwise(files))


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_disk_that_is_full_for_one_file_keeps_nothing_of_the_others(parts, store_path, monkeypatch, fails):
    begin, seen = ArchiveFolder.begin, []

    def refuse(folder, path, *, step):
        seen.append(path)
        if len(seen) == fails:
            raise OSError(28, "No space left on device")
        return begin(folder, path, step=step)

    with Store.open(store_path, create=True) as store, StoreReader.open(store_path) as reader:
        store.register_tags(make_tags(TAGS), T0, "test")
        with monkeypatch.context() as patch:
            patch.setattr(ArchiveFolder, "begin", refuse)
            with pytest.raises(StoreFullError, match="write a file of the archive"):
                insert(store, samples_of(TAGS, EACH))
        assert stored_rows(reader.snapshot()) == []
        assert files_on_disk(store_path) == set()
        assert insert(store, samples_of(TAGS, EACH)) == TAGS * EACH
        assert files_on_disk(store_path) == {file.path for file in reader.snapshot().files}


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30), st.integers(0, 6))
def test_row_groups_are_shared_out_in_order_without_a_rest(sizes, parts):
    ends = np.cumsum(sizes).tolist()
    bounds = list(zip([0, *ends], ends, strict=False))
    shared = shared_out(bounds, parts)
    assert [each for part in shared for each in part] == bounds
    assert 1 <= len(shared) <= max(parts, 1)
    assert all(shared)
    largest = max(sizes)
    assert all(part[-1][1] - part[0][0] <= ends[-1] / max(parts, 1) + largest for part in shared)
