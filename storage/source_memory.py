"""What drivers found out about their devices and want to know again after a restart: short texts by source and key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from storage import schema


def replace(connection: sqlite3.Connection, notes: Mapping[tuple[str, str], str], time_us: int) -> None:
    """Put new notes in the place of the old ones of the same source and key."""
    connection.executemany(
        "insert or replace into source_memory (source, key, note, updated_us) values (?, ?, ?, ?)",
        [(source, key, note, time_us) for (source, key), note in notes.items()],
    )


def read(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """All notes there are; none in stores of versions that had no such table."""
    if schema.version_of(connection) < schema.SOURCE_MEMORY_SINCE:
        return {}
    rows = connection.execute("select source, key, note from source_memory order by source, key")
    return {(source, key): note for source, key, note in rows}
