"""Annotations: what a person noted about a tag at a time or over one, beside the samples and never a part of them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from historian.errors import UsageError
from historian.model.commit import AuditEvent
from storage import audit, edit_audit, state, steps
from storage.arrays import column_of
from storage.columns import TIME_TYPE
from storage.database import Access, transaction
from storage.edits import Cause

SCHEMA: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("tag_id", pa.int32()),
        ("start", TIME_TYPE),
        ("end", TIME_TYPE),
        ("text", pa.string()),
        ("who", pa.string()),
        ("made", TIME_TYPE),
    ]
)
"""``start`` equals ``end`` for a note on an instant; both are part of the time that the note is about."""

LONGEST_TEXT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Annotation:
    """A note about the tag from ``start_us`` to ``end_us``, both inclusive and equal for an instant."""

    tag_id: int
    start_us: int
    end_us: int
    text: str


def read(connection: sqlite3.Connection) -> pa.Table:
    """All annotations, by number."""
    rows = connection.execute(
        "select number, tag_id, start_us, end_us, text, who, made_us from annotation order by number"
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [column_of(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def add(access: Access, note: Annotation, cause: Cause) -> int:
    """Add a note; its number.  Raises UsageError for an empty or overlong text, and for a tag that is not there."""
    text = note.text.strip()
    if not text or len(text) > LONGEST_TEXT:
        raise UsageError(f"cannot annotate: got {len(text):,} characters of text, wanted 1 to {LONGEST_TEXT:,}")
    with access.turn, transaction(access.connection, access.database, "annotate a tag"):
        name = edit_audit.name_of(access.connection, note.tag_id)
        added = access.connection.execute(
            "insert into annotation (tag_id, start_us, end_us, text, who, made_us) values (?, ?, ?, ?, ?, ?)",
            (note.tag_id, note.start_us, note.end_us, text, cause.who, cause.time_us),
        )
        state.annotations_changed(access.connection)
        new = f"{span_text(note.start_us, note.end_us)}: {text}"
        line = AuditEvent(cause.time_us, cause.who, "annotation added", name, "", new, cause.why)
        audit.append(access.connection, [line])
        steps.reached("annotation: rows written")
    steps.reached("annotation: committed")
    return int(added.lastrowid or 0)


def remove(access: Access, number: int, cause: Cause) -> str:
    """Remove a note, which the audit keeps; the name of its tag.  Raises UsageError for a number that there is not."""
    with access.turn, transaction(access.connection, access.database, "remove an annotation"):
        row = access.connection.execute(
            "select tag_id, start_us, end_us, text from annotation where number = ?", (number,)
        ).fetchone()
        if row is None:
            raise UsageError(f"cannot remove annotation {number}: there is none of this number; see them with --list")
        tag_id, start_us, end_us, text = row
        name = edit_audit.name_of(access.connection, tag_id)
        access.connection.execute("delete from annotation where number = ?", (number,))
        state.annotations_changed(access.connection)
        old = f"{span_text(start_us, end_us)}: {text}"
        audit.append(
            access.connection, [AuditEvent(cause.time_us, cause.who, "annotation removed", name, old, "", cause.why)]
        )
        steps.reached("annotation: rows written")
    steps.reached("annotation: committed")
    return name


def span_text(start_us: int, end_us: int) -> str:
    """The time of a note as a text: an instant, or from and to."""
    start = edit_audit.instant(start_us)
    return start if end_us == start_us else f"{start} to {edit_audit.instant(end_us)}"
