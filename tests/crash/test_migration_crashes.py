"""Deaths while a store of an older version is brought up to date: it is of the old version or of the new one, whole."""

from __future__ import annotations

import os
import shutil
from multiprocessing import get_context

import pytest

from conformance.golden_store import ARCHIVED, BUFFERED, FOLDER, HELD
from conformance.store_suite import audit_rows, stored_rows
from crash.store_scenarios import DIED, die_at
from storage import steps
from storage.reader import StoreReader
from storage.schema import FORMAT_VERSION
from storage.store import Store

VERSION_LEFT = {"migrate: tables changed": 1, "migrate: committed": FORMAT_VERSION}


def open_and_die(folder: str, step: str) -> None:
    die_at(step, 0)
    Store.open(folder).close()
    os._exit(0)


@pytest.mark.parametrize("step", [step for step in steps.STEPS if step.startswith("migrate: ")])
def test_crash_while_migrating(step, tmp_path):
    shutil.unpack_archive(FOLDER / "format_1.zip", tmp_path)
    folder = tmp_path / "store"
    process = get_context("spawn").Process(target=open_and_die, args=(folder, step))
    process.start()
    process.join(30)
    assert process.exitcode == DIED
    expected = sorted([*ARCHIVED, *BUFFERED, *HELD], key=lambda row: row[:2])
    with StoreReader.open(folder) as reader:
        snapshot = reader.snapshot()
        assert snapshot.format_version == VERSION_LEFT[step]
        assert stored_rows(snapshot) == expected
    Store.open(folder).close()
    with StoreReader.open(folder) as reader:
        snapshot = reader.snapshot()
        assert snapshot.format_version == FORMAT_VERSION
        assert stored_rows(snapshot) == expected
        assert audit_rows(snapshot).count(("store migrated", "store")) == 1
