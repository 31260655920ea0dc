"""Bulk inserts: what an import hands over at once, in the store whole or not at all, with how far the import is.

Few samples go to the buffer like a commit's; many become a file of the archive at once, without being written twice.
Samples that are visible already are found before (:mod:`storage.existing`), and looked for again in the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from historian.errors import StoreError
from historian.model.commit import AuditEvent, QuarantinedSample
from historian.model.samples import BoolArray, IndexArray, Int32Array, Int64Array, Samples
from storage import audit, buffer, catalogue, edit_audit, edits, known, quarantine, state, steps
from storage.database import Access, explained, transaction
from storage.edits import Cause, Edits
from storage.existing import Gathering
from storage.files import ArchiveFolder
from storage.import_files import FileWriter, NewFile
from storage.insert import same, substituted
from storage.intents import Intents
from storage.runs import reach_us, run_ends

ARCHIVE_ROWS: Final = 200_000
"""From here on samples go to a file of their own: the buffer, which is written twice, is for a scan's worth."""

ATTEMPTS: Final = 5
"""So often the same samples may have been committed by others between looking and writing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the store had of the samples handed over.

    ``is_fresh`` bool[n]: it did not have this one.  ``same``, ``differing``: rows whose tag and time are visible
    already, with the same value and status or with others.
    """

    is_fresh: BoolArray
    same: IndexArray
    differing: IndexArray

    @property
    def fresh(self) -> int:
        """How many samples it did not have."""
        return int(np.count_nonzero(self.is_fresh))


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is.  ``source`` identifies content and options; ``position`` counts rows that are done.

    ``figures`` is the report so far as JSON.
    """

    source: str
    path: str
    position: int
    figures: str
    finished: bool
    updated_us: int


@dataclass(frozen=True, slots=True)
class ImportNotes:
    """What is written in the same transaction as the samples."""

    quarantined: Sequence[QuarantinedSample] = ()
    events: Sequence[AuditEvent] = ()
    progress: ImportProgress | None = None


class _SortedKeys:
    """The samples looked for, strictly increasing by tag and time; finds others among them by halving.

    Nothing has to be made of a million samples first (as :class:`storage.existing.Keys` does): mostly little or nothing
    that is stored comes near them.
    """

    def __init__(self, samples: Samples) -> None:
        self._tag_id, self._time_us = samples.tag_id, samples.time_us
        self.first_tag, self.last_tag = int(samples.tag_id[0]), int(samples.tag_id[-1])
        self.first_us, self.last_us = reach_us(samples.tag_id, samples.time_us)

    def mask(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: these are among ours."""
        near = (tag_id >= self.first_tag) & (tag_id <= self.last_tag)
        near &= (time_us >= self.first_us) & (time_us <= self.last_us)
        rows = np.flatnonzero(near)
        places = self._places(tag_id[rows], time_us[rows])
        near[rows] = (self._tag_id[places] == tag_id[rows]) & (self._time_us[places] == time_us[rows])
        return near

    def rows_of(self, others: Samples) -> IndexArray:
        """intp[n]: which of ours each of the others is; each is one."""
        return self._places(others.tag_id, others.time_us)

    def _places(self, tag_id: Int32Array, time_us: Int64Array) -> IndexArray:
        """intp[n]: our first sample that is not before the given one, or our last; all of them at once."""
        low = np.searchsorted(self._tag_id, tag_id, side="left")
        high = np.searchsorted(self._tag_id, tag_id, side="right")
        while (low < high).any():
            middle = (low + high) // 2
            # Where low has met high the middle may be one behind the end; nothing changes there.
            is_before = (low < high) & (self._time_us[np.minimum(middle, len(self._time_us) - 1)] < time_us)
            low, high = np.where(is_before, middle + 1, low), np.where(is_before, high, np.minimum(middle, high))
        places: IndexArray = np.minimum(low, len(self._tag_id) - 1)
        return places


class _ChangedError(Exception):
    """Others committed some of the same samples since they were looked for."""


