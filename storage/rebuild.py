"""``historian.sqlite`` made anew from the files of the archive, when it is lost or damaged.

The files say which samples there are, the tags' files beside them what they are samples of.  What was only in the old
database (the buffer, edits, the audit, what is known of each tag) is taken from there, row by row, as far as it can
still be read.  The new database is made beside the old one, which gives way in one step and is kept.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.errors import StoreNotFoundError
from historian.model.commit import AuditEvent, CurrentSamples
from historian.model.samples import Int32Array, Samples, concatenate
from storage import (
    audit,
    averages,
    buffer,
    catalogue,
    current,
    held,
    names,
    rebuild_averages,
    rebuild_newest,
    salvage,
    schema,
    steps,
    tags,
)
from storage.columns import to_samples
from storage.copying import make_durable
from storage.database import connect_writer, explained, transaction
from storage.files import sync_folder
from storage.lock import WriterLock
from storage.overlap import Holding, Keys, chunk_of, keys_of, known_before
from storage.progress import Progress
from storage.rebuild_files import Left, Selection, select
from storage.salvage import NOTHING, Rows

ACTION: Final = "rebuilt"
_US_PER_S: Final = 1_000_000
_KEPT_AS_THEY_ARE: Final = (
    "edit",
    "former",
    "annotation",
    "source_memory",
    "shadow",
    "audit",
    "quarantine",
    "import_progress",
    "health",
    "file_intent",
)


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What the new database has.

    ``files`` with ``archive_rows`` samples; ``batches`` with ``buffer_rows`` samples, ``edits`` and ``audit_lines`` are
    from the old database, which is ``kept``, None if there was none.  ``left`` are files that are no part of the store.
    ``lost`` says in words what could not be brought back.
    """

    folder: Path
    files: int
    archive_rows: int
    tags: int
    batches: int
    buffer_rows: int
    edits: int
    audit_lines: int
    left: tuple[Left, ...]
    lost: tuple[str, ...]
    kept: Path | None


def rebuild(path: Path, *, time_us: int, who: str, progress: Progress | None = None) -> RebuildReport:
    """Make the database of the store in the folder ``path`` anew.  Nobody may write to the store meanwhile.

    Raises StoreLockedError while another process writes, StoreNotFoundError where there is neither an archive nor a
    database, StoreVersionError for a database of a newer version, StoreFullError.  After an error the old database is
    as it was.
    """
    folder = path.absolute()
    if not (folder / names.ARCHIVE).is_dir() and not (folder / names.DATABASE).exists():
        raise StoreNotFoundError(f"cannot rebuild {folder}: there is neither an archive nor a database; give a store")
    lock = WriterLock.take(folder, "historian rebuild")
    try:
        with explained(folder / names.DATABASE, f"rebuild the store {folder}"):
            return _Rebuild(folder, time_us, who, salvage.salvage(folder / names.DATABASE)).run(progress or Progress())
    finally:
        lock.release()


