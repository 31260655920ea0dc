"""Raw samples of a few tags, kept for a while beside the compressed ones as a proof: the table ``shadow``.

They are never part of what queries see.  A commit adds a row; the rows of some minutes become one, encoded like a file
of the archive, in one transaction.  Rows that are too old, or too many, go.  docs/decisions/0057 says why a table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from historian.config.settings import ShadowSettings
from historian.errors import CorruptionError
from historian.model.clock import US_PER_S
from historian.model.samples import Samples
from storage import archive, buffer, names, schema, steps
from storage.columns import complete, concatenate, to_samples
from storage.database import explained, transaction

PACK_US: Final = 600 * US_PER_S
PACK_ROWS: Final = 200_000
"""Rows of commits become one when they are so old, or have so many samples together: of ten tags at one a second a
packed row has 6,000 samples in some 20 kB."""


class ShadowRow(NamedTuple):
    """A row without its samples.  ``packed`` (0 or 1): many commits, and a Parquet file instead of an Arrow stream."""

    number: int
    committed_us: int
    rows: int
    first_us: int
    last_us: int
    packed: int


@dataclass(frozen=True, slots=True)
class ShadowState:
    """What is kept: ``rows`` raw samples in ``bytes`` bytes, from ``first_us`` to ``last_us`` (None without any)."""

    rows: int = 0
    bytes: int = 0
    first_us: int | None = None
    last_us: int | None = None


def insert(connection: sqlite3.Connection, committed_us: int, samples: Samples) -> None:
    """Add the raw samples of a commit, inside its transaction."""
    row = buffer.encode_samples(samples)
    _insert(connection, ShadowRow(0, committed_us, row.rows, row.first_us, row.last_us, 0), row.samples)


def _insert(connection: sqlite3.Connection, row: ShadowRow, samples: bytes) -> None:
    connection.execute(
        "insert into shadow (committed_us, rows, first_us, last_us, packed, samples) values (?, ?, ?, ?, ?, ?)",
        (*row[1:], samples),
    )


def rows(connection: sqlite3.Connection) -> list[ShadowRow]:
    """All rows, in the order of their first sample; none in a store of a version without the table."""
    if schema.version_of(connection) < schema.SHADOW_SINCE:
        return []
    columns = "number, committed_us, rows, first_us, last_us, packed"
    found = connection.execute(f"select {columns} from shadow order by first_us, number")  # noqa: S608 - constants
    return list(map(ShadowRow._make, found))


def state(connection: sqlite3.Connection) -> ShadowState:
    """How much is kept."""
    if schema.version_of(connection) < schema.SHADOW_SINCE:
        return ShadowState()
    query = "select coalesce(sum(rows), 0), coalesce(sum(length(samples)), 0), min(first_us), max(last_us) from shadow"
    return ShadowState(*connection.execute(query).fetchone())


def fetch(connection: sqlite3.Connection, number: int) -> bytes | None:
    """The samples of a row, not decoded; None for one that has gone."""
    found = connection.execute("select samples from shadow where number = ?", (number,)).fetchone()
    return None if found is None else bytes(found[0])


def decode(row: ShadowRow, blob: bytes) -> Samples:
    """The samples of a row.  Raises CorruptionError when it was damaged."""
    what = f"row {row.number} of shadow"
    if not row.packed:
        return to_samples(complete(buffer.decode(blob, what)))
    content = buffer.opened(blob, what)
    try:
        return to_samples(complete(pq.read_table(pa.BufferReader(pa.py_buffer(content)), use_threads=False)))
    except (pa.ArrowException, OSError) as error:
        raise CorruptionError(f"cannot read {what} in {names.DATABASE}: {error}") from error


class ShadowKeeper:
    """Looks after the shadow of one store: one caller at a time.

    ``turn`` gives its holder the connection; it is held for reading rows and for short transactions.
    """

    def __init__(self, connection: sqlite3.Connection, database: Path, turn: AbstractContextManager[object]) -> None:
        self._connection = connection
        self._database = database
        self._turn = turn

    def tend(self, now_us: int, settings: ShadowSettings) -> None:
        """Let go of what is too old or too much, and join the rows of commits when it is time."""
        self._expire(now_us - settings.keep_us, settings.max_bytes)
        with self._turn, explained(self._database, "read the shadow"):
            every = rows(self._connection)
        loose = sorted((row for row in every if not row.packed), key=lambda row: row.number)
        if loose and (loose[0].committed_us <= now_us - PACK_US or sum(row.rows for row in loose) >= PACK_ROWS):
            self._pack(loose)

    def _pack(self, loose: Sequence[ShadowRow]) -> None:
        with self._turn, explained(self._database, "read the shadow"):
            blobs = [(row, fetch(self._connection, row.number)) for row in loose]
        tables = [buffer.decode(blob, f"row {row.number} of shadow") for row, blob in blobs if blob is not None]
        packed = buffer.sealed(archive.to_bytes(archive.sort(concatenate(tables))))
        whole = ShadowRow(
            0, loose[0].committed_us, sum(row.rows for row in loose), min(row.first_us for row in loose),
            max(row.last_us for row in loose), 1,
        )  # fmt: skip
        with self._turn, transaction(self._connection, self._database, "join rows of the shadow"):
            self._connection.executemany("delete from shadow where number = ?", [(row.number,) for row in loose])
            _insert(self._connection, whole, packed)
            steps.reached("shadow: rows written")
        steps.reached("shadow: committed")

    def _expire(self, before_us: int, max_bytes: int) -> None:
        with self._turn, explained(self._database, "read the shadow"):
            query = "select number, last_us, length(samples) from shadow order by last_us, number"
            kept = self._connection.execute(query).fetchall()
        over = sum(size for _, _, size in kept) - max_bytes
        gone = []
        for number, last_us, size in kept:
            if last_us >= before_us and over <= 0:
                break
            gone.append((number,))
            over -= size
        if gone:
            with self._turn, transaction(self._connection, self._database, "let go of old raw samples"):
                self._connection.executemany("delete from shadow where number = ?", gone)
