"""Samples that were refused, kept with the reason so that nothing is dropped in silence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from historian.model.commit import QuarantinedSample
from storage.arrays import column_of
from storage.columns import TIME_TYPE

COUNTS_SCHEMA: Final = pa.schema(
    [
        ("tag_id", pa.int32()),
        ("reason", pa.string()),
        ("samples", pa.int64()),
        ("first", TIME_TYPE),
        ("last", TIME_TYPE),
        ("seen", TIME_TYPE),
    ]
)
"""How many samples of each tag were refused for each reason, their oldest and newest time, and when the last came."""


def append(connection: sqlite3.Connection, refused: Iterable[QuarantinedSample]) -> None:
    """Keep refused samples."""
    connection.executemany(
        "insert into quarantine (tag_id, time_us, value, status, reason, seen_us) values (?, ?, ?, ?, ?, ?)",
        [(each.tag_id, each.time_us, each.value, each.status, each.reason, each.seen_us) for each in refused],
    )


def append_new(connection: sqlite3.Connection, refused: Iterable[QuarantinedSample]) -> None:
    """Keep refused samples that are not kept already with the same value and reason: an import may be done again."""
    refused = list(refused)
    if not refused:
        return
    rows = connection.execute("select tag_id, time_us, value, status, reason from quarantine")
    known = {tuple(row) for row in rows}
    append(
        connection,
        [each for each in refused if (each.tag_id, each.time_us, each.value, each.status, each.reason) not in known],
    )


def count(connection: sqlite3.Connection) -> int:
    """How many there are.  Rows are only ever added, so that the largest number tells without reading them all."""
    (number,) = connection.execute("select coalesce(max(number), 0) from quarantine").fetchone()
    return int(number)


def counts(connection: sqlite3.Connection, first: int, last: int) -> pa.Table:
    """The rows numbered ``first`` to ``last``, counted: columns as COUNTS_SCHEMA."""
    rows = connection.execute(
        "select tag_id, reason, count(*), min(time_us), max(time_us), max(seen_us) from quarantine "
        "where number between ? and ? group by tag_id, reason order by tag_id, reason",
        (first, last),
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(COUNTS_SCHEMA)
    arrays = [column_of(column, field.type) for column, field in zip(columns, COUNTS_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=COUNTS_SCHEMA)


def read(connection: sqlite3.Connection) -> list[QuarantinedSample]:
    """All of them, oldest first."""
    rows = connection.execute("select tag_id, time_us, value, status, reason, seen_us from quarantine order by number")
    return [QuarantinedSample(*row) for row in rows]