class _Rebuild:
    """One run.  ``old`` are the rows of the old database, by table."""

    def __init__(self, folder: Path, time_us: int, who: str, old: Mapping[str, Rows]) -> None:
        self._folder = folder
        self._archive = folder / names.ARCHIVE
        self._time_us = time_us
        self._who = who
        self._old = old
        self._lost: list[str] = []
        self._new = folder / f"{names.DATABASE}.rebuilt"

    def run(self, progress: Progress) -> RebuildReport:
        state = self._table("state")
        store_id = str(state.column("store_id")[0]) if state.rows else None
        selection = select(self._archive, self._excluded(), store_id, progress)
        self._remove_new()
        try:
            figures = self._make(selection)
            steps.reached("rebuild: database made")
            kept = self._swap()
        except BaseException:
            self._remove_new()
            raise
        return RebuildReport(
            self._folder,
            len(selection.chosen),
            sum(each.file.rows for each in selection.chosen),
            *figures,
            selection.left,
            tuple(self._lost),
            kept,
        )

    def _table(self, name: str) -> Rows:
        return self._old.get(name, NOTHING)

    def _excluded(self) -> set[str]:
        """Files that the old database says are no part of the store: being written, or replaced and not removed yet."""
        excluded = set(self._table("file_intent").column("path")) if self._table("file_intent").rows else set()
        for table in ("file", "average_file"):
            rows = self._table(table)
            if rows.rows and "retired_us" in rows.columns:
                pairs = zip(rows.column("path"), rows.column("retired_us"), strict=True)
                excluded |= {path for path, retired_us in pairs if retired_us is not None}
        return excluded

    def _remove_new(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._new.with_name(self._new.name + suffix).unlink(missing_ok=True)

    # -- the new database ----------------------------------------------------------------------------------------

    def _make(self, selection: Selection) -> tuple[int, int, int, int, int]:
        """Make it; tags, batches, their rows, edits, lines of the audit."""
        with closing(connect_writer(self._new)) as connection:
            with transaction(connection, self._new, "make the new database"):
                schema.create(connection)
                tag_ids = self._tags(connection, selection)
                for each in selection.chosen:
                    catalogue.add(connection, each.number, each.path, each.file)
                copied = {name: self._copy(connection, name) for name in _KEPT_AS_THEY_ARE}
                self._averages(connection, selection.store_id)
                batches, rows = self._buffer(connection, selection)
                held_back = self._held(connection, selection)
                run_open = self._known(connection, selection, tag_ids, held_back)
                self._state(connection, selection, run_open=run_open)
                self._say_lost()
                audit.append(connection, [self._event(selection)])
            connection.execute("pragma wal_checkpoint(truncate)")
        with self._new.open("r+b") as file:
            make_durable(file.fileno())
        return len(tag_ids), batches, rows, copied["edit"], copied["audit"]

    def _copy(self, connection: sqlite3.Connection, table: str) -> int:
        return salvage.insert(connection, table, self._table(table))

    def _averages(self, connection: sqlite3.Connection, store_id: str | None) -> None:
        """Files of averages, which have a catalogue of their own."""
        found = self._table("average_file")
        if found.rows:
            place = found.columns.index("path")
            salvage.insert(connection, "average_file", found, lambda row: (self._archive / row[place]).is_file())
        if not found.whole:
            (known,) = connection.execute("select coalesce(group_concat(month_us), '') from average_file").fetchone()
            months = {int(month) for month in str(known).split(",") if month}
            for file in rebuild_averages.from_files(self._archive, store_id):
                if file.month_us not in months:
                    averages.replace(connection, [file], file.month_us, self._time_us)

    def _tags(self, connection: sqlite3.Connection, selection: Selection) -> Int32Array:
        """All versions of all tags: from the old database, then from the file beside the archive, then by number."""
        known = self._table("tag_version")
        salvage.insert(connection, "tag_version", known)
        if not known.whole:
            self._tags_from_file(connection)
        there = _identifiers(connection)
        strangers = np.setdiff1d(_tag_ids(selection), there)
        connection.executemany(_NAMELESS, [(int(tag_id), f"tag_{tag_id:06d}") for tag_id in strangers])
        if len(strangers):
            self._lost.append(
                f"the names and settings of {len(strangers)} tags: they are called tag_ and their number now"
            )
        return np.union1d(there, strangers).astype(np.int32)

    def _tags_from_file(self, connection: sqlite3.Connection) -> None:
        for name in (names.TAG_VERSIONS, names.TAGS):
            with suppress(pa.ArrowException, OSError, KeyError, ValueError):
                rows = _tag_rows(pq.read_table(self._archive / name, use_threads=False))
                # A version that the database still had knows when it ended; one name holds for one tag.
                connection.executemany(_ADD_TAG, rows)

    def _buffer(self, connection: sqlite3.Connection, selection: Selection) -> tuple[int, int]:
        """Batches that are in no file of the archive; a crash may have left them in both."""
        found = self._table("batch")
        kept = rows = 0
        for row in found.rows:
            named = dict(zip(found.columns, row, strict=True))
            table = buffer.decode(named["samples"], f"batch {named['number']}")
            fresh = np.flatnonzero(~known_before(keys_of(table), selection.holdings))
            if len(fresh):
                samples = to_samples(table).take(fresh)
                encoded = buffer.encode_samples(samples)
                buffer.insert(connection, named["number"], named["committed_us"], encoded)
                kept, rows = kept + 1, rows + len(samples)
        return kept, rows

    def _held(self, connection: sqlite3.Connection, selection: Selection) -> Samples:
        """What doors hold that is in no file; of a door that cannot be read the next start stores all it held."""
        salvage.insert(connection, "held_door", self._table("held_door"))
        parts = []
        for number, door, blob in self._table("held").rows:
            table = held.decode(number, blob)
            fresh = np.flatnonzero(~known_before(keys_of(table), selection.holdings))
            parts.append(held.insert(connection, number, door, table, fresh))
        return concatenate(parts)

    def _known(
        self, connection: sqlite3.Connection, selection: Selection, tag_ids: Int32Array, held_back: Samples
    ) -> bool:
        """What is known of each tag.  True when the last run did not end in order, as far as anybody can tell."""
        groups, old = self._table("current_group"), self._table("state")
        if groups.whole and old.rows:
            salvage.insert(connection, "current_group", groups)
            return bool(old.column("run_open")[0])
        newest = rebuild_newest.newest(self._archive, selection.holdings, tag_ids)
        groups_left = [current.decode(int(row[0]), row[groups.columns.index("samples")]) for row in groups.rows]
        everything = current.merge([newest, *groups_left, _as_newest(held_back)])
        if len(everything.samples):
            # Group 0, as of a run that was interrupted: the next start ends each tag where nothing more is known.
            current.replace(connection, [(0, current.encode(_with_pending(everything)))])
        return bool(len(everything.samples))

    def _state(self, connection: sqlite3.Connection, selection: Selection, *, run_open: bool) -> None:
        old = self._table("state")
        last_us = max((each.file.last_us for each in selection.chosen), default=None)
        committed_us = old.column("last_commit_us")[0] if old.rows else last_us
        # Larger than any version a reader may have seen: it must read everything again.
        version = self._time_us // _US_PER_S
        connection.execute(
            "update state set store_id = coalesce(?, store_id), commit_number = ?, last_commit_us = ?, run_open = ?, "
            "tags_version = ?, tags_written = 0, files_version = ?, edits_version = ?, next_file = ?",
            (
                selection.store_id, self._commit_number(connection), committed_us, int(run_open),
                version, version, version, self._next_file(selection),
            ),
        )  # fmt: skip

    def _commit_number(self, connection: sqlite3.Connection) -> int:
        (batch,) = connection.execute("select coalesce(max(number), 0) from batch").fetchone()
        old = self._table("state")
        return max(int(batch), int(old.column("commit_number")[0]) if old.rows else 0)

    def _next_file(self, selection: Selection) -> int:
        old = self._table("state")
        return max(selection.next_number, int(old.column("next_file")[0]) if old.rows else 1)

    # -- what is said ---------------------------------------------------------------------------------------------

    def _say_lost(self) -> None:
        if not self._old:
            self._lost.append(
                "everything that was in the database only: samples not yet in a file (the last minutes), edits not yet "
                "in a file, the audit, notes of people, the quarantine"
            )
            return
        meanings = {
            "batch": "samples that were not yet in a file",
            "edit": "edits that were not yet in a file",
            "audit": "lines of the audit",
            "held": "samples that compression held",
            "former": "old values of edits",
            "annotation": "notes of people",
            "quarantine": "refused samples",
        }
        for table, meaning in meanings.items():
            found = self._table(table)
            # A table that version 1 had not is not lost.
            if found.columns and not found.whole:
                self._lost.append(f"some {meaning}: {len(found.rows)} could be read in the table {table}")

    def _event(self, selection: Selection) -> AuditEvent:
        new = f"{len(selection.chosen)} files, {sum(each.file.rows for each in selection.chosen)} samples in them"
        return AuditEvent(self._time_us, self._who, ACTION, "store", new=new, why="; ".join(self._lost))

    # -- the old one gives way -------------------------------------------------------------------------------------

    def _swap(self) -> Path | None:
        """Keep the old database under another name, and give the new one its name in one step."""
        database = self._folder / names.DATABASE
        kept = self._keep(database) if database.exists() else None
        steps.reached("rebuild: old database kept")
        # A log that stays would be taken for the new database's.
        log = database.with_name(database.name + names.WAL_SUFFIX)
        if log.exists() and kept is not None:
            log.replace(kept.with_name(kept.name + names.WAL_SUFFIX))
        log.unlink(missing_ok=True)
        database.with_name(database.name + "-shm").unlink(missing_ok=True)
        sync_folder(self._folder)
        steps.reached("rebuild: log moved")
        self._new.replace(database)
        sync_folder(self._folder)
        steps.reached("rebuild: database in place")
        return kept

    def _keep(self, database: Path) -> Path:
        with suppress(sqlite3.Error), closing(connect_writer(database)) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")  # one that is whole needs no log any more
        moment = datetime.fromtimestamp(self._time_us / _US_PER_S, UTC)
        kept = database.with_name(f"{names.DATABASE}.before-{moment:%Y%m%dT%H%M%SZ}")
        shutil.copyfile(database, kept)
        with kept.open("r+b") as file:
            make_durable(file.fileno())
        return kept


_NAMELESS: Final = (
    "insert into tag_version (tag_id, version, valid_from_us, name, source, address, scan_class, type_text, units, "
    "description, exc_min_us, comp_min_us) values (?, 1, 0, ?, '', '', '', '', '', '', 0, 0)"
)
_TAG_COLUMNS: Final = ("tag_id", "version", "valid_from_us", "valid_to_us", "name", *tags.METADATA)
_ADD_TAG: Final = "insert or ignore into tag_version ({}) values ({})".format(  # noqa: S608 - our own names
    ", ".join(f'"{name}"' for name in _TAG_COLUMNS), ", ".join("?" * len(_TAG_COLUMNS))
)


def _tag_rows(table: pa.Table) -> list[tuple[object, ...]]:
    """The rows of ``tag_versions.parquet`` as those of the table ``tag_version``."""
    in_file = {"valid_from_us": "valid_from", "valid_to_us": "valid_to", "name": "tag"}
    columns = []
    for name in _TAG_COLUMNS:
        values = table.column(in_file.get(name, name))
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.int64())
        columns.append([int(each) if isinstance(each, bool) else each for each in values.to_pylist()])
    return list(zip(*columns, strict=True))


