"""The catalogue of the averages that are kept of old samples: files of their own, never a part of ``samples``."""

from __future__ import annotations

import sqlite3


def make_stale(connection: sqlite3.Connection, first_us: int, end_us: int) -> None:
    """Samples of this time changed: the averages of their months are to be made again, where all samples still are."""
    connection.execute(
        "update average_file set stale = 1 where final = 0 and retired_us is null and first_us < ? and last_us >= ?",
        (end_us, first_us),
    )
