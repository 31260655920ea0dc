"""Stores that earlier versions wrote, kept for ever, are read, and the next run takes them over."""

from __future__ import annotations

import shutil

import pytest

from conformance.golden_store import ARCHIVED, BUFFERED, FOLDER, HELD, REFUSED
from conformance.store_data import SECOND, T0
from conformance.store_suite import audit_rows, newest_rows, stored_rows
from historian.model.status import BAD_SHUTDOWN
from storage.reader import StoreReader
from storage.schema import FORMAT_VERSION
from storage.store import Store

VERSIONS = range(1, FORMAT_VERSION + 1)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"format {version}")
def golden(request, tmp_path):
    """A copy of the golden store of a version."""
    shutil.unpack_archive(FOLDER / f"format_{request.param}.zip", tmp_path)
    return tmp_path / "store"


def test_everything_is_read(golden):
    with StoreReader.open(golden) as reader:
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == sorted([*ARCHIVED, *BUFFERED, *HELD], key=lambda row: row[:2])
        assert newest_rows(snapshot) == {1: HELD[1], 2: ARCHIVED[3], 3: BUFFERED[1]}
        assert snapshot.health == {"process": {"pid": 1, "version": "0.1.0"}}
        assert audit_rows(snapshot) == [
            ("tag created", "T000"),
            ("tag created", "T001"),
            ("tag created", "T002"),
            ("type told", "T002"),
            ("tag changed", "T000"),
            ("clock step", "clock"),
        ]
        versions = [
            (row["tag"], row["version"], row["units"], row["value_type"]) for row in reader.tag_versions().to_pylist()
        ]
        assert versions == [
            ("T000", 1, "", None),
            ("T000", 2, "bar", None),
            ("T001", 1, "", None),
            ("T002", 1, "", "text"),
        ]
        assert reader.quarantine() == [REFUSED]


def test_the_next_run_takes_it_over(golden):
    with Store.open(golden) as store, StoreReader.open(golden) as reader:
        assert store.recover(T0 + 60 * SECOND).ended == 3
        assert store.flush(force=True).rows == 7
        snapshot = reader.snapshot()
        ends = [(tag, T0 + 5 * SECOND, None, BAD_SHUTDOWN) for tag in (1, 2, 3)]
        assert stored_rows(snapshot) == sorted([*ARCHIVED, *BUFFERED, *HELD, *ends], key=lambda row: row[:2])
        assert [file.rows for file in snapshot.files] == [5, 7]


def test_each_version_has_one():
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"format_{version}.zip" for version in VERSIONS]
