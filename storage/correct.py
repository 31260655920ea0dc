"""Corrections by a person: one sample gets another value or status, or those of a range are removed.

What was there is in the audit, whole; see :mod:`storage.edit_audit`.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np

from historian.errors import UsageError
from historian.model.commit import AuditEvent
from historian.model.samples import EXACT_LIMIT, Samples, concatenate
from historian.model.status import BAD, GOOD
from storage import audit, edit_audit, edits, known, steps
from storage.database import Access, transaction
from storage.edits import INSERT, REMOVE, REPLACE, Cause, Edits
from storage.existing import Gathering, TagSpan
from storage.insert import same, substituted
from storage.known import Known

Value: TypeAlias = float | int | str | None
"""A value as a person gives it: None for none, which is Bad."""

MAX_REMOVED: Final = 1_000_000
"""More samples than this are not removed at once: each is an edit, which every reader holds in memory until
compaction has written it into the files (50 MB for so many)."""

_GROWTH: Final = 16
_FIRST_SPAN_US: Final = 3_600_000_000


class EditKind(StrEnum):
    """What an edit did."""

    REPLACED = "replaced"
    INSERTED = "inserted"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class EditReport:
    """What an edit did: ``old`` and ``new`` are JSON objects as in the audit, ``old`` empty where nothing was."""

    kind: EditKind
    tag: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What was removed: how many samples of ``tag``, and the times of the first and the last; None without any."""

    tag: str
    removed: int
    first_us: int | None
    last_us: int | None