@dataclass(frozen=True, slots=True)
class ChunkWriter:
    """Writes chunks into one store."""

    access: Access
    folder: ArchiveFolder
    intents: Intents

    def write(
        self, samples: Samples, cause: Cause, *, replace: bool, settle: Callable[[Outcome], ImportNotes]
    ) -> Outcome:
        """Insert ``samples``, strictly increasing by tag and time; with ``replace`` also those that differ.

        ``settle`` says what else to write once it is known which samples are fresh.  Nothing is written twice however
        often this is called.  Raises StoreFullError and its like; nothing of the chunk was kept then.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(samples, _Request(cause, replace, settle))
            except _ChangedError:
                continue
        raise StoreError(
            "cannot insert samples: others of the same tags and times kept coming in meanwhile; import them when the "
            "tags are not collected, or with tags of their own (--tag-prefix)"
        )

    def _attempt(self, samples: Samples, request: _Request) -> Outcome:
        if not len(samples):
            self._finish(_nothing(samples), None, request)
            return _nothing(samples).outcome
        look = Look(self.access, samples)
        work = look.work()
        added = work.plain()
        if len(added) < ARCHIVE_ROWS:
            self._finish(work, look, request)
            return work.outcome
        self.intents.clean_up()
        with self.intents.writing() as begin:
            files = FileWriter(self.folder, self._store_id()).write(added, begin)
            self._finish(work, look, request, files)
        return work.outcome

    def _store_id(self) -> str:
        with self.access.turn, explained(self.access.database, "read the state of the store"):
            return state.read(self.access.connection).store_id

    def _finish(self, work: _Work, look: Look | None, request: _Request, files: Sequence[NewFile] = ()) -> None:
        connection = self.access.connection
        with self.access.turn, transaction(connection, self.access.database, "insert samples"):
            if look is not None and look.has_changed():
                raise _ChangedError
            self._add(work, request.cause, files)
            if request.replace:
                self._replace(work, request.cause)
            notes = request.settle(work.outcome)
            quarantine.append_new(connection, notes.quarantined)
            audit.append(connection, notes.events)
            if notes.progress is not None:
                note_progress(connection, notes.progress)
            steps.reached("import: rows written")
        steps.reached("import: committed")

    def _add(self, work: _Work, cause: Cause, files: Sequence[NewFile]) -> None:
        """Fresh samples: as edits where edits rule, the others into the catalogue or the buffer."""
        connection = self.access.connection
        for kind, rows in ((edits.REPLACE, work.removed), (edits.INSERT, work.ahead)):
            if len(rows):
                edits.put(connection, work.samples.take(rows), [kind] * len(rows), cause)
        for file in files:
            catalogue.add(connection, file.number, file.path, file.described)
        if files:
            state.files_changed(connection)
        elif len(plain := work.plain()):
            buffer.insert(connection, state.next_commit(connection), cause.time_us, buffer.encode_samples(plain))
        if work.outcome.fresh:
            known.read(connection).learn(connection, work.newest())

    def _replace(self, work: _Work, cause: Cause) -> None:
        rows = work.outcome.differing
        if not len(rows):
            return
        new = substituted(work.samples.take(rows))
        # What was inserted by an edit hides nothing, and still does not.
        edits.put(
            self.access.connection,
            new,
            [edits.INSERT if each else edits.REPLACE for each in work.by_edit.tolist()],
            cause,
        )
        edit_audit.record(self.access.connection, "sample replaced", work.old, new, cause)
        known.read(self.access.connection).learn(self.access.connection, new)


class _Request(NamedTuple):
    cause: Cause
    replace: bool
    settle: Callable[[Outcome], ImportNotes]


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done with a chunk.

    ``old``: what is visible in the place of the differing rows, ``by_edit`` bool: an edit inserted it.  ``removed``,
    ``ahead``: fresh rows that become edits, because a removed sample lies below, or because the tag is being collected
    and its collector may yet bring a sample of that time.
    """

    samples: Samples
    outcome: Outcome
    old: Samples
    by_edit: BoolArray
    removed: IndexArray
    ahead: IndexArray

    def plain(self) -> Samples:
        """The fresh samples that become part of files or buffer; all as they are where that is all of them."""
        is_plain = self.outcome.is_fresh.copy()
        is_plain[self.removed] = is_plain[self.ahead] = False
        return self.samples if is_plain.all() else self.samples.take(np.flatnonzero(is_plain))

    def newest(self) -> Samples:
        """The newest fresh sample of each tag; there is at least one."""
        tag_id = self.samples.tag_id
        if self.outcome.is_fresh.all():
            return self.samples.take(run_ends(tag_id) - 1)
        rows = np.flatnonzero(self.outcome.is_fresh)
        return self.samples.take(rows[run_ends(tag_id[rows]) - 1])


