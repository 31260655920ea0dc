"""What can still be had from a database, row by row, however damaged it is.

A table is read from its beginning until SQLite cannot go on, and then from its end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from historian.errors import CorruptionError, HistorianError, StoreVersionError
from storage import buffer, current, held, schema
from storage.database import connect_reader

Row: TypeAlias = tuple[Any, ...]

KEYS: Final = {
    "state": ("id",),
    "tag_version": ("tag_id", "version"),
    "batch": ("number",),
    "current_group": ("group_number",),
    "held": ("number",),
    "held_door": ("door",),
    "file": ("number",),
    "average_file": ("number",),
    "file_intent": ("path",),
    "edit": ("tag_id", "time_us"),
    "audit": ("number",),
    "former": ("number",),
    "annotation": ("number",),
    "quarantine": ("number",),
    "import_progress": ("source",),
    "health": ("name",),
    "source_memory": ("source", "key"),
}
"""The tables that are read, and what tells their rows apart."""

_BLOBS: Final = frozenset({"batch", "current_group", "held", "held_door", "former"})


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table.  ``whole``: these are all there were."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    whole: bool

    def column(self, name: str) -> list[Any]:
        """One column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


NOTHING: Final = Rows((), (), whole=False)


def salvage(database: Path) -> dict[str, Rows]:
    """The rows of every table of KEYS that can be read; an empty mapping when there is no database to read.

    Rows with a blob that was damaged are left out.  Raises StoreVersionError for a database of a newer version.
    """
    if not database.is_file():
        return {}
    try:
        with closing(connect_reader(database)) as connection:
            version = schema.version_of(connection)
            if version > schema.FORMAT_VERSION:
                raise StoreVersionError(
                    f"cannot rebuild {database.parent}: its database has format version {version}, this software knows "
                    f"versions up to {schema.FORMAT_VERSION}; update it. Nothing was changed"
                )
            return {table: _read(connection, table, key) for table, key in KEYS.items()}
    except HistorianError:
        raise
    except sqlite3.Error:
        return {}  # not even its header can be read: there is nothing to salvage


def _read(connection: sqlite3.Connection, table: str, key: Sequence[str]) -> Rows:
    try:
        columns = tuple(name for (name,) in connection.execute("select name from pragma_table_info(?)", (table,)))
    except sqlite3.DatabaseError:
        columns = ()
    if not columns:
        return NOTHING
    places = [columns.index(name) for name in key]
    names = ", ".join(f'"{name}"' for name in columns)
    rows: dict[Row, Row] = {}
    whole = True
    for direction in ("", " desc"):
        order = ", ".join(f"{name}{direction}" for name in key)
        done = _take(connection, f"select {names} from {table} order by {order}", places, rows)  # noqa: S608 - our own names
        whole = whole and done
        if done:
            break
    good = [rows[each] for each in sorted(rows) if table not in _BLOBS or _is_sound(table, columns, rows[each])]
    return Rows(columns, tuple(good), whole and len(good) == len(rows))


def _take(connection: sqlite3.Connection, query: str, places: Sequence[int], rows: dict[Row, Row]) -> bool:
    """Add rows until there are no more (True), or SQLite cannot read on, or they are known (False)."""
    try:
        for row in connection.execute(query):
            key = tuple(row[place] for place in places)
            if key in rows:
                return False
            rows[key] = row
    except sqlite3.DatabaseError:
        return False
    return True


def _is_sound(table: str, columns: Sequence[str], row: Row) -> bool:
    named = dict(zip(columns, row, strict=True))
    try:
        if table == "current_group":
            current.decode(int(row[0]), named["samples"])
        elif table == "held_door":
            held.decode_door(int(row[0]), [named[name] for name in held.DOOR_BLOBS])
        else:
            buffer.decode(named["samples"], table)
    except (CorruptionError, pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return False
    return True


def insert(
    connection: sqlite3.Connection, table: str, found: Rows, keep: Callable[[Row], bool] = lambda _: True
) -> int:
    """Put rows into a new database's table, inside the caller's transaction; columns it has not are left out."""
    known = [name for (name,) in connection.execute("select name from pragma_table_info(?)", (table,))]
    places = [place for place, name in enumerate(found.columns) if name in known]
    if not places:
        return 0
    names = ", ".join(f'"{found.columns[place]}"' for place in places)
    rows = [tuple(row[place] for place in places) for row in found.rows if keep(row)]
    marks = ", ".join("?" * len(places))
    connection.executemany(f"insert or replace into {table} ({names}) values ({marks})", rows)  # noqa: S608 - our own names
    return len(rows)
