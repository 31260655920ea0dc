"""What opening a store says about folders that are none, are another's, newer, or damaged; and that it changes none."""

from __future__ import annotations

import sqlite3

import pytest

from conformance.store_data import T0, good, make_current, make_samples, make_tags
from historian.errors import CorruptionError, StoreError, StoreForeignError, StoreNotFoundError, StoreVersionError
from historian.model.commit import Commit
from storage import names, schema
from storage.reader import StoreReader
from storage.store import Store

OPENERS = [Store.open, StoreReader.open, lambda path: Store.open(path, create=True)]
OPENER_NAMES = ["writer", "reader", "creator"]


@pytest.fixture
def database(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(50), T0, "test")
        for second in range(50):
            store.commit(Commit(T0, make_samples([good(1, second, 1.0)])))
    return store_path / names.DATABASE


@pytest.mark.parametrize("opener", OPENERS, ids=OPENER_NAMES)
def test_a_file_is_no_store(opener, tmp_path):
    path = tmp_path / "store"
    path.write_text("something of mine")
    with pytest.raises(StoreForeignError, match="this is a file"):
        opener(path)
    assert path.read_text() == "something of mine"


def test_a_store_is_not_made_among_other_files(store_path):
    store_path.mkdir()
    (store_path / "letter.txt").write_text("dear")
    with pytest.raises(StoreForeignError, match=r"letter\.txt"):
        Store.open(store_path, create=True)
    assert [each.name for each in store_path.iterdir()] == ["letter.txt"]


def test_an_empty_folder_becomes_a_store_only_when_asked(store_path):
    store_path.mkdir()
    with pytest.raises(StoreNotFoundError):
        Store.open(store_path)
    assert list(store_path.iterdir()) == []
    Store.open(store_path, create=True).close()
    StoreReader.open(store_path).close()


@pytest.mark.parametrize("opener", OPENERS, ids=OPENER_NAMES)
def test_a_database_of_another_program_is_left_alone(opener, store_path):
    store_path.mkdir()
    path = store_path / names.DATABASE
    with sqlite3.connect(path) as other:
        other.execute("create table mine (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreForeignError, match="some other program"):
        opener(store_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opener", OPENERS, ids=OPENER_NAMES)
def test_no_database_at_all(opener, store_path):
    store_path.mkdir()
    (store_path / names.DATABASE).write_text("this is no database, and long enough to be looked at " * 100)
    with pytest.raises(StoreForeignError, match="not an SQLite database"):
        opener(store_path)


@pytest.mark.parametrize("opener", OPENERS, ids=OPENER_NAMES)
def test_a_newer_version_is_refused_and_left_alone(opener, database):
    with sqlite3.connect(database) as link:
        link.execute(f"pragma user_version = {schema.FORMAT_VERSION + 1}")
    link.close()
    before = database.read_bytes()
    with pytest.raises(StoreVersionError, match="update it") as error:
        opener(database.parent)
    assert f"format version {schema.FORMAT_VERSION + 1}" in str(error.value)
    assert database.read_bytes() == before


@pytest.mark.parametrize("opener", OPENERS, ids=OPENER_NAMES)
def test_an_archive_without_its_database(opener, database):
    database.unlink()
    (database.parent / names.ARCHIVE).mkdir()
    with pytest.raises(StoreForeignError, match="from a backup"):
        opener(database.parent)
    assert not database.exists()


def test_a_creation_that_was_never_finished(store_path):
    store_path.mkdir()
    (store_path / names.DATABASE).touch()
    for opener in (Store.open, StoreReader.open):
        with pytest.raises(StoreNotFoundError, match="never finished"):
            opener(store_path)
    Store.open(store_path, create=True).close()
    StoreReader.open(store_path).close()


def test_a_damaged_page_is_named(database):
    content = bytearray(database.read_bytes())
    # Everything after the first page, which holds the list of tables.
    content[schema.PAGE_BYTES :] = bytes(255 for _ in range(len(content) - schema.PAGE_BYTES))
    database.write_bytes(content)
    with StoreReader.open(database.parent) as reader, pytest.raises(CorruptionError, match=str(database)):
        reader.snapshot()
    with pytest.raises(CorruptionError, match="backup"):
        Store.open(database.parent)


READ_BATCH, WRITE_BATCH = "select samples from batch where number = 7", "update batch set samples = ? where number = 7"
READ_GROUP, WRITE_GROUP = "select samples from current_group", "update current_group set samples = ?"


@pytest.mark.parametrize(
    ("read", "write", "place"),
    [(READ_BATCH, WRITE_BATCH, "batch 7"), (READ_GROUP, WRITE_GROUP, "group 0")],
    ids=["batch", "group"],
)
def test_damage_that_sqlite_does_not_see_is_named(database, read, write, place):
    """One bit of a blob, as a failing disk flips it."""
    with Store.open(database.parent) as store:
        current = make_current([good(1, 60, 1.0)], newest=[True], pending=[True])
        store.commit(Commit(T0, make_samples([good(1, 60, 1.0)]), {0: current}))
    link = sqlite3.connect(database)
    blob = bytearray(link.execute(read).fetchone()[0])
    blob[len(blob) // 2] ^= 1
    with link:
        link.execute(write, (bytes(blob),))
    link.close()
    with StoreReader.open(database.parent) as reader, pytest.raises(CorruptionError, match=place):
        reader.snapshot()
    with Store.open(database.parent) as store, pytest.raises(CorruptionError, match=place):
        recover_and_flush(store)


def recover_and_flush(store):
    store.recover(T0)
    store.flush(force=True)


def test_a_lock_is_not_kept_by_a_failed_opening(database):
    with sqlite3.connect(database) as link:
        link.execute("pragma user_version = 99")
    link.close()
    with pytest.raises(StoreVersionError):
        Store.open(database.parent)
    with sqlite3.connect(database) as link:
        link.execute(f"pragma user_version = {schema.FORMAT_VERSION}")
    link.close()
    Store.open(database.parent).close()


def test_a_closed_reader_says_so(database):
    reader = StoreReader.open(database.parent)
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.snapshot()


def test_an_older_version_is_brought_up_step_by_step():
    link = sqlite3.connect(":memory:", isolation_level=None)
    link.execute("pragma user_version = 1")
    done: list[str] = []
    schema.migrate(
        link, 1, wanted=3, migrations={1: lambda _: done.append("1 to 2"), 2: lambda _: done.append("2 to 3")}
    )
    assert done == ["1 to 2", "2 to 3"]
    assert link.execute("pragma user_version").fetchone() == (3,)
    link.close()


def test_the_database_is_as_durable_as_promised(store_path):
    with Store.open(store_path, create=True) as store:
        link = store._connection
        assert link.execute("pragma journal_mode").fetchone() == ("wal",)
        assert link.execute("pragma synchronous").fetchone() == (2,)
        assert link.execute("pragma page_size").fetchone() == (schema.PAGE_BYTES,)


@pytest.mark.parametrize("statement", ["update audit set who = 'nobody'", "delete from audit"])
def test_the_audit_cannot_be_changed(database, statement):
    link = sqlite3.connect(database)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        link.execute(statement)
    link.close()
