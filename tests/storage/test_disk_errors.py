"""A disk that fails is like one that is full: nothing half-written, an error that says so, and the next try works."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.errors import CorruptionError, StoreFullError, StoreUnavailableError
from historian.model.commit import Commit
from storage import lock
from storage.database import explained, transaction
from storage.reader import StoreReader
from storage.store import Store


class FailingConnection:
    """A connection whose disk fails when it is told to commit, as SQLite reports it."""

    def __init__(self, connection: sqlite3.Connection, code: int) -> None:
        self._connection = connection
        self._code = code
        self.failing = True

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self.failing and statement == "commit":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY]
)
def test_a_commit_that_the_disk_refuses_can_be_tried_again(store_path, code):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(1), T0, "test")
        store.commit(Commit(T0, make_samples([good(1, 1, 1.0)])))
        failing = FailingConnection(store._connection, code)
        store._connection = failing
        refused = Commit(T0 + SECOND, make_samples([good(1, 2, 2.0)]))
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="commit samples"):
                store.commit(refused)
        with StoreReader.open(store_path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 1, 1.0)]
        failing.failing = False
        store.commit(refused)
        with StoreReader.open(store_path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 1, 1.0), good(1, 2, 2.0)]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFullError),
        (errno.EIO, StoreUnavailableError),
        (errno.EROFS, StoreUnavailableError),
    ],
)
def test_what_the_system_says_decides_what_is_done(tmp_path, number, kind):
    with pytest.raises(kind, match="write"), explained(tmp_path / "file", "write"):
        raise OSError(number, "as the system says")


def test_a_damaged_database_is_not_tried_again(tmp_path):
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(CorruptionError, match="historian rebuild"), transaction(connection, tmp_path / "x", "commit"):
        raise error
    connection.close()


def test_readers_learn_of_a_full_disk_from_the_lock(store_path: Path):
    """Its record keeps its length, so that it can be written where there is no room for another byte."""
    with Store.open(store_path, create=True) as store, StoreReader.open(store_path) as reader:
        record = store_path / "historian.lock"
        assert reader.trouble() is None
        size = record.stat().st_size
        store.note_trouble({"store_state": "full", "last_error": "no room " * 1000, "updated_us": T0})
        assert reader.trouble()["store_state"] == "full"
        assert record.stat().st_size == size
        assert lock.read_owner(store_path).pid > 0
        store.note_trouble(None)
        assert reader.trouble() is None
        assert record.stat().st_size == size