@dataclass(frozen=True, slots=True)
class Corrector:
    """Corrects the samples of one store."""

    access: Access

    def edit(self, tag_id: int, time_us: int, value: Value, status: int, cause: Cause, *, insert: bool) -> EditReport:
        """Give the sample of this tag and time another value and status.

        With ``insert`` a sample is made where there is none.  Raises UsageError otherwise, and for a Bad status with
        a value or another one without.
        """
        new = substituted(make_sample(tag_id, time_us, value, status))
        gathering = Gathering(self.access, TagSpan(tag_id, time_us, time_us), with_values=True)
        gathering.prepare()
        with self.access.turn, transaction(self.access.connection, self.access.database, "edit a sample"):
            report = self._edit(new, gathering.finish(), cause, insert=insert)
            steps.reached("edit: rows written")
        steps.reached("edit: committed")
        return report

    def _edit(self, new: Samples, stored: Samples, cause: Cause, *, insert: bool) -> EditReport:
        connection = self.access.connection
        tag = edit_audit.name_of(connection, int(new.tag_id[0]))
        edited = edits.find(connection, TagSpan(int(new.tag_id[0]), int(new.time_us[0]), int(new.time_us[0])))
        old, told = edits.visible(stored, edited), edit_audit.as_json(new, 0)
        if not len(old) and not insert:
            at = edit_audit.instant(int(new.time_us[0]))
            raise UsageError(f"cannot edit {tag}: it has no sample at {at}; give the exact time of one, or insert it")
        if len(old) and same(new, old)[0]:
            return EditReport(EditKind.UNCHANGED, tag, told, told)
        # A sample that an edit made, and no other, hides nothing; one that hides something always will.
        hides = bool(len(stored)) or bool(edited.are(REPLACE, REMOVE).any())
        edits.put(connection, new, [REPLACE if hides else INSERT], cause)
        if len(old):
            edit_audit.record(connection, "sample edited", old, new, cause)
        else:
            event = AuditEvent(cause.time_us, cause.who, "sample inserted", tag, "", told, cause.why)
            audit.append(connection, [event])
        known.read(connection).learn(connection, new)
        was = edit_audit.as_json(old, 0) if len(old) else ""
        return EditReport(EditKind.REPLACED if len(old) else EditKind.INSERTED, tag, was, told)

    def remove(self, tag_id: int, start_us: int, end_us: int, cause: Cause) -> RemoveReport:
        """Remove the samples of this tag from ``start_us`` on and before ``end_us``.

        Raises UsageError when these are more than MAX_REMOVED, or the times are the wrong way round.
        """
        if end_us <= start_us:
            raise UsageError("cannot remove: the range is empty, wanted a start before the end")
        span = TagSpan(tag_id, start_us, end_us - 1)
        gathering = Gathering(self.access, span, with_values=True)
        gathering.prepare()
        with self.access.turn, transaction(self.access.connection, self.access.database, "remove samples"):
            report = self._remove(span, gathering.finish(), cause)
            steps.reached("remove: rows written")
        steps.reached("remove: committed")
        return report

    def _remove(self, span: TagSpan, stored: Samples, cause: Cause) -> RemoveReport:
        connection = self.access.connection
        tag = edit_audit.name_of(connection, span.first_tag)
        edited = edits.find(connection, span)
        old = edits.visible(stored, edited)
        old = old.take(np.argsort(old.time_us))
        if not len(old):
            return RemoveReport(tag, 0, None, None)
        if len(old) > MAX_REMOVED:
            raise UsageError(
                f"cannot remove {len(old):,} samples of {tag} at once, at most {MAX_REMOVED:,}; remove them in parts, "
                "with historian compact between these"
            )
        self._hide(stored, edited, cause)
        edit_audit.record(connection, "sample removed", old, None, cause)
        self._correct_newest(span)
        return RemoveReport(tag, len(old), int(old.time_us[0]), int(old.time_us[-1]))

    def _hide(self, stored: Samples, edited: Edits, cause: Cause) -> None:
        """Edits that leave nothing to be seen: what hides something goes on to, what hides nothing goes."""
        edits.forget(self.access.connection, edited.samples.take(np.flatnonzero(edited.are(INSERT))))
        hiding = concatenate([stored, edited.samples.take(np.flatnonzero(edited.are(REPLACE)))])
        hiding = hiding.take(np.unique(hiding.time_us, return_index=True)[1])
        hidden_us = edited.samples.time_us[edited.are(REMOVE)]
        hiding = hiding.take(np.flatnonzero(~np.isin(hiding.time_us, hidden_us)))
        edits.put(self.access.connection, edits.removals(hiding), [REMOVE] * len(hiding), cause)

    def _correct_newest(self, span: TagSpan) -> None:
        """Where the newest sample of a tag that nobody collects is removed, another is the newest."""
        connection = self.access.connection
        current: Known = known.read(connection)
        newest_us = current.idle_time_us(span.first_tag)
        if newest_us is not None and span.first_us <= newest_us <= span.last_us:
            current.forget(connection, span.first_tag, self._newest(span.first_tag))

    def _newest(self, tag_id: int) -> Samples:
        """The newest visible sample of a tag, or none; looked for backwards, in spans that grow."""
        connection = self.access.connection
        first_us, before_us = _outermost_us(connection)
        width_us = _FIRST_SPAN_US
        while before_us > first_us:
            start_us = max(before_us - width_us, first_us)
            span = TagSpan(tag_id, start_us, before_us - 1)
            found = edits.visible(Gathering(self.access, span, with_values=True).finish(), edits.find(connection, span))
            if len(found):
                return found.take(np.array([np.argmax(found.time_us)]))
            before_us, width_us = start_us, width_us * _GROWTH
        return Samples.empty()


def _outermost_us(connection: sqlite3.Connection) -> tuple[int, int]:
    """Time of the oldest sample there may be, and the end (exclusive) of all."""
    first_us, last_us = connection.execute(
        "select min(first_us), max(last_us) from (select first_us, last_us from file where retired_us is null "
        "union all select first_us, last_us from batch union all select min(time_us), max(time_us) from edit)"
    ).fetchone()
    return (0, 0) if first_us is None else (int(first_us), int(last_us) + 1)


def make_sample(tag_id: int, time_us: int, value: Value, status: int = GOOD) -> Samples:
    """One sample, as columns.  Raises UsageError for a Bad status with a value, or another one without."""
    if (value is None) != (status >= BAD):
        got = "no value" if value is None else "a value"
        raise UsageError(
            f"cannot edit: got {got} and a status that is {'Bad' if status >= BAD else 'not Bad'}; a Bad sample has no "
            "value, every other one has"
        )
    is_exact = isinstance(value, int) and abs(value) > EXACT_LIMIT and int(float(value)) != value
    number = math.nan if value is None or isinstance(value, str) else float(value)
    return Samples(
        np.array([tag_id], np.int32),
        np.array([time_us], np.int64),
        np.array([number]),
        np.array([status], np.uint32),
        {0: int(value)} if is_exact and value is not None else {},
        {0: value} if isinstance(value, str) else {},
    )
