"""The writing side of a store: one process at a time, every call all or nothing.

The pipeline commits here; :mod:`storage.reader` is the other side, for any number of processes.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from historian.config.settings import CompactionSettings, RetentionSettings, ShadowSettings, StoreSettings
from historian.errors import StoreForeignError, StoreGoneError, StoreNotFoundError, UsageError
from historian.model.commit import AuditEvent, Commit
from historian.model.samples import Samples
from historian.model.status import GOOD
from historian.model.tag import Tag, ValueType
from storage import (
    annotation,
    audit,
    current,
    health,
    names,
    recovery,
    schema,
    shadow,
    source_memory,
    statistics,
    steps,
    tags,
)
from storage.annotation import Annotation
from storage.commit_rows import CommitRows
from storage.compaction_report import CompactionReport
from storage.correct import Corrector, EditReport, RemoveReport, Value
from storage.database import Access, connect_reader, connect_writer, explained, transaction
from storage.edits import Cause
from storage.files import ArchiveFolder, sync_folder
from storage.flush import Flusher, FlushReport
from storage.flush_schedule import FlushSchedule
from storage.import_chunk import ChunkWriter, ImportNotes, ImportProgress, Outcome, read_progress
from storage.insert import Hook, Inserter, InsertMode, InsertReport
from storage.intents import Intents
from storage.lock import WriterLock
from storage.recovery import Recovery
from storage.retention import RetentionReport
from storage.set_aside import SetAside, Surgeon
from storage.statistics import StoreStatistics
from storage.upkeep import Upkeep


class Store:
    """A store folder, open for writing.  Every method may be called from any thread; they take turns."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: WriterLock, settings: StoreSettings) -> None:
        self.folder = folder
        self._connection = connection
        self._database = folder / names.DATABASE
        self._lock = lock
        self._settings = settings
        self._turn = threading.RLock()
        self._flush_turn = threading.Lock()
        archive = ArchiveFolder(folder / names.ARCHIVE)
        self._intents = Intents(connection, self._database, archive, self._turn)
        flusher = Flusher(connection, self._database, archive, self._turn, self._intents)
        self._schedule = FlushSchedule(flusher, settings)
        self._upkeep = Upkeep(connection, self._database, self._turn, self._intents)
        self._access = Access(folder, connection, self._turn)
        self._shadow = shadow.ShadowKeeper(connection, self._database, self._turn)
        self._identity = _identity(self._database)
        self._recovered = False
        self._last_tag_id = 0

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, settings: StoreSettings | None = None, command: str | None = None
    ) -> Store:
        """Take the writer's lock and open the store; ``create`` makes one in a folder that is new or empty.

        ``settings`` say when a flush is due; ``command`` is what others read in StoreLockedError.  Raises
        StoreNotFoundError, StoreForeignError, StoreVersionError, StoreLockedError, CorruptionError, StoreFullError.
        """
        folder = path.absolute()
        with explained(folder, f"open the store {folder}"):
            _check_folder(folder, create=create)
        lock = WriterLock.take(folder, command or _command())
        try:
            connection = _open_database(folder, create=create)
        except BaseException:
            lock.release()
            raise
        store = cls(folder, connection, lock, settings or StoreSettings(folder))
        try:
            store._last_tag_id = store._read_last_tag_id()
        except BaseException:
            store.close()
            raise
        return store

    def _read_last_tag_id(self) -> int:
        with explained(self._database, f"open the store {self.folder}"):
            return tags.last_id(self._connection)

    def register_tags(self, tags_: Sequence[Tag], time_us: int, who: str, why: str = "configuration") -> dict[str, int]:
        """Make sure the store has these tags as they are configured; the identifier of each, by name.

        Whatever changed begins a new version at ``time_us`` and is in the audit as ``who``'s doing for ``why``.
        Tags that are not named stay as they are.  Raises UsageError for a name that comes twice.
        """
        with self._turn:
            with transaction(self._connection, self._database, "register tags"):
                identifiers = tags.register(self._connection, tags_, time_us, who, why)
                steps.reached("tags: rows written")
            self._last_tag_id = self._read_last_tag_id()
        steps.reached("tags: committed")
        return identifiers

    def rename_tag(self, old: str, new: str, time_us: int, who: str, why: str) -> int:
        """Give a tag another name from ``time_us`` on, and with it its whole history; its identifier.

        Raises UsageError for a tag that is not there, and for a name that another tag has.
        """
        with self._turn, transaction(self._connection, self._database, "rename a tag"):
            tag_id = tags.rename(self._connection, old, new, tags.Cause(time_us, who, why))
            steps.reached("tags: rows written")
        steps.reached("tags: committed")
        return tag_id

    def note(self, events: Sequence[AuditEvent]) -> None:
        """Add lines to the audit about what was done beside the store, such as a change of the tag lists."""
        with self._turn, transaction(self._connection, self._database, "write the audit"):
            audit.append(self._connection, events)

    def update_types(self, types: Mapping[int, ValueType], time_us: int) -> None:
        """Take over the types that sources have told, by identifier.  Raises UsageError for an unknown one."""
        if types:
            with self._turn, transaction(self._connection, self._database, "update the types of tags"):
                tags.update_types(self._connection, types, time_us)

    def recover(self, time_us: int) -> Recovery | None:
        """Finish what the last run left unfinished; None when there was nothing.  ``time_us`` is now.

        Called before the first commit; the first commit does it by itself otherwise.  Calling it again does nothing.
        """
        with self._flush_turn:
            removed = self._intents.clean_up()
            self._upkeep.remove_retired(time_us)
        with self._turn:
            if self._recovered:
                return None
            found = recovery.recover(self._connection, self._database, time_us)
            self._recovered = True
        found = replace(found or recovery.NOTHING, removed=removed)
        return found if found.crashed or found.stored or removed else None

    def newest(self) -> Samples:
        """The newest known sample of each tag that was ever sampled, by tag_id; stored or still held back."""
        with self._turn, explained(self._database, "read the newest samples"):
            groups = [current.decode(number, blob) for number, blob in current.read(self._connection)]
        newest = current.newest(current.merge(groups))
        return newest.samples.take(np.flatnonzero(~current.never_sampled(newest)))

    def source_notes(self) -> dict[tuple[str, str], str]:
        """What is kept for the drivers of sources, by source and key."""
        with self._turn, explained(self._database, "read the notes of sources"):
            return source_memory.read(self._connection)

    def commit(self, commit: Commit, *, final: bool = False) -> None:
        """Write all of a commit in one transaction; on the disk when this returns.

        ``final`` says that the run ends here in order.  Raises StoreFullError when there is no room: nothing was
        written, and the same commit can be tried again.  Raises StoreGoneError when the database is no longer the file
        that was opened.
        """
        self._refuse_gone()
        self._refuse_unknown(commit.stored)
        self._refuse_unknown(commit.shadow)
        if not self._recovered:
            self.recover(commit.time_us)
        rows = CommitRows.of(commit)
        with self._turn, transaction(self._connection, self._database, "commit samples"):
            rows.write(self._connection, final=final)
            steps.reached("commit: rows written")
        steps.reached("commit: committed")

    def _refuse_gone(self) -> None:
        """Without this the system would go on writing to a file that no longer has a name, and nobody would notice."""
        with explained(self._database, "commit samples"):
            there = _identity(self._database)
        if there != self._identity:
            raise StoreGoneError(
                f"cannot commit samples: {self._database} was removed, moved or replaced while it was written to; what "
                "was collected since the last commit is lost. Put the folder back, or start anew with another one"
            )

    def _refuse_unknown(self, samples: Samples) -> None:
        if not len(samples):
            return
        first, last = int(samples.tag_id.min()), int(samples.tag_id.max())
        if first < 1 or last > self._last_tag_id:
            raise UsageError(
                f"cannot commit samples of tag_id {first if first < 1 else last}: the store has tags 1 to "
                f"{self._last_tag_id}; register the tag first"
            )

    def flush(self, *, force: bool = False) -> FlushReport | None:
        """Move the buffer to the archive when it is due (or ``force``); None when there was nothing to move.

        While it is not due, many small batches of it are joined.  Commits go on meanwhile in other threads.  Raises
        StoreFullError; the samples stay in the buffer.
        """
        with self._flush_turn:
            return self._schedule.run(self._refuse_gone, force=force)

    def settle(self) -> None:
        """What a command does that wrote and does not stay: many samples go to the archive, and the tags' files follow.

        Nobody else would do it where nobody collects.  Raises StoreFullError; everything is in the store all the same.
        """
        with self._flush_turn:
            self._refuse_gone()
            self._schedule.settle()

    def write_tags(self) -> None:
        """Let the tags' files beside the archive follow the tags now, and not with the next flush."""
        with self._flush_turn:
            self._refuse_gone()
            self._schedule.flusher.write_tags()

    def insert(
        self, samples: Samples, *, mode: InsertMode | str, who: str, why: str, time_us: int | None = None,
        also: Hook | None = None,
    ) -> InsertReport:  # fmt: skip
        """Add samples of history in one transaction, in any order, of any time; see :class:`InsertMode`.

        They are visible when this returns.  ``also`` is called in the same transaction, for instance to note how far an
        import is.  ``time_us`` is now.  Raises UsageError for tags the store does not have, StoreFullError.
        """
        self._refuse_unknown(samples)
        cause = self._cause(who, why, time_us)
        return Inserter(self._access).insert(samples, InsertMode(mode), cause, also)

    def insert_chunk(
        self, samples: Samples, cause: Cause, *, replace: bool, settle: Callable[[Outcome], ImportNotes]
    ) -> Outcome:
        """Add many samples at once, strictly increasing by tag and time; see :meth:`ChunkWriter.write`."""
        self._refuse_unknown(samples)
        if not self._recovered:
            self.recover(cause.time_us)
        writer = ChunkWriter(self._access, ArchiveFolder(self._access.archive), self._intents)
        return writer.write(samples, cause, replace=replace, settle=settle)

    def import_progress(self, source: str) -> ImportProgress | None:
        """How far an import of this content was; None when it never began."""
        with self._turn, explained(self._database, "read how far an import is"):
            return read_progress(self._connection, source)

    def edit(
        self, tag_id: int, at_us: int, value: Value, status: int = GOOD, *, who: str, why: str, insert: bool = False,
        time_us: int | None = None,
    ) -> EditReport:  # fmt: skip
        """Give the sample of a tag at ``at_us`` another value (None for a Bad one) and status.

        ``insert`` makes one where there is none.  ``time_us`` is now.  Raises UsageError, see
        :meth:`storage.correct.Corrector.edit`.
        """
        cause = self._cause(who, why, time_us)
        return Corrector(self._access).edit(tag_id, at_us, value, status, cause, insert=insert)

    def remove(
        self, tag_id: int, start_us: int, end_us: int, *, who: str, why: str, time_us: int | None = None
    ) -> RemoveReport:
        """Remove the samples of a tag from ``start_us`` on and before ``end_us``.  ``time_us`` is now.

        Raises UsageError, see :meth:`storage.correct.Corrector.remove`.
        """
        return Corrector(self._access).remove(tag_id, start_us, end_us, self._cause(who, why, time_us))

    def annotate(self, note: Annotation, *, who: str, why: str = "", time_us: int | None = None) -> int:
        """Add a note to a tag; its number.  Raises UsageError, see :func:`storage.annotation.add`."""
        return annotation.add(self._access, note, self._cause(who, why, time_us))

    def remove_annotation(self, number: int, *, who: str, why: str = "", time_us: int | None = None) -> str:
        """Remove a note; the name of its tag.  Raises UsageError for a number that there is not."""
        return annotation.remove(self._access, number, self._cause(who, why, time_us))

    def _cause(self, who: str, why: str, time_us: int | None) -> Cause:
        now_us = time.time_ns() // 1000 if time_us is None else time_us
        if not self._recovered:
            self.recover(now_us)
        return Cause(who, why, now_us)

    def set_aside(self, damaged: Mapping[str, str], time_us: int, who: str) -> tuple[SetAside, ...]:
        """Take damaged files out of the archive: paths below it, and why.  What they still hold stays in the store.

        Commits go on meanwhile in other threads, flushes wait.  Paths that the store does not have are left out.
        """
        archive = ArchiveFolder(self.folder / names.ARCHIVE)
        surgeon = Surgeon(self._connection, self.folder, archive, self._turn, self._intents)
        with self._flush_turn:
            self._intents.clean_up()
            done = [surgeon.set_aside(path, why, time_us, who) for path, why in damaged.items()]
        return tuple(each for each in done if each is not None)

    def compact(
        self, time_us: int, settings: CompactionSettings | None = None, *, everything: bool = False, share: float = 1.0
    ) -> CompactionReport:
        """Turn small files into those of UTC days and months that are over at ``time_us``, and write edits into them.

        ``everything``: late samples and edits do not wait for more of them.  ``share``: the part of one processor that
        this thread takes; it sleeps for the rest.  Commits and flushes go on meanwhile in other threads.  What could
        not be done is among the report's ``errors``; nothing is lost then.
        """
        return self._upkeep.compact(time_us, settings or CompactionSettings(), everything=everything, share=share)

    def plan_compaction(
        self, time_us: int, settings: CompactionSettings | None = None, *, everything: bool = False
    ) -> CompactionReport:
        """What :meth:`compact` would do now."""
        return self._upkeep.plan(time_us, settings or CompactionSettings(), everything=everything)

    def note_trouble(self, figures: Mapping[str, object] | None) -> None:
        """Tell readers why nothing reaches the database, with the process's figures; None when it is over.

        Goes into the lock's record, which needs no room on the disk.
        """
        with explained(self.folder / names.LOCK, "tell readers about the store"):
            self._lock.note(figures)

    def retain(
        self, time_us: int, settings: RetentionSettings, *, dry_run: bool = False, share: float = 1.0
    ) -> RetentionReport:
        """Let go of the samples that are too old, or too many, at ``time_us``; ``dry_run`` only says which.

        The last sample of each tag before its limit stays.  What went is in the audit.  What could not be done is among
        the report's ``errors``; nothing has gone then.
        """
        return self._upkeep.retain(time_us, settings, dry_run=dry_run, share=share)

    def tend_shadow(self, now_us: int, settings: ShadowSettings) -> None:
        """Put the raw samples of the last minutes into one row, and let go of those that are too old or too many."""
        self._shadow.tend(now_us, settings)

    def note_figures(self, figures: Mapping[str, Mapping[str, object]]) -> None:
        """Put health figures in the place of those of the same names, beside a commit."""
        with self._turn, transaction(self._connection, self._database, "note figures"):
            health.replace(self._connection, figures)

    def ask_for_upkeep(self) -> None:
        """Wake who waits in :meth:`wait_for_upkeep`, to do everything at once."""
        self._upkeep.ask()

    def wait_for_upkeep(self, seconds: float) -> bool | None:
        """For the thread that compacts: True when somebody asked for it, None when it is to end."""
        return self._upkeep.wait(seconds)

    def end_upkeep(self) -> None:
        """Stop a compaction under way at its next step, and let none begin any more."""
        self._upkeep.close()

    def statistics(self) -> StoreStatistics:
        """The store in figures."""
        with self._turn, explained(self._database, "read the store's figures"):
            return statistics.gather(self._connection, self.folder)

    def close(self) -> None:
        """Let go of the database and of the lock; may be called twice.

        Waits for a flush under way, stops a compaction.
        """
        self._upkeep.close()
        with self._flush_turn, self._turn:
            self._connection.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name now; None when there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _command() -> str:
    """What this process was started as, without options: they may hold what is nobody's business."""
    words = [word for word in sys.argv[1:2] if not word.startswith("-")]
    return " ".join([Path(sys.argv[0]).name or "python", *words])


