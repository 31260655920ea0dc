"""Files of the archive that are being written: named in the database before, so that a crash leaves nothing unknown.

Flush, compaction and retention write at the same time, in threads of one process; what is listed and written by none of
them was left by a crash or an error, is no part of the store, and is removed (docs/decisions/0011).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from storage import catalogue, names, state, steps
from storage.database import explained, transaction
from storage.files import ArchiveFolder

Begin: TypeAlias = Callable[[Callable[[int], str], str], tuple[int, str]]
"""As :meth:`Intents.writing` gives it."""


@dataclass(frozen=True, slots=True)
class Intents:
    """The intents of one store.  ``turn`` gives its holder the connection; it is held for short transactions only."""

    connection: sqlite3.Connection
    database: Path
    folder: ArchiveFolder
    turn: AbstractContextManager[object]
    _writing: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def writing(self) -> Iterator[Begin]:
        """Gives a function ``begin(name, step)`` that names a file to be written: its number and path.

        ``name`` makes the path of the file's number; ``step`` begins the names of steps.  While the context lasts
        nobody removes these files; afterwards those that did not become part of the store are removed by the next
        :meth:`clean_up`.
        """
        mine: list[str] = []

        def begin(name: Callable[[int], str], step: str) -> tuple[int, str]:
            with self.turn, transaction(self.connection, self.database, "begin a file of the archive"):
                number = state.next_file(self.connection)
                path = name(number)
                with self._lock:
                    self._writing.add(path)
                mine.append(path)
                catalogue.intend(self.connection, path)
            steps.reached(f"{step}: intent recorded")
            return number, path

        try:
            yield begin
        finally:
            with self._lock:
                self._writing.difference_update(mine)

    def clean_up(self) -> tuple[str, ...]:
        """Remove files that a crash or an error left half-way; their paths."""
        with self.turn, explained(self.database, "read the catalogue"):
            listed = catalogue.intents(self.connection)
            with self._lock:
                left = [path for path in listed if path not in self._writing]
        if not left:
            return ()
        with explained(self.folder.root, "remove an unfinished file of the archive"):
            removed = tuple(path for path in left if self.folder.remove_unfinished(path))
        with self.turn, transaction(self.connection, self.database, "forget unfinished files"):
            catalogue.forget_intents(self.connection, left)
        return removed


def samples_name(first_us: int) -> Callable[[int], str]:
    """For ``begin``: the path of a file of samples from ``first_us`` on."""
    return lambda number: names.samples_path(first_us, number, secrets.token_hex(3))
