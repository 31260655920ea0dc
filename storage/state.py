"""The one row of the table ``state``: counters that say what changed, and whether a run is going on."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from storage import schema


@dataclass(frozen=True, slots=True)
class State:
    """The store as a whole.

    ``commit_number`` counts transactions with samples.  ``last_commit_us`` is the time of the last one, None before the
    first.  ``run_open``: a run has committed what it knows of its tags and has not ended in order.  ``tags_version``
    and ``files_version`` grow with every change of tags and catalogue, so that readers know what to read again;
    ``tags_written`` is the version that is in ``tags.parquet``.  ``edits_version`` and
    ``annotations_version`` are the same for edits and annotations; 0 in stores of versions that have none.
    """

    store_id: str
    commit_number: int
    last_commit_us: int | None
    run_open: bool
    tags_version: int
    tags_written: int
    files_version: int
    edits_version: int
    annotations_version: int


def read(connection: sqlite3.Connection) -> State:
    """The row as it is in the connection's transaction."""
    columns = "store_id, commit_number, last_commit_us, run_open, tags_version, tags_written, files_version, "
    version = schema.version_of(connection)
    columns += "edits_version, " if version >= schema.EDITS_SINCE else "0, "
    columns += "annotations_version" if version >= schema.ANNOTATIONS_SINCE else "0"
    row = connection.execute(f"select {columns} from state").fetchone()  # noqa: S608 - constants
    return State(row[0], row[1], row[2], bool(row[3]), *row[4:])


def next_commit(connection: sqlite3.Connection) -> int:
    """Count a transaction with samples; its number."""
    connection.execute("update state set commit_number = commit_number + 1")
    (number,) = connection.execute("select commit_number from state").fetchone()
    return int(number)


def note_commit(connection: sqlite3.Connection, time_us: int, *, run_open: bool) -> None:
    """Remember the time of the commit and whether a run is going on after it."""
    connection.execute("update state set last_commit_us = ?, run_open = ?", (time_us, int(run_open)))


def next_file(connection: sqlite3.Connection) -> int:
    """Count a file of the archive; its number."""
    (number,) = connection.execute("select next_file from state").fetchone()
    connection.execute("update state set next_file = next_file + 1")
    return int(number)


def tags_changed(connection: sqlite3.Connection) -> None:
    """Say that tags were added or changed."""
    connection.execute("update state set tags_version = tags_version + 1")


def tags_written(connection: sqlite3.Connection, version: int) -> None:
    """Say that ``tags.parquet`` holds this version."""
    connection.execute("update state set tags_written = ?", (version,))


def files_changed(connection: sqlite3.Connection) -> None:
    """Say that the catalogue changed."""
    connection.execute("update state set files_version = files_version + 1")


def edits_changed(connection: sqlite3.Connection) -> None:
    """Say that edits were made, or folded into files."""
    connection.execute("update state set edits_version = edits_version + 1")


def annotations_changed(connection: sqlite3.Connection) -> None:
    """Say that annotations were added or removed."""
    connection.execute("update state set annotations_version = annotations_version + 1")