def _nothing(samples: Samples) -> _Work:
    none, no = np.empty(0, np.intp), np.empty(0, np.bool_)
    return _Work(samples, Outcome(no, none, none), samples, no, none, none)


class Look:
    """What a store has of some samples (one or more, strictly increasing by tag and time), and if that changed."""

    def __init__(self, access: Access, samples: Samples) -> None:
        self._access = access
        self._samples = samples
        self._keys = _SortedKeys(samples)
        self._gathering = Gathering(access, self._keys, with_values=True)
        self._seen: tuple[Samples, Edits] | None = None

    def work(self) -> _Work:
        """Compare, while commits go on."""
        self._gathering.prepare()
        with self._access.turn, explained(self._access.database, "look for samples that are stored already"):
            stored, edited = self._seen = self._read()
            current = known.read(self._access.connection)
        samples = self._samples
        found = edits.visible(stored, edited)
        places = self._keys.rows_of(found)
        order = np.argsort(places, kind="stable")
        places, found = places[order], found.take(order)
        alike = _alike(samples.take(places), found)
        is_fresh = np.ones(len(samples), np.bool_)
        is_fresh[places] = False
        was_removed = self._marked(edited, edits.REMOVE)
        is_ahead = current.is_ahead(samples.tag_id, samples.time_us) & is_fresh & ~was_removed
        outcome = Outcome(is_fresh, places[alike], places[~alike])
        return _Work(
            samples, outcome, found.take(np.flatnonzero(~alike)), self._marked(edited, edits.INSERT)[places[~alike]],
            np.flatnonzero(was_removed), np.flatnonzero(is_ahead),
        )  # fmt: skip

    def _marked(self, edited: Edits, kind: str) -> BoolArray:
        """bool[n]: there is an edit of this kind of the sample."""
        marked = np.zeros(len(self._samples), np.bool_)
        some = edited.samples.take(np.flatnonzero(edited.are(kind)))
        marked[self._keys.rows_of(some)] = True
        return marked

    def has_changed(self) -> bool:
        """True when there is more, or other, than was seen; inside a transaction."""
        assert self._seen is not None, "work comes first"  # noqa: S101 - for the type checker
        stored, edited = self._read()
        before, edited_before = self._seen
        if len(stored) != len(before) or edited.kinds != edited_before.kinds:
            return True
        return not bool(same(edited.samples, edited_before.samples).all())

    def _read(self) -> tuple[Samples, Edits]:
        return self._gathering.finish(), edits.find(self._access.connection, self._keys)


def _alike(samples: Samples, found: Samples) -> BoolArray:
    """bool[n]: the store has the same; that a person put it there does not count."""
    return same(substituted(samples), substituted(found))


def note_progress(connection: sqlite3.Connection, progress: ImportProgress) -> None:
    """Remember how far an import is, inside the caller's transaction."""
    connection.execute(
        "insert or replace into import_progress (source, path, position, figures, finished, updated_us) "
        "values (?, ?, ?, ?, ?, ?)",
        (
            progress.source, progress.path, progress.position, progress.figures, int(progress.finished),
            progress.updated_us,
        ),
    )  # fmt: skip


def read_progress(connection: sqlite3.Connection, source: str) -> ImportProgress | None:
    """How far an import of this source was, None when it never began."""
    row = connection.execute(
        "select source, path, position, figures, finished, updated_us from import_progress where source = ?", (source,)
    ).fetchone()
    return None if row is None else ImportProgress(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
