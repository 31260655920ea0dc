"""One writer at a time: a lock of the operating system, and beside it who holds it, for people to read.

The system lets go of the lock when its process ends, however it ends, so that no lock is ever stale.  Readers take
none.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from historian.errors import StoreLockedError
from storage import names
from storage.database import explained

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

RECORD_BYTES: Final = 4096
"""The record always has this length: on a full disk it can be written over, because its place is there already."""

_LONGEST_TEXT: Final = 500
_TROUBLE: Final = "trouble"

_LOCKED_BYTE: Final = 1 << 30
"""Windows locks bytes and then nobody else can read them: one far behind the owner's record."""


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who writes to a store.  ``since`` is ISO 8601 UTC."""

    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command}), since {self.since}"


class WriterLock:
    """The lock of one store folder, held from :meth:`take` to :meth:`release`."""

    def __init__(self, file: IO[str], owner: LockOwner) -> None:
        self._file = file
        self._owner = owner

    @classmethod
    def take(cls, folder: Path, command: str) -> WriterLock:
        """Take the lock at once, or raise StoreLockedError that says who has it."""
        path = folder / names.LOCK
        with explained(path, f"lock the store {folder}"):
            path.touch()
            file = path.open("r+", encoding="utf-8")
        if not _try_lock(file):
            file.close()
            owner = read_owner(folder)
            raise StoreLockedError(
                f"cannot write to the store {folder}: {owner or 'another process'} writes to it, and there can be only "
                "one writer; stop that one first (reading needs no lock: historian sql, status, export)"
            )
        with explained(path, f"lock the store {folder}"):
            owner = _owner(command)
            _write_record(file, asdict(owner))
        return cls(file, owner)

    def note(self, trouble: Mapping[str, object] | None) -> None:
        """Say in the record what keeps the owner from writing to the database, or that nothing does any more.

        The only word that gets out while the disk is full.  Raises OSError where even that cannot be written.
        """
        _write_record(self._file, {**asdict(self._owner), **({} if trouble is None else {_TROUBLE: _short(trouble)})})

    def release(self) -> None:
        """Let go.  The file stays: removing it could take a lock away from someone who just opened it."""
        if self._file.closed:
            return
        try:
            self._file.seek(0)
            self._file.truncate()
            self._file.flush()
        finally:
            _unlock(self._file)
            self._file.close()


def read_owner(folder: Path) -> LockOwner | None:
    """Who wrote the record in the lock file, or None where there is none (yet).  Says nothing about the lock itself."""
    record = _read_record(folder)
    try:
        return LockOwner(**{name: value for name, value in record.items() if name != _TROUBLE})
    except TypeError:
        return None


def read_trouble(folder: Path) -> dict[str, object] | None:
    """What keeps the writer from writing, as it said last; None when it said nothing.  See :meth:`WriterLock.note`."""
    found = _read_record(folder).get(_TROUBLE)
    return found if isinstance(found, dict) else None


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / names.LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _owner(command: str) -> LockOwner:
    return LockOwner(os.getpid(), platform.node(), command, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _write_record(file: IO[str], record: Mapping[str, object]) -> None:
    """Over the one before, never truncated: that would give its place on the disk away."""
    file.seek(0)
    file.write(json.dumps(record).ljust(RECORD_BYTES))
    file.flush()


def _short(trouble: Mapping[str, object]) -> dict[str, object]:
    return {name: value[:_LONGEST_TEXT] if isinstance(value, str) else value for name, value in trouble.items()}


if sys.platform == "win32":

    def _try_lock(file: IO[str]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(file: IO[str]) -> bool:
        try:
            # flock, not lockf: it belongs to this open file, so that a second Store of the same process is refused too.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
