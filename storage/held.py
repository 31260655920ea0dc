"""What the doors of the running collection hold: samples that are neither stored nor left out yet.

Scans are added as they come, a row of the table ``held`` for each commit and door.  When a door has settled its lanes,
the few samples it still holds take the place of all its rows, and ``held_door`` has what it knows besides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from historian.model.commit import HeldSamples, OpenDoor
from historian.model.samples import IndexArray, Samples, concatenate
from storage import buffer, schema
from storage.arrays import column, numpy_of
from storage.columns import to_batch, to_samples

DOOR_BLOBS: Final = ("lanes", "stored", "reported")
"""The columns of ``held_door`` beside its number."""

_MARK: Final = "mark"
_TYPES: Final[dict[type[np.generic], pa.DataType]] = {
    np.bool_: pa.bool_(),
    np.int32: pa.int32(),
    np.int64: pa.int64(),
    np.float64: pa.float64(),
}
_FRESH: Final = "select number, samples from held where door = ? order by number"


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Rows ready to be inserted.

    ``settled``: the blobs of ``held_door`` (lanes, stored, reported) and, where there is any, of what is held; none of
    them when the door is gone; None when it has not settled.
    """

    settled: tuple[bytes, ...] | None
    fresh: bytes | None


def encode(held: HeldSamples) -> HeldRows:
    """What one commit changes of a door."""
    fresh = buffer.encode(to_batch(held.fresh)) if len(held.fresh) else None
    return HeldRows(None if held.settled is None else _blobs(held.settled), fresh)


def _blobs(door: OpenDoor) -> tuple[bytes, ...]:
    if not len(door.lanes["tag_id"]):
        return ()
    blobs = [buffer.encode(_lanes_batch(door.lanes)), _encode_marked(door.stored, door.stored_mark)]
    blobs.append(buffer.encode(to_batch(door.reported)))
    return (*blobs, _encode_marked(door.held, door.held_mark)) if len(door.held) else tuple(blobs)


def _encode_marked(samples: Samples, mark: NDArray[np.uint8]) -> bytes:
    return buffer.encode(to_batch(samples).append_column(_MARK, column(mark, pa.uint8())))


def _lanes_batch(lanes: Mapping[str, NDArray[Any]]) -> pa.RecordBatch:
    arrays = [column(values, _TYPES[values.dtype.type]) for values in lanes.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(lanes))


def change(connection: sqlite3.Connection, doors: Mapping[int, HeldRows]) -> None:
    """Bring the tables up to date, inside the caller's transaction."""
    for door, rows in doors.items():
        if rows.settled is not None:
            _replace(connection, door, rows.settled)
        if rows.fresh is not None:
            connection.execute("insert into held (door, samples) values (?, ?)", (door, rows.fresh))


def _replace(connection: sqlite3.Connection, door: int, settled: Sequence[bytes]) -> None:
    connection.execute("delete from held where door = ?", (door,))
    if not settled:
        connection.execute("delete from held_door where door = ?", (door,))
        return
    connection.execute(
        "insert or replace into held_door (door, lanes, stored, reported) values (?, ?, ?, ?)", (door, *settled[:3])
    )
    connection.executemany("insert into held (door, samples) values (?, ?)", [(door, blob) for blob in settled[3:]])


def insert(connection: sqlite3.Connection, number: int, door: int, table: pa.Table, rows: IndexArray) -> Samples:
    """Put ``rows`` of what was read from a row of the table into a new one, with the same number; their samples."""
    some = table.take(column(rows.astype(np.int64), pa.int64())).combine_chunks()
    for batch in some.to_batches():
        connection.execute(
            "insert into held (number, door, samples) values (?, ?, ?)", (number, door, buffer.encode(batch))
        )
    return to_samples(some)


def clear(connection: sqlite3.Connection) -> None:
    """Forget everything: the numbers of doors are free for the next run."""
    connection.execute("delete from held")
    connection.execute("delete from held_door")


def numbers(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """The rows of samples of each door, oldest first.  A number is never used twice; none before format version 3."""
    if schema.version_of(connection) < schema.HELD_SINCE:
        return {}
    found: dict[int, list[int]] = {}
    for door, number in connection.execute("select door, number from held order by door, number"):
        found.setdefault(door, []).append(number)
    return found


def fetch(connection: sqlite3.Connection, wanted: Sequence[int]) -> list[tuple[int, bytes]]:
    """The rows of these numbers (ascending), not decoded."""
    if not wanted:
        return []
    asked = set(wanted)
    rows = connection.execute(
        "select number, samples from held where number between ? and ? order by number", (wanted[0], wanted[-1])
    )
    return [row for row in rows if row[0] in asked]


def decode(number: int, blob: bytes) -> pa.Table:
    """The samples of one row.  Raises CorruptionError, which names it."""
    return buffer.decode(blob, f"held samples {number}")


def samples(connection: sqlite3.Connection) -> Samples:
    """Everything that is held."""
    rows = fetch(connection, sorted(number for each in numbers(connection).values() for number in each))
    return concatenate([to_samples(decode(number, blob)) for number, blob in rows])


def doors(connection: sqlite3.Connection) -> list[tuple[OpenDoor | None, Samples]]:
    """Each door, and what came behind it; None for one that was lost."""
    known = {row[0]: row[1:] for row in connection.execute("select door, lanes, stored, reported from held_door")}
    found = {door for (door,) in connection.execute("select distinct door from held")}
    return [_door(connection, door, known.get(door)) for door in sorted(found | set(known))]


def _door(
    connection: sqlite3.Connection, door: int, blobs: tuple[bytes, bytes, bytes] | None
) -> tuple[OpenDoor | None, Samples]:
    tables = [decode(number, blob) for number, blob in connection.execute(_FRESH, (door,)).fetchall()]
    if blobs is None:
        return None, concatenate([to_samples(table) for table in tables])
    fresh = concatenate([to_samples(table) for table in tables if _MARK not in table.column_names])
    lanes, stored, reported = decode_door(door, blobs)
    settled = [table for table in tables if _MARK in table.column_names]
    held = concatenate([to_samples(table) for table in settled])
    marks = [numpy_of(table.column(_MARK), np.uint8) for table in settled]
    made = OpenDoor(
        held, np.concatenate(marks) if marks else np.empty(0, np.uint8),
        to_samples(stored), numpy_of(stored.column(_MARK), np.uint8), to_samples(reported), _lanes_of(lanes),
    )  # fmt: skip
    return made, fresh


def decode_door(door: int, blobs: Sequence[bytes]) -> list[pa.Table]:
    """The tables of a row of ``held_door``.  Raises CorruptionError, which names the door."""
    return [buffer.decode(blob, f"what is known of door {door}") for blob in blobs]


def _lanes_of(table: pa.Table) -> dict[str, NDArray[Any]]:
    types = {type_: dtype for dtype, type_ in _TYPES.items()}
    return {name: numpy_of(table.column(name), types[table.schema.field(name).type]) for name in table.column_names}