def refuse_foreign(folder: Path) -> None:
    """Raise StoreForeignError for a folder that neither is a store nor can become one.  Changes nothing."""
    if folder.exists() and not folder.is_dir():
        raise StoreForeignError(f"cannot open the store {folder}: this is a file, wanted the folder of a store")
    if (folder / names.DATABASE).exists() or not folder.is_dir():
        return
    others = sorted(each.name for each in folder.iterdir() if each.name != names.LOCK)
    if names.ARCHIVE in others:
        raise StoreForeignError(
            f"cannot open the store {folder}: it has an archive but no {names.DATABASE}; make it anew from the files "
            "(historian rebuild), put it back from a backup, or give another folder. Nothing was changed"
        )
    if others:
        raise StoreForeignError(
            f"cannot make a store in {folder}: the folder holds other files ({', '.join(others[:3])}), "
            "wanted an empty one"
        )


def _check_folder(folder: Path, *, create: bool) -> None:
    """Refuse what cannot become or be a store, before anything is made there; make the folder."""
    has_parts = any((folder / name).exists() for name in (names.DATABASE, names.ARCHIVE))
    if not create and not has_parts and not folder.is_file():
        raise StoreNotFoundError(f"cannot open the store {folder}: there is none; start collecting, which makes it")
    refuse_foreign(folder)
    if not (folder / names.DATABASE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def _open_database(folder: Path, *, create: bool) -> sqlite3.Connection:
    path = folder / names.DATABASE
    doing = f"open the store {folder}"
    # Looked at before anything is changed: it may be another program's database.
    if path.exists():
        _check_database(path, create=create)
    with explained(path, doing):
        connection = connect_writer(path)
    steps.reached("create: database made")
    try:
        with transaction(connection, path, doing):
            migrated = _create_or_migrate(connection, path)
        if migrated:
            steps.reached("migrate: committed")
        with explained(path, doing):
            sync_folder(folder)
    except BaseException:
        connection.close()
        raise
    steps.reached("create: tables made")
    return connection


def _check_database(path: Path, *, create: bool) -> None:
    with explained(path, f"open the store {path.parent}"):
        reader = connect_reader(path)
        try:
            if not (create and schema.is_empty(reader)):
                schema.check(reader, path)
        finally:
            reader.close()


def _create_or_migrate(connection: sqlite3.Connection, path: Path) -> bool:
    """True when there was an older store, which was brought up to date."""
    if schema.is_empty(connection):
        schema.create(connection)
        return False
    version = schema.check(connection, path)
    if version == schema.FORMAT_VERSION:
        return False
    schema.migrate(connection, version)
    audit.append(connection, [_migrated(version)])
    steps.reached("migrate: tables changed")
    return True


def _migrated(version: int) -> AuditEvent:
    why = "an older version of the software wrote it, this one opened it for writing"
    now_us = time.time_ns() // 1000
    return AuditEvent(now_us, "store", "store migrated", "store", str(version), str(schema.FORMAT_VERSION), why)
