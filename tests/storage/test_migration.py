"""From format version 1 to the present one: everything is there afterwards, and the audit says that it was done."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from conformance.golden_store import ARCHIVED, BUFFERED, FOLDER, HELD
from conformance.store_suite import audit_rows, newest_rows, stored_rows
from storage import names, schema
from storage.reader import StoreReader
from storage.store import Store

EVERYTHING = sorted([*ARCHIVED, *BUFFERED, *HELD], key=lambda row: row[:2])


@pytest.fixture
def old(tmp_path):
    """A store of version 1."""
    shutil.unpack_archive(FOLDER / "format_1.zip", tmp_path)
    return tmp_path / "store"


def columns(path) -> dict[str, set[tuple]]:
    """Of each table: name, type, null and default of its columns; triggers and indexes by their text."""
    link = sqlite3.connect(path / names.DATABASE)
    found = {}
    for kind, name, sql in link.execute("select type, name, sql from sqlite_master where name not like 'sqlite_%'"):
        rows = link.execute('select name, type, "notnull", dflt_value, pk from pragma_table_info(?)', (name,))
        found[name] = set(rows) if kind == "table" else {sql}
    link.close()
    return found


def test_a_reader_needs_no_migration(old):
    before = (old / names.DATABASE).read_bytes()
    with StoreReader.open(old) as reader:
        snapshot = reader.snapshot()
        assert snapshot.format_version == 1
        assert stored_rows(snapshot) == EVERYTHING
        assert snapshot.edits.num_rows == 0
        assert reader.statistics().samples == len(ARCHIVED) + len(BUFFERED)
    assert (old / names.DATABASE).read_bytes() == before


def test_a_writer_migrates_and_everything_is_there(old):
    with StoreReader.open(old) as reader:
        newest, tags, versions = newest_rows(reader.snapshot()), reader.snapshot().tags, reader.tag_versions()
    Store.open(old).close()
    with StoreReader.open(old) as reader:
        snapshot = reader.snapshot()
        assert snapshot.format_version == schema.FORMAT_VERSION
        assert stored_rows(snapshot) == EVERYTHING
        assert newest_rows(snapshot) == newest
        assert snapshot.tags == tags
        assert reader.tag_versions() == versions


def test_the_audit_tells_once(old):
    Store.open(old).close()
    Store.open(old).close()
    with StoreReader.open(old) as reader:
        snapshot = reader.snapshot()
    assert audit_rows(snapshot).count(("store migrated", "store")) == 1
    line = snapshot.audit.to_pylist()[-1]
    assert (line["who"], line["old"], line["new"]) == ("store", "1", str(schema.FORMAT_VERSION))


def test_a_migrated_store_is_the_same_as_a_new_one(old, tmp_path):
    Store.open(old).close()
    Store.open(tmp_path / "new", create=True).close()
    assert columns(old) == columns(tmp_path / "new")


def test_a_reader_that_was_open_before_the_migration_goes_on(old):
    with StoreReader.open(old) as reader:
        assert reader.snapshot().format_version == 1
        with Store.open(old):
            snapshot = reader.snapshot()
        assert snapshot.format_version == schema.FORMAT_VERSION
        assert stored_rows(snapshot) == EVERYTHING


def test_a_migration_that_fails_leaves_the_old_version(old, monkeypatch):
    def fail(connection):
        connection.execute("create table half (done)")
        raise RuntimeError

    monkeypatch.setitem(schema.MIGRATIONS, 1, fail)
    before = columns(old)
    with pytest.raises(RuntimeError):
        Store.open(old)
    assert columns(old) == before
    monkeypatch.undo()
    Store.open(old).close()
