"""Samples of history enter the store here: late data, imports, backfill.

They are never compressed, are visible at once, and may be older than what is stored: what has no sample yet goes to the
buffer as any batch does, what has one is left out or becomes an edit.  Samples of the collector come through
:meth:`storage.store.Store.commit` instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from historian.model.commit import AuditEvent
from historian.model.samples import BoolArray, IndexArray, Samples
from historian.model.status import SUBSTITUTED
from storage import audit, buffer, edit_audit, edits, known, state, steps
from storage.database import Access, transaction
from storage.edits import INSERT, REMOVE, REPLACE, Cause, Edits
from storage.existing import Gathering, Keys

Hook: TypeAlias = Callable[[sqlite3.Connection], None]
"""What else is written in the same transaction."""

Outcomes: TypeAlias = NDArray[np.uint8]

INSERTED: Final = 0
REPLACED: Final = 1
DUPLICATE: Final = 2


class InsertMode(StrEnum):
    """What happens to a sample whose tag and time has one already.

    ``no-replace``: it is left out, so that doing it twice is the same as once.  ``replace``: it takes the other's
    place, marked as substituted.  ``insert``: as no-replace, for callers to whom each duplicate is an error.
    """

    NO_REPLACE = "no-replace"
    REPLACE = "replace"
    INSERT = "insert"


@dataclass(frozen=True, slots=True)
class InsertReport:
    """What became of the samples; each is counted once.

    ``duplicates`` are those left out: something is stored for their tag and time (with ``replace``: the same), or they
    come twice among those given.  ``outcome`` uint8[n] says it of each: INSERTED, REPLACED or DUPLICATE.
    """

    inserted: int
    replaced: int
    duplicates: int
    outcome: Outcomes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Inserter:
    """Inserts into one store."""

    access: Access

    def insert(self, samples: Samples, mode: InsertMode, cause: Cause, also: Hook | None) -> InsertReport:
        """Insert samples of known tags, all in one transaction, in which ``also`` is called at the end."""
        outcome = np.full(len(samples), DUPLICATE, np.uint8)
        keys = Keys(samples.tag_id, samples.time_us) if len(samples) else None
        gathering = keys and Gathering(self.access, keys, with_values=mode is InsertMode.REPLACE)
        if gathering:
            gathering.prepare()
        with self.access.turn, transaction(self.access.connection, self.access.database, "insert samples"):
            if keys and gathering:
                task = _Insertion(self.access.connection, samples, keys, mode, cause)
                task.run(gathering.finish(), outcome)
            if also:
                also(self.access.connection)
            steps.reached("insert: rows written")
        steps.reached("insert: committed")
        counts = np.bincount(outcome, minlength=DUPLICATE + 1).tolist()
        return InsertReport(counts[INSERTED], counts[REPLACED], counts[DUPLICATE], outcome)


@dataclass(frozen=True, slots=True)
class _Insertion:
    """One insertion, inside its transaction."""

    connection: sqlite3.Connection
    samples: Samples
    keys: Keys
    mode: InsertMode
    cause: Cause

    def run(self, stored: Samples, outcome: Outcomes) -> None:
        """Write what is to be written; ``stored`` as a Gathering finds it.  Fills ``outcome``."""
        edited = edits.find(self.connection, self.keys)
        chosen = self._chosen()
        is_visible = self._among(edits.visible(stored, edited))[chosen]
        self._add(chosen[~is_visible], edited)
        outcome[chosen[~is_visible]] = INSERTED
        if self.mode is InsertMode.REPLACE:
            outcome[self._replace(chosen[is_visible], stored, edited)] = REPLACED

    def _chosen(self) -> IndexArray:
        """Rows to look at: of those with the same key the first, with ``replace`` the last."""
        numbers = self.keys.numbers
        if self.mode is not InsertMode.REPLACE:
            return np.sort(np.unique(numbers, return_index=True)[1])
        return np.sort(len(numbers) - 1 - np.unique(numbers[::-1], return_index=True)[1])

    def _among(self, others: Samples) -> BoolArray:
        """bool[n]: there is one of ``others`` with this key."""
        return np.isin(self.keys.numbers, self.keys.of(others.tag_id, others.time_us))

    def _add(self, rows: IndexArray, edited: Edits) -> None:
        """Samples where there is nothing to be seen.

        Where something was removed the edit says so, and has to give way.  Beyond the newest sample of a tag that is
        being collected a sample becomes an edit too: the collector may yet bring one of the same time.
        """
        if not len(rows):
            return
        current = known.read(self.connection)
        was_removed = self._among(edited.samples.take(np.flatnonzero(edited.are(REMOVE))))[rows]
        is_ahead = current.is_ahead(self.samples.tag_id[rows], self.samples.time_us[rows]) & ~was_removed
        for kind, some in ((REPLACE, rows[was_removed]), (INSERT, rows[is_ahead])):
            if len(some):
                edits.put(self.connection, self.samples.take(some), [kind] * len(some), self.cause)
        plain = rows[~was_removed & ~is_ahead]
        if len(plain):
            row = buffer.encode_samples(self.samples.take(plain))
            buffer.insert(self.connection, state.next_commit(self.connection), self.cause.time_us, row)
        added = self.samples.take(rows)
        current.learn(self.connection, added)
        self._note(added)

    def _note(self, added: Samples) -> None:
        name = edit_audit.object_of(edit_audit.names_of(self.connection, added))
        new = edit_audit.summary_text(added)
        cause = self.cause
        audit.append(
            self.connection, [AuditEvent(cause.time_us, cause.who, "samples inserted", name, "", new, cause.why)]
        )

    def _replace(self, rows: IndexArray, stored: Samples, edited: Edits) -> IndexArray:
        """Put samples in the place of others; the rows that differ from what is there."""
        if not len(rows):
            return rows
        old = _aligned(edits.visible(stored, edited), self.keys, self.keys.numbers[rows])
        new = substituted(self.samples.take(rows))
        differs = np.flatnonzero(~same(self.samples.take(rows), old) & ~same(new, old))
        if not len(differs):
            return rows[differs]
        rows, old, new = rows[differs], old.take(differs), new.take(differs)
        # What was inserted by an edit hides nothing, and still does not.
        inserted = self._among(edited.samples.take(np.flatnonzero(edited.are(INSERT))))[rows]
        edits.put(self.connection, new, [INSERT if each else REPLACE for each in inserted.tolist()], self.cause)
        edit_audit.record(self.connection, "sample replaced", old, new, self.cause)
        known.read(self.connection).learn(self.connection, new)
        return rows


def substituted(samples: Samples) -> Samples:
    """The same with the mark of what a person put there."""
    return replace(samples, status=samples.status | np.uint32(SUBSTITUTED))


def _aligned(others: Samples, keys: Keys, numbers: NDArray[np.int64]) -> Samples:
    """Those of ``others`` with these keys, in the order of ``numbers``; each is there."""
    theirs = keys.of(others.tag_id, others.time_us)
    order = np.argsort(theirs, kind="stable")
    return others.take(order[np.searchsorted(theirs, numbers, sorter=order)])


def same(one: Samples, other: Samples) -> BoolArray:
    """bool[n]: row by row the same value and status.  Loops over texts and large whole numbers only, which are few."""
    equal: BoolArray = (one.status == other.status) & (
        (one.value == other.value) | (np.isnan(one.value) & np.isnan(other.value))
    )
    for mine, theirs in ((one.exact, other.exact), (one.text, other.text)):
        for row in {*mine, *theirs}:
            equal[row] &= mine.get(row) == theirs.get(row)
    return equal
