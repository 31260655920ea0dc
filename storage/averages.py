"""The catalogue of the averages that are kept of old samples: files of their own, never a part of ``samples``."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Averaged(NamedTuple):
    """A month that got its averages: its beginning, and how many lines of averages."""

    month_us: int
    rows: int


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
