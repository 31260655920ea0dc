"""Damaged files leave the archive, so that everything else can be read; what they still hold stays.

The row groups of a damaged file that can be read whole are written into new files.  One transaction then puts these
into the catalogue in the place of the damaged one, with a line of the audit; afterwards the damaged file is moved to
``damaged/``.  A crash before the transaction changes nothing, one after it leaves a file that the catalogue does not
know, which the next ``--set-aside`` moves.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from historian.model.commit import AuditEvent
from storage import archive, audit, catalogue, names, state, steps
from storage.catalogue import ArchiveFile
from storage.columns import complete, times_us
from storage.database import explained, transaction
from storage.files import ArchiveFolder, sync_folder
from storage.flush import MAX_FILE_ROWS
from storage.intents import Begin, Intents, samples_name

ACTION = "file set aside"

PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class SetAside:
    """What became of one damaged file.

    ``rows`` is what the catalogue said it has, ``kept_rows`` how many of them could be read and are in new files.
    ``moved_to`` is below the store's folder, None for a file that was not there any more.
    """

    path: str
    rows: int
    kept_rows: int
    moved_to: str | None

    @property
    def lost_rows(self) -> int:
        """Samples that only a copy of the file can bring back."""
        return self.rows - self.kept_rows

    def __str__(self) -> str:
        where = f"moved to {self.moved_to}" if self.moved_to else "was gone already, and is out of the catalogue"
        kept = f"{self.kept_rows:,} of its {self.rows:,} samples are kept in a new file, " if self.kept_rows else ""
        return f"{self.path}: {where}; {kept}{self.lost_rows:,} samples are lost unless a copy of it comes back"


@dataclass(frozen=True, slots=True)
class Surgeon:
    """Takes files out of one store's archive.  ``turn`` is the lock that gives its holder the connection."""

    connection: sqlite3.Connection
    store: Path
    folder: ArchiveFolder
    turn: AbstractContextManager[object]
    intents: Intents

    @property
    def _database(self) -> Path:
        return self.store / names.DATABASE

    def set_aside(self, path: str, why: str, time_us: int, who: str) -> SetAside | None:
        """Take one file out; ``path`` is below the archive.  None when it is neither in the catalogue nor there."""
        with self.turn, explained(self._database, "read the catalogue"):
            row = _catalogue_row(self.connection, path)
            store_id = state.read(self.connection).store_id
        if row is None and not (self.folder.root / path).is_file():
            return None
        with self.intents.writing() as begin:
            kept = [] if row is None else self._salvage(path, store_id, begin)
            rows = 0 if row is None else int(row["rows"])
            done = SetAside(path, rows, sum(file.rows for _, _, file in kept), self._destination(path))
            with self.turn, transaction(self.connection, self._database, "take a damaged file out of the catalogue"):
                for number, new_path, file in kept:
                    catalogue.add(self.connection, number, new_path, file)
                self.connection.execute("delete from file where path = ?", (path,))
                state.files_changed(self.connection)
                event = _event(done, row, [each[1] for each in kept])
                audit.append(self.connection, [replace(event, time_us=time_us, who=who, why=why)])
                steps.reached("set aside: rows written")
        steps.reached("set aside: committed")
        self._move(done)
        steps.reached("set aside: file moved")
        return done

    def _salvage(self, path: str, store_id: str, begin: Begin) -> list[tuple[int, str, ArchiveFile]]:
        """New files with the readable row groups, durable, with the intents that the transaction will delete."""
        written = []
        for table in pieces(readable_groups(self.folder.root / path)):
            number, new_path = begin(samples_name(int(times_us(table).min())), "set aside")
            with explained(self.folder.root / new_path, "write what is left of a damaged file"):
                written.append((number, new_path, archive.write(self.folder, new_path, table, store_id=store_id)))
        return written

    def _destination(self, path: str) -> str | None:
        if not (self.folder.root / path).is_file():
            return None
        return f"{names.DAMAGED}/{PurePosixPath(path).name}"

    def _move(self, done: SetAside) -> None:
        if done.moved_to is None:
            return
        with explained(self.folder.root / done.path, "move a damaged file"):
            target = self.store / done.moved_to
            target.parent.mkdir(exist_ok=True)
            source = self.folder.root / done.path
            source.replace(target)
            sync_folder(target.parent)
            sync_folder(source.parent)


def _catalogue_row(connection: sqlite3.Connection, path: str) -> dict[str, Any] | None:
    cursor = connection.execute("select * from file where path = ?", (path,))
    found = cursor.fetchone()
    return None if found is None else dict(zip((each[0] for each in cursor.description), found, strict=True))


def pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined to such of not too many rows."""
    waiting: list[pa.Table] = []
    for table in tables:
        if waiting and sum(map(len, waiting)) + len(table) > MAX_FILE_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
        waiting.append(table)
    if waiting:
        yield pa.concat_tables(waiting)


def readable_groups(path: Path) -> Iterator[pa.Table]:
    """The rows of each row group that can be read whole; none of a file that is no Parquet."""
    try:
        count = pq.read_metadata(path).num_row_groups
    except (pa.ArrowException, OSError):
        return
    for number in range(count):
        table = read_group(path, number)
        if table is not None:
            yield table


def first_damaged(paths: Sequence[str], *, patience_s: float = PATIENCE_S) -> str | None:
    """The first of these files that is gone or cannot be read: footers first, then contents, not longer than that."""
    end_s = time.monotonic() + patience_s
    groups: dict[str, int] = {}
    for path in paths:
        try:
            groups[path] = pq.read_metadata(path).num_row_groups
        except (pa.ArrowException, OSError):
            return path
    for path, count in groups.items():
        for number in range(count):
            if read_group(Path(path), number) is None:
                return path
            if time.monotonic() > end_s:
                return None
    return None


def read_group(path: Path, number: int) -> pa.Table | None:
    """The rows of a row group, None unless every page of it has the right checksum."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = complete(file.read_row_group(number, use_threads=False))
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    return table


def _event(done: SetAside, row: Mapping[str, Any] | None, kept: list[str]) -> AuditEvent:
    new = {"moved_to": done.moved_to, "kept_rows": done.kept_rows, "kept_in": kept}
    return AuditEvent(0, "", ACTION, done.path, old="" if row is None else json.dumps(row), new=json.dumps(new))


def recorded_checksums(connection: sqlite3.Connection) -> dict[str, str]:
    """SHA-256 of the files that were set aside when they were whole, by name."""
    rows = connection.execute("select object, old from audit where action = ? and old <> ''", (ACTION,))
    return {PurePosixPath(path).name: str(json.loads(old)["sha256"]) for path, old in rows}
