"""Stores that earlier versions wrote, kept for ever, are read, and the next run takes them over."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pytest

from conformance.golden_store import (
    ARCHIVED,
    AT_THE_DOOR,
    BUFFERED,
    EDITED,
    FOLDER,
    HELD,
    REFUSED,
    SHADOWED,
    samples_of,
)
from conformance.store_data import SECOND, T0
from conformance.store_suite import audit_rows, newest_rows, rows_of, stored_rows
from historian.config.settings import ShadowSettings
from historian.model.status import BAD_SHUTDOWN
from storage.columns import complete, to_batch
from storage.reader import StoreReader
from storage.schema import EDITS_SINCE, FORMAT_VERSION, HELD_SINCE, SHADOW_SINCE
from storage.store import Store

VERSIONS = range(1, FORMAT_VERSION + 1)

CHANGES = {
    1: [],
    2: [
        ("sample edited", "T000"),
        ("sample edited", "T002"),
        ("sample removed", "T001"),
        ("samples inserted", "T001"),
    ],
}
CHANGES[3] = [*CHANGES[2], ("annotation added", "T000")]
"""The last lines of the audit of each version's store."""


@pytest.fixture(params=VERSIONS, ids=lambda version: f"format {version}")
def golden(request, tmp_path):
    """A copy of the golden store of a version."""
    shutil.unpack_archive(FOLDER / f"format_{request.param}.zip", tmp_path)
    return tmp_path / "store"


def test_everything_is_read(golden):
    with StoreReader.open(golden) as reader:
        snapshot = reader.snapshot()
        version = snapshot.format_version
        assert stored_rows(snapshot) == samples_of(version)
        newest = {1: HELD[1], 2: ARCHIVED[3], 3: BUFFERED[1]}
        if version >= EDITS_SINCE:
            newest = {1: HELD[1], 3: EDITED[1]}
        if version >= HELD_SINCE:
            newest[2] = AT_THE_DOOR[-1]
        assert newest_rows(snapshot) == newest
        assert snapshot.health == {"process": {"pid": 1, "version": "0.1.0"}}
        assert audit_rows(snapshot) == [
            ("tag created", "T000"),
            ("tag created", "T001"),
            ("tag created", "T002"),
            ("type told", "T002"),
            ("tag changed", "T000"),
            ("clock step", "clock"),
            *CHANGES[version],
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


def test_raw_samples_kept_as_a_proof(golden):
    with StoreReader.open(golden) as reader:
        rows = reader.shadow_rows()
        raw = [rows_of(complete(pa.Table.from_batches([to_batch(reader.shadow_samples(row))]))) for row in rows]
        if reader.snapshot().format_version < SHADOW_SINCE:
            assert rows == []
            assert reader.statistics().shadow_rows == 0
        else:
            assert [row.packed for row in rows] == [1, 0]
            assert raw == [SHADOWED[:2], SHADOWED[2:]]
            assert reader.statistics().shadow_rows == 3
    with Store.open(golden) as store:
        store.tend_shadow(T0 + 8 * 86_400 * SECOND, ShadowSettings())
        assert store.statistics().shadow_rows == 0


def test_the_next_run_takes_it_over(golden):
    with StoreReader.open(golden) as reader:
        version = reader.snapshot().format_version
    with Store.open(golden) as store, StoreReader.open(golden) as reader:
        assert store.recover(T0 + 60 * SECOND).ended == 3
        rows = 7 + (version >= EDITS_SINCE) + 3 * (version >= HELD_SINCE)
        assert store.flush(force=True).rows == rows
        snapshot = reader.snapshot()
        ends = [(tag, T0 + 5 * SECOND, None, BAD_SHUTDOWN) for tag in (1, 2, 3)]
        kept = [row for row in samples_of(version) if row != AT_THE_DOOR[1]]
        assert stored_rows(snapshot) == sorted([*kept, *ends], key=lambda row: row[:2])
        assert sorted(file.rows for file in snapshot.files) == [5, rows]


def test_each_version_has_one():
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"format_{version}.zip" for version in VERSIONS]
