"""Figures of sources, of workers and of the collecting process, as of the last commit, by name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

SOURCE: Final = "source/"
"""Before the name of a source."""

WORKER: Final = "worker/"
"""Before the number of a worker process."""


def replace(connection: sqlite3.Connection, figures: Mapping[str, Mapping[str, object]]) -> None:
    """Put new figures in the place of the old ones of the same names; no figures at all take the name away."""
    connection.executemany(
        "insert or replace into health (name, figures) values (?, ?)",
        [(name, json.dumps(dict(mapping))) for name, mapping in figures.items() if mapping],
    )
    connection.executemany("delete from health where name = ?", [(name,) for name, each in figures.items() if not each])


def read(connection: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """All figures there are, by name."""
    rows = connection.execute("select name, figures from health order by name")
    return {name: json.loads(figures) for name, figures in rows}
