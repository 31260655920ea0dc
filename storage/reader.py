"""The reading side of a store, for any number of processes, also while one collects.

A snapshot is one read transaction: buffer, held samples and catalogue as they were at one instant, so that each sample
is seen once, whatever the writer does.  Readers take no lock and make nobody wait.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import pyarrow as pa

from historian.errors import StoreForeignError, StoreNotFoundError
from historian.model.commit import QuarantinedSample
from historian.model.samples import Samples
from storage import (
    annotation,
    audit,
    averages,
    buffer,
    catalogue,
    current,
    edit_audit,
    edits,
    health,
    held,
    lock,
    names,
    quarantine,
    schema,
    shadow,
    source_memory,
    state,
    statistics,
    tags,
)
from storage.arrays import empty_table
from storage.catalogue import ArchiveFile
from storage.columns import to_batch
from storage.database import connect_reader, explained, primary_code
from storage.recent import RecentRows
from storage.shadow import ShadowRow
from storage.statistics import StoreStatistics

ResultT = TypeVar("ResultT")

PATIENCE_S: Final = 10.0
LOCK_FILES_PATIENCE_S: Final = 2.0
PAUSE_S: Final = 0.005
"""How long, and with what pauses, a read is tried again that met the writer starting, recovering or closing."""

_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_NO_LOCK_FILES: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
"""What SQLite reports where it cannot make its lock files: nobody writes there now, or somebody just began or ended."""


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """The store at one instant.

    ``tags``: the version that holds of each tag (``storage.tags.SCHEMA``).  ``recent``: what is not in the archive yet,
    the buffer and the samples held back (``storage.columns.SAMPLE_SCHEMA``).  ``edits`` (``storage.edits.SCHEMA``)
    stand in the place of rows of ``files`` and ``recent`` with the same tag and time: the rows of those two that are
    in no edit, and the edits that are no removals, are every sample, once.  ``current``: the newest sample of each tag
    and when its source last answered (``storage.current.CURRENT_SCHEMA``).  ``health`` by name, ``audit`` line by
    line (``storage.audit.SCHEMA``).  ``averages`` are the paths of the files with averages of old samples.
    ``annotations`` are notes of people on tags (``storage.annotation.SCHEMA``).  ``refused`` counts samples in
    quarantine (``storage.quarantine.COUNTS_SCHEMA``), in as many rows of a tag and reason as there were looks at them.
    """

    format_version: int
    tags: pa.Table
    recent: pa.Table
    edits: pa.Table
    current: pa.Table
    files: tuple[ArchiveFile, ...]
    health: dict[str, dict[str, object]]
    audit: pa.Table
    averages: tuple[str, ...] = ()
    annotations: pa.Table = field(default_factory=lambda: empty_table(annotation.SCHEMA))
    refused: pa.Table = field(default_factory=lambda: empty_table(quarantine.COUNTS_SCHEMA))


@dataclass(frozen=True, slots=True)
class _Raw:
    """What one transaction read, not decoded yet."""

    version: int
    data_version: int
    state: state.State
    edits: pa.Table
    batches: list[int]
    fresh: list[tuple[int, bytes]]
    groups: list[tuple[int, bytes]]
    held: dict[int, list[int]]
    fresh_held: list[tuple[int, bytes]]
    tags: pa.Table
    files: tuple[ArchiveFile, ...]
    health: dict[str, dict[str, object]]
    audit: tuple[int, pa.Table]
    averages: tuple[str, ...]
    annotations: pa.Table
    refused: tuple[int, pa.Table]


class StoreReader:
    """A store folder, open for reading.  Keeps what cannot change between two snapshots, so that the next is quick."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, immutable: bool) -> None:
        self.folder = folder
        self._database = folder / names.DATABASE
        self._connection = connection
        self._immutable = immutable
        self._turn = threading.RLock()
        self._recent = RecentRows()
        self._held: dict[int, RecentRows] = {}
        self._tags: tuple[int, pa.Table] = (-1, empty_table(tags.SCHEMA))
        self._files: tuple[int, tuple[ArchiveFile, ...]] = (-1, ())
        self._audit: tuple[int, pa.Table] = (0, empty_table(audit.SCHEMA))
        self._edits: tuple[int, pa.Table] = (0, empty_table(edits.SCHEMA))
        self._refused: tuple[int, pa.Table] = (0, empty_table(quarantine.COUNTS_SCHEMA))
        self._annotations: tuple[int, pa.Table] = (0, empty_table(annotation.SCHEMA))
        self._last: tuple[int, StoreSnapshot] | None = None

    @classmethod
    def open(cls, path: Path) -> StoreReader:
        """Open the store in the folder ``path``; no writer is needed.

        Raises StoreNotFoundError, StoreForeignError, StoreVersionError, CorruptionError.
        """
        folder = path.absolute()
        _check_folder(folder)
        with explained(folder / names.DATABASE, f"open the store {folder}"):
            reader = cls(folder, connect_reader(folder / names.DATABASE), immutable=False)
        try:
            reader._read(lambda link: schema.check(link, reader._database))
        except BaseException:
            reader.close()
            raise
        return reader

    def snapshot(self) -> StoreSnapshot:
        """Everything at one instant; the same object as before while nobody has committed anything."""
        with self._turn:
            if self._last is not None and not self._immutable and self._read(_data_version) == self._last[0]:
                return self._last[1]
            raw = self._read(self._read_all)
            self._keep(raw)
            made = self._made(raw)
            self._last = (raw.data_version, made)
        return made

    def _made(self, raw: _Raw) -> StoreSnapshot:
        groups = current.merge([current.decode(number, blob) for number, blob in raw.groups])
        pending = pa.Table.from_batches([to_batch(current.pending(groups))])
        recent = self._recent.table([*(doors.table() for doors in self._held.values()), pending])
        newest = current.to_table(edits.overlay(current.newest(groups), raw.edits))
        return StoreSnapshot(
            raw.version,
            raw.tags,
            recent,
            raw.edits,
            newest,
            raw.files,
            raw.health,
            raw.audit[1],
            raw.averages,
            raw.annotations,
            raw.refused[1],
        )

    def _count_refused(self, link: sqlite3.Connection) -> tuple[int, pa.Table]:
        """Rows of the quarantine never change: only those that came since the last look are counted."""
        last = quarantine.count(link)
        if last == self._refused[0]:
            return self._refused
        return last, pa.concat_tables([self._refused[1], quarantine.counts(link, self._refused[0] + 1, last)])

    def _read_all(self, link: sqlite3.Connection) -> _Raw:
        found = state.read(link)
        batches = buffer.numbers(link)
        fresh = self._recent.missing(batches)
        doors = held.numbers(link)
        last_line = audit.last_number(link)
        newer = audit.read(link, self._audit[0] + 1, last_line)
        return _Raw(
            schema.version_of(link),
            _data_version(link),
            found,
            self._edits[1] if self._edits[0] == found.edits_version else edits.read(link),
            batches,
            buffer.fetch(link, fresh),
            current.read(link),
            doors,
            held.fetch(link, self._missing(doors)),
            self._tags[1] if self._tags[0] == found.tags_version else tags.read(link),
            self._files[1]
            if self._files[0] == found.files_version
            else catalogue.read(link, self.folder / names.ARCHIVE),
            health.read(link),
            (last_line, pa.concat_tables([self._audit[1], newer]) if len(newer) else self._audit[1]),
            averages.paths(link, self.folder / names.ARCHIVE),
            self._annotations[1] if self._annotations[0] == found.annotations_version else annotation.read(link),
            self._count_refused(link),
        )

    def _keep(self, raw: _Raw) -> None:
        self._recent.update(raw.batches, buffer.decode_batches(raw.fresh))
        self._held = {door: self._held.get(door, RecentRows()) for door in raw.held}
        waiting = {number: held.decode(number, blob) for number, blob in raw.fresh_held}
        for door, numbers in raw.held.items():
            self._held[door].update(numbers, waiting)
        self._tags = (raw.state.tags_version, raw.tags)
        self._files = (raw.state.files_version, raw.files)
        self._edits = (raw.state.edits_version, raw.edits)
        self._audit = raw.audit
        self._annotations = (raw.state.annotations_version, raw.annotations)
        self._refused = raw.refused

    def _missing(self, doors: Mapping[int, list[int]]) -> list[int]:
        """Rows of held samples that have to be read."""
        return sorted(
            number for door, numbers in doors.items() for number in self._held.get(door, RecentRows()).missing(numbers)
        )

    def tags(self) -> pa.Table:
        """The version that holds of each tag: the ``tags`` of a snapshot, without the rest of it."""
        return self._read(tags.read)

    def tag_versions(self, tag_ids: Sequence[int] | None = None) -> pa.Table:
        """All versions of all tags, or of those with these numbers alone (``storage.tags.SCHEMA``)."""
        return self._read(lambda link: tags.read_versions(link, tag_ids))

    def health(self) -> dict[str, dict[str, object]]:
        """The figures of sources and process as last committed, by name: ``process``, ``source/<name>``."""
        return self._read(health.read)

    def source_notes(self) -> dict[tuple[str, str], str]:
        """What is kept for the drivers of sources, by source and key."""
        return self._read(source_memory.read)

    def statistics(self) -> StoreStatistics:
        """The store in figures."""
        return self._read(lambda link: statistics.gather(link, self.folder))

    def quarantine(self) -> list[QuarantinedSample]:
        """The samples that were refused, oldest first."""
        return self._read(quarantine.read)

    def former(self, change: int) -> pa.Table:
        """The samples that a change took away, whose line in the audit names this number as ``former``."""
        return self._read(lambda link: edit_audit.former(link, change))

    def shadow_rows(self) -> list[ShadowRow]:
        """The rows of raw samples that are kept as a proof, in the order of their first sample."""
        return self._read(shadow.rows)

    def shadow_samples(self, row: ShadowRow) -> Samples:
        """The samples of such a row; none when it has gone meanwhile.  Raises CorruptionError."""
        blob = self._read(lambda link: shadow.fetch(link, row.number))
        return Samples.empty() if blob is None else shadow.decode(row, blob)

    def trouble(self) -> dict[str, object] | None:
        """The figures of a process that cannot write to the database now (a full disk), with ``updated_us``."""
        return lock.read_trouble(self.folder)

    def inspect(self, query: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """The answer of ``query`` in one read transaction, for what looks into the tables themselves."""
        return self._read(query)

    def close(self) -> None:
        """Let go of the database; may be called twice."""
        with self._turn:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, query: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """The answer of ``query`` in one transaction; what passes by itself is waited for, within PATIENCE_S."""
        started = time.monotonic()
        with self._turn, explained(self._database, f"read the store {self.folder}"):
            while True:
                try:
                    return self._read_once(query)
                except _ChangedError:
                    pass
                except sqlite3.OperationalError as error:
                    if time.monotonic() - started > self._patience_s(error):
                        raise
                    self._reconnect(immutable=self._is_at_rest() and primary_code(error) in _NO_LOCK_FILES)
                time.sleep(PAUSE_S)

    def _read_once(self, query: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        before = self._fingerprint()
        if self._immutable:
            self._reconnect(immutable=self._is_at_rest())
        self._connection.execute("begin")
        try:
            result = query(self._connection)
        finally:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        if self._immutable and self._fingerprint() != before:
            raise _ChangedError
        return result

    def _patience_s(self, error: sqlite3.OperationalError) -> float:
        code = primary_code(error)
        if code in _NO_LOCK_FILES:
            return -1.0 if self._immutable else LOCK_FILES_PATIENCE_S
        return PATIENCE_S if code in _PASSING else -1.0

    def _reconnect(self, *, immutable: bool) -> None:
        self._connection.close()
        self._last = None  # its number counts from the connection's own beginning
        self._connection = connect_reader(self._database, immutable=immutable)
        self._immutable = immutable

    def _is_at_rest(self) -> bool:
        """True when everything is in the database itself, no log beside it.

        Then, and only in a folder where SQLite cannot make its lock files, is the database read as one that nobody
        changes; a writer that comes meanwhile is found by the fingerprint.
        """
        try:
            return self._wal.stat().st_size == 0
        except FileNotFoundError:
            return True

    @property
    def _wal(self) -> Path:
        return self._database.with_name(self._database.name + names.WAL_SUFFIX)

    def _fingerprint(self) -> tuple[int, int, bool] | None:
        if not self._immutable:
            return None
        stat = self._database.stat()
        return stat.st_size, stat.st_mtime_ns, self._is_at_rest()


def _data_version(link: sqlite3.Connection) -> int:
    """A number that changes when somebody else has committed; it means nothing to another connection."""
    (number,) = link.execute("pragma data_version").fetchone()
    return int(number)


class _ChangedError(Exception):
    """A database read without locks changed meanwhile; the result is thrown away."""


def _check_folder(folder: Path) -> None:
    if (folder / names.DATABASE).is_file():
        return
    if folder.is_file():
        raise StoreForeignError(f"cannot open the store {folder}: this is a file, wanted the folder of a store")
    if (folder / names.ARCHIVE).is_dir():
        raise StoreForeignError(
            f"cannot open the store {folder}: it has an archive but no {names.DATABASE}; "
            "make it anew from the files (historian rebuild) or put it back from a backup"
        )
    raise StoreNotFoundError(
        f"cannot open the store {folder}: there is none; start collecting, which makes it, or give the folder of one"
    )
