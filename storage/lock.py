"""One writer at a time: a lock of the operating system, and beside it who holds it, for people to read.

The system lets go of the lock when its process ends, however it ends, so that no lock is ever stale.  Readers take
none.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from historian.errors import StoreLockedError
from storage import names
from storage.database import explained

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

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

    def __init__(self, file: IO[str]) -> None:
        self._file = file

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
            _write_owner(file, command)
        return cls(file)

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
    try:
        return LockOwner(**json.loads((folder / names.LOCK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_owner(file: IO[str], command: str) -> None:
    owner = LockOwner(os.getpid(), platform.node(), command, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    file.seek(0)
    file.truncate()
    file.write(json.dumps(asdict(owner)))
    file.flush()


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
