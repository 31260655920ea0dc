"""The catalogue of the averages that are kept of old samples: files of their own, never a part of ``samples``."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from storage import names, schema
from storage.columns import TIME_TYPE

SCHEMA: Final = pa.schema(
    [
        pa.field("tag_id", pa.int32(), nullable=False),
        pa.field("time", TIME_TYPE, nullable=False),
        pa.field("average", pa.float64(), nullable=False),
        pa.field("minimum", pa.float64(), nullable=False),
        pa.field("maximum", pa.float64(), nullable=False),
        pa.field("good_percent", pa.float64(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
    ]
)
"""A line for each tag and span of time with a value in it; ``time`` is where the span begins."""


class Averaged(NamedTuple):
    """A month that got its averages: its beginning, and how many lines of averages."""

    month_us: int
    rows: int


class AverageFile(NamedTuple):
    """A file of averages: of a month, over so long each, and what is in it, as of :class:`catalogue.ArchiveFile`.

    ``stale``: samples of the month changed since.  ``final``: they are gone, it is never made again.
    """

    number: int
    path: str
    month_us: int
    every_us: int
    rows: int
    first_us: int
    last_us: int
    first_tag: int
    last_tag: int
    bytes: int
    sha256: str
    stale: bool = False
    final: bool = False


_COLUMNS: Final = ", ".join(AverageFile._fields)


def entries(connection: sqlite3.Connection) -> list[AverageFile]:
    """All files but the retired, by month."""
    rows = connection.execute(
        f"select {_COLUMNS} from average_file where retired_us is null order by month_us, number"  # noqa: S608 - constants
    )
    return [AverageFile._make((*row[:-2], bool(row[-2]), bool(row[-1]))) for row in rows]


def paths(connection: sqlite3.Connection, archive: Path) -> tuple[str, ...]:
    """Absolute paths of the files, for readers; none in a store of a version that knew of none."""
    if schema.version_of(connection) < schema.EDITS_SINCE:
        return ()
    return tuple(f"{archive}{os.sep}{file.path}" for file in entries(connection))


def replace(connection: sqlite3.Connection, files: Iterable[AverageFile], month_us: int, time_us: int) -> None:
    """Put files in the place of those of their month, inside the caller's transaction."""
    connection.execute(
        "update average_file set retired_us = ? where month_us = ? and retired_us is null", (time_us, month_us)
    )
    marks = ", ".join("?" * len(AverageFile._fields))
    connection.executemany(f"insert into average_file ({_COLUMNS}) values ({marks})", files)  # noqa: S608 - constants
    connection.executemany("delete from file_intent where path = ?", [(file.path,) for file in files])


def retired(connection: sqlite3.Connection, before_us: int) -> list[tuple[int, str]]:
    """Number and path of the files that were retired before this time and are still there."""
    return connection.execute("select number, path from average_file where retired_us < ?", (before_us,)).fetchall()


def forget(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Retired files are gone."""
    connection.executemany("delete from average_file where number = ?", [(number,) for number in numbers])


def name_of(month_us: int) -> Callable[[int], str]:
    """For ``begin`` of intents: the path of a month's file."""
    month = str(np.datetime64(month_us, "us").astype("datetime64[M]"))
    return lambda number: (
        f"{names.AVERAGES}/{month[:4]}/{month}-{number:06d}-{secrets.token_hex(3)}{names.PARQUET_SUFFIX}"
    )


def make_stale(connection: sqlite3.Connection, first_us: int, end_us: int) -> None:
    """Samples of this time changed: the averages of their months are to be made again, where all samples still are."""
    connection.execute(
        "update average_file set stale = 1 where final = 0 and retired_us is null and first_us < ? and last_us >= ?",
        (end_us, first_us),
    )


def make_final(connection: sqlite3.Connection, first_us: int, last_us: int) -> None:
    """Samples of this time are gone: the averages of their months are never made again."""
    connection.execute(
        "update average_file set final = 1 where retired_us is null and first_us <= ? and last_us >= ?",
        (last_us, first_us),
    )
