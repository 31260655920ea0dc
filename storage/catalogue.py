"""The catalogue: which files of the archive exist, and what is in each.

A file belongs to the store when it has a row in ``file``.  ``file_intent`` names files that are being written: what is
listed there when no flush runs was left by a crash, is no part of the store and can be removed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from storage import schema


class ArchiveFile(NamedTuple):
    """One file of the archive.

    ``path`` is absolute, as text.  ``first_us`` and ``last_us`` are the times of its oldest and newest sample,
    ``first_tag`` and ``last_tag`` its smallest and largest tag_id, all inclusive.  ``sha256`` is that of the whole
    file, in hexadecimal.  A plain tuple with plain values because a query waits for thousands of them to be made:
    5,000 take 4 ms, as dataclasses 12, with ``Path`` objects 30.
    """

    path: str
    rows: int
    first_us: int
    last_us: int
    first_tag: int
    last_tag: int
    bytes: int
    sha256: str


FLUSH: Final = "flush"
DAY: Final = "day"
MONTH: Final = "month"
KEPT: Final = "kept"
"""Levels of files: as they came from the buffer (or were not sorted into a day yet), all of a UTC day, all of a UTC
month, and the last samples from before what retention removed."""


class CatalogueEntry(NamedTuple):
    """A file as those see it who write the catalogue: ``number`` is its key, ``path`` is below the archive's folder."""

    number: int
    path: str
    rows: int
    first_us: int
    last_us: int
    first_tag: int
    last_tag: int
    bytes: int
    level: str


def intend(connection: sqlite3.Connection, path: str) -> None:
    """Say that a file is about to be written."""
    connection.execute("insert into file_intent (path) values (?)", (path,))


def intents(connection: sqlite3.Connection) -> list[str]:
    """Files whose writing began."""
    return [path for (path,) in connection.execute("select path from file_intent order by path")]


def forget_intents(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """These files are not being written (any more)."""
    connection.executemany("delete from file_intent where path = ?", [(path,) for path in paths])


def add(connection: sqlite3.Connection, number: int, path: str, file: ArchiveFile, *, level: str = FLUSH) -> None:
    """Make a file part of the store; ``path`` is below the archive's folder."""
    connection.execute(
        "insert into file (number, path, rows, first_us, last_us, first_tag, last_tag, bytes, sha256, level) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number, path, file.rows, file.first_us, file.last_us,
            file.first_tag, file.last_tag, file.bytes, file.sha256, level,
        ),
    )  # fmt: skip
    forget_intents(connection, [path])


def entries(connection: sqlite3.Connection) -> list[CatalogueEntry]:
    """All files but the retired, in the order they were written."""
    rows = connection.execute(
        "select number, path, rows, first_us, last_us, first_tag, last_tag, bytes, level from file "
        "where retired_us is null order by number"
    )
    return list(map(CatalogueEntry._make, rows))


def set_level(connection: sqlite3.Connection, numbers: Iterable[int], level: str) -> None:
    """Say what these files are."""
    connection.executemany("update file set level = ? where number = ?", [(level, number) for number in numbers])


def retire(connection: sqlite3.Connection, numbers: Sequence[int], time_us: int) -> bool:
    """Take files out of the store, for later removal; False when one of them is not part of it any more."""
    done = connection.executemany(
        "update file set retired_us = ? where number = ? and retired_us is null",
        [(time_us, number) for number in numbers],
    )
    return done.rowcount == len(numbers) or not numbers


def retired(connection: sqlite3.Connection, before_us: int) -> list[tuple[int, str]]:
    """Number and path of the files that were retired before this time and are still there."""
    return connection.execute(
        "select number, path from file where retired_us < ? order by number", (before_us,)
    ).fetchall()


def forget(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Retired files are gone."""
    connection.executemany(
        "delete from file where number = ? and retired_us is not null", [(number,) for number in numbers]
    )


def read(connection: sqlite3.Connection, archive: Path) -> tuple[ArchiveFile, ...]:
    """All files but the retired, oldest first; ``archive`` is the folder their paths start from."""
    some = "where retired_us is null" if schema.version_of(connection) >= schema.EDITS_SINCE else ""
    columns = "? || path, rows, first_us, last_us, first_tag, last_tag, bytes, sha256"
    query = f"select {columns} from file {some} order by first_us, number"  # noqa: S608 - constants
    rows = connection.execute(query, (f"{archive}{os.sep}",))
    return tuple(map(ArchiveFile._make, rows))
