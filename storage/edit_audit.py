"""What the audit keeps of samples that were changed: the old and the new, each in full.

A few are a line each.  Of more than LINES there is one line, and the old samples are kept whole in the table
``former``, in the same form as the buffer's: a line each would make the audit as large as the archive.
"""

from __future__ import annotations

import json
import math
import sqlite3
from typing import Final

import numpy as np
import pyarrow as pa

from historian.errors import UsageError
from historian.model.commit import AuditEvent
from historian.model.samples import IndexArray, Samples
from historian.model.status import status_name
from storage import audit, buffer, schema
from storage.arrays import empty_table
from storage.columns import SAMPLE_SCHEMA, concatenate
from storage.edits import Cause

LINES: Final = 1000
"""Up to so many samples of one change are a line of the audit each."""

PIECE_ROWS: Final = 100_000
"""Samples of one row of ``former``: about a megabyte."""


def record(connection: sqlite3.Connection, action: str, old: Samples, new: Samples | None, cause: Cause) -> None:
    """Note that ``old`` became ``new``, row by row, or was removed (None); ``action`` as of one sample."""
    if not len(old):
        return
    tag_names = names_of(connection, old)
    if len(old) > LINES:
        told = json.dumps({**summary(old), "former": _keep(connection, old)})
        action = action.replace("sample", "samples")
        line = AuditEvent(cause.time_us, cause.who, action, object_of(tag_names), told, "", cause.why)
        audit.append(connection, [line])
        return
    objects = [tag_names[tag_id] for tag_id in old.tag_id.tolist()]
    before = [as_json(old, row) for row in range(len(old))]
    after = [""] * len(old) if new is None else [as_json(new, row) for row in range(len(new))]
    audit.append(
        connection,
        (
            AuditEvent(cause.time_us, cause.who, action, name, was, now, cause.why)
            for name, was, now in zip(objects, before, after, strict=True)
        ),
    )


def as_json(samples: Samples, row: int) -> str:
    """One sample as a JSON object: time, value (null without one), name and number of the status."""
    code = int(samples.status[row])
    return json.dumps(
        {
            "time": instant(int(samples.time_us[row])),
            "value": value_of(samples, row),
            "status": status_name(code),
            "status_code": code,
        },
        ensure_ascii=False,
    )


def value_of(samples: Samples, row: int) -> float | int | str | None:
    """The value of one sample as it is, None without one."""
    if row in samples.text:
        return samples.text[row]
    if row in samples.exact:
        return samples.exact[row]
    value = float(samples.value[row])
    return None if math.isnan(value) else value


def summary(samples: Samples) -> dict[str, object]:
    """How many samples (at least one), and the times of the first and the last."""
    first, last = int(samples.time_us.min()), int(samples.time_us.max())
    return {"samples": len(samples), "first": instant(first), "last": instant(last)}


def summary_text(samples: Samples) -> str:
    """The same as a JSON object."""
    return json.dumps(summary(samples))


def instant(time_us: int) -> str:
    """A time as ISO 8601 in UTC."""
    return f"{np.datetime_as_string(np.datetime64(time_us, 'us'))}Z"


def names_of(connection: sqlite3.Connection, samples: Samples) -> dict[int, str]:
    """The names that the tags of some samples have now."""
    wanted = set(np.unique(samples.tag_id).tolist())
    first, last = min(wanted), max(wanted)
    rows = connection.execute(
        "select tag_id, name from tag_version where valid_to_us is null and tag_id between ? and ?", (first, last)
    )
    return {tag_id: name for tag_id, name in rows if tag_id in wanted}


def name_of(connection: sqlite3.Connection, tag_id: int) -> str:
    """The name that a tag has now.  Raises UsageError for a number that no tag has."""
    row = connection.execute(
        "select name from tag_version where valid_to_us is null and tag_id = ?", (tag_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"cannot change samples of tag_id {tag_id}: the store has no such tag; register it first")
    return str(row[0])


def object_of(tag_names: dict[int, str]) -> str:
    """The object of a line about samples of these tags."""
    return next(iter(tag_names.values())) if len(tag_names) == 1 else f"{len(tag_names)} tags"


def _keep(connection: sqlite3.Connection, samples: Samples) -> int:
    """Keep samples for ever; the number of the change they are of."""
    (change,) = connection.execute("select coalesce(max(change), 0) + 1 from former").fetchone()
    order: IndexArray = np.lexsort((samples.time_us, samples.tag_id))
    for start in range(0, len(order), PIECE_ROWS):
        row = buffer.encode_samples(samples.take(order[start : start + PIECE_ROWS]))
        connection.execute(
            "insert into former (change, rows, first_us, last_us, samples) values (?, ?, ?, ?, ?)",
            (change, row.rows, row.first_us, row.last_us, row.samples),
        )
    return int(change)


def former(connection: sqlite3.Connection, change: int) -> pa.Table:
    """What a change took away, by tag and time; no rows for a change that there is not."""
    if schema.version_of(connection) < schema.EDITS_SINCE:
        return empty_table(SAMPLE_SCHEMA)
    rows = connection.execute("select number, samples from former where change = ? order by number", (change,))
    pieces = [buffer.decode(blob, f"row {number} of former") for number, blob in rows]
    return concatenate(pieces) if pieces else empty_table(SAMPLE_SCHEMA)
