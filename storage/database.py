"""Connections to ``historian.sqlite`` and what its errors mean to a person.

SQLite in WAL mode with synchronous=FULL: a commit that returned is on the disk, readers never wait for the writer.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from historian.errors import (
    CorruptionError,
    HistorianError,
    StoreError,
    StoreForeignError,
    StoreFullError,
    StoreUnavailableError,
)
from storage import names, schema

BUSY_TIMEOUT_S: Final = 10.0
"""How long a connection waits for another: a reader only while a crashed writer's log is read or the log is emptied."""

WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The log is cut back to this after it has grown, for instance by one very large commit."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC})
_PASSING: Final = frozenset(
    getattr(errno, name) for name in ("EIO", "EROFS", "ENODEV", "ESTALE", "EAGAIN", "EBUSY") if hasattr(errno, name)
)
"""Errors of a disk that fails, was taken away or became read-only: another try later may find it as it was."""

_ROOM_BYTES: Final = 1 << 20


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection for the one writer, whose users take turns by a lock of their own.  Makes the file if needed."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"pragma page_size = {schema.PAGE_BYTES}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(f"pragma journal_size_limit = {WAL_LIMIT_BYTES}")
        # Some builds overwrite what they delete with zeros; a flush would then write its whole buffer once more.
        connection.execute("pragma secure_delete = off")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write.  ``immutable``: nothing else writes either, so that no lock files are needed."""
    posix = path.absolute().as_posix()
    uri = f"file://{quote(posix if posix.startswith('/') else '/' + posix)}?mode=ro"
    return sqlite3.connect(
        uri + ("&immutable=1" if immutable else ""),
        uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """The writer's connection to the database in ``folder``, for operations that take turns with others.

    ``turn`` gives its holder the connection; whoever holds it makes commits wait.
    """

    folder: Path
    connection: sqlite3.Connection
    turn: AbstractContextManager[object]

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.folder / names.DATABASE

    @property
    def archive(self) -> Path:
        """The folder that paths of archive files begin at."""
        return self.folder / names.ARCHIVE


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, doing: str) -> Iterator[None]:
    """All or nothing: commits at the end, takes everything back on any error.

    ``doing`` completes "cannot ..." in the errors, see :func:`explained`.
    """
    with explained(path, doing):
        connection.execute("begin immediate")
        try:
            yield
            connection.execute("commit")
        except BaseException:
            # Some errors (a full disk) have taken the transaction back already.
            if connection.in_transaction:
                connection.execute("rollback")
            raise


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into ours; ``doing`` completes "cannot ..."."""
    try:
        yield
    except HistorianError:
        raise
    except sqlite3.Error as error:
        raise _of_sqlite(error, path, doing) from error
    except OSError as error:
        raise _of_system(error, path, doing) from error


def _of_sqlite(error: sqlite3.Error, path: Path, doing: str) -> StoreError:
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return _full(path, doing, error)
    if code == sqlite3.SQLITE_NOTADB:
        return StoreForeignError(
            f"cannot {doing}: {path} is not an SQLite database, or its first page is damaged ({error}); "
            "give the folder of a store. If it is one, make this file anew from the archive (historian rebuild) or put "
            "it back from a backup"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return CorruptionError(
            f"cannot {doing}: the database {path} is damaged ({error}); keep a copy of the folder as it is, then "
            "make it anew (historian rebuild) or put back a backup. The files below archive are not touched by this"
        )
    if (passing := _passing(code, error, path, doing)) is not None:
        return passing
    return StoreError(f"cannot {doing}: SQLite reports {error} for {path}; nothing of this was written")


def _passing(code: int, error: sqlite3.Error, path: Path, doing: str) -> StoreUnavailableError | None:
    """Errors after which the same may work later."""
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreUnavailableError(
            f"cannot {doing}: {path} cannot be opened ({error}); check the permissions of its folder"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreUnavailableError(
            f"cannot {doing}: the disk of {path.parent} fails ({error}); look at the system's log. "
            "Nothing was half-written, the same can be tried again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return StoreUnavailableError(
            f"cannot {doing}: another program held {path} for more than {BUSY_TIMEOUT_S:.0f} s ({error}); "
            "close database tools that have this file open for writing"
        )
    return None


def _of_system(error: OSError, path: Path, doing: str) -> StoreError:
    if error.errno in _NO_ROOM:
        return _full(path, doing, error)
    kind = StoreUnavailableError if error.errno in _PASSING else StoreError
    return kind(f"cannot {doing}: {error}; check the disk and the permissions of {path.parent}")


def _full(path: Path, doing: str, error: Exception) -> StoreFullError:
    return StoreFullError(
        f"cannot {doing}: no room on the disk of {path.parent} ({error}); make room there. "
        "Nothing was half-written, the same can be tried again"
    )


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without the details in its upper bits; -1 when the error carries none."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _ROOM_BYTES
    except OSError:
        return False
