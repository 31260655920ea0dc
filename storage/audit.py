"""The audit: who did what to which object, with old and new value and the reason.  Lines are added, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from historian.model.commit import AuditEvent
from storage.arrays import column_of
from storage.columns import TIME_TYPE

SCHEMA: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("time", TIME_TYPE),
        ("who", pa.string()),
        ("action", pa.string()),
        ("object", pa.string()),
        ("old", pa.string()),
        ("new", pa.string()),
        ("why", pa.string()),
    ]
)


def append(connection: sqlite3.Connection, events: Iterable[AuditEvent]) -> None:
    """Add lines, in their order."""
    connection.executemany(
        "insert into audit (time_us, who, action, object, old, new, why) values (?, ?, ?, ?, ?, ?, ?)",
        [(event.time_us, event.who, event.action, event.object, event.old, event.new, event.why) for event in events],
    )


def last_number(connection: sqlite3.Connection) -> int:
    """Number of the newest line; 0 without any.  Lines never change, so this number stands for all up to it."""
    (number,) = connection.execute("select coalesce(max(number), 0) from audit").fetchone()
    return int(number)


def read(connection: sqlite3.Connection, first: int, last: int) -> pa.Table:
    """The lines numbered ``first`` to ``last``."""
    rows = connection.execute(
        "select number, time_us, who, action, object, old, new, why from audit "
        "where number between ? and ? order by number",
        (first, last),
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [column_of(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