def _identifiers(connection: sqlite3.Connection) -> Int32Array:
    rows = connection.execute("select distinct tag_id from tag_version").fetchall()
    return np.array([tag_id for (tag_id,) in rows], np.int32)


def _tag_ids(selection: Selection) -> Int32Array:
    """Every tag that has samples in the chosen files."""
    found: list[Int32Array] = [np.empty(0, np.int32)]
    for holding in selection.holdings:
        for chunk in holding.chunks:
            if chunk.first_tag == chunk.last_tag:
                found.append(np.array([chunk.first_tag], np.int32))
            else:
                found.append(np.unique(chunk.load().tag_id))
    return np.unique(np.concatenate(found))


def _as_newest(samples: Samples) -> CurrentSamples:
    """Samples of which any may be its tag's newest, all of them to be had elsewhere."""
    count = len(samples)
    return CurrentSamples(samples, np.ones(count, np.bool_), np.zeros(count, np.bool_), samples.time_us.copy())


def _with_pending(everything: CurrentSamples) -> CurrentSamples:
    """One newest row a tag, and the rows that are not stored yet."""
    newest = current.newest(everything)
    pending = current.take(everything, np.flatnonzero(everything.pending))
    # A held sample that is also its tag's newest must not be there twice.
    if not len(pending.samples):
        return newest
    waiting = Holding("held", (chunk_of(0, Keys(pending.samples.tag_id, pending.samples.time_us)),))
    known = known_before(Keys(newest.samples.tag_id, newest.samples.time_us), [waiting])
    return current.merge([current.take(newest, np.flatnonzero(~known)), pending])
