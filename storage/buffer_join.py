"""Small batches of the buffer become one, so that whoever opens the store unpacks tens of them, not hundreds.

A commit a second is 300 batches between two flushes; unpacking each costs 0.05 ms before its first sample.  They are
joined in one transaction, beside the commits: a reader sees the parts or the whole.  The whole has a number of its own,
because readers keep what they unpacked by number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pyarrow as pa

from storage import buffer, state, steps
from storage.buffer import BatchRow, BatchSize
from storage.columns import concatenate
from storage.database import explained, transaction

JOIN_BATCHES: Final = 32
"""So many batches become one: after 300 commits there are 9 large ones and at most 40 in all."""

JOIN_ROWS: Final = 250_000
"""Batches that have more rows together stay as they are: what costs time there are the samples."""


class BatchJoiner:
    """Joins the batches of one store.  ``turn`` gives its holder the connection; only held for reading and writing.

    Nobody else may remove batches meanwhile; commits go on.
    """

    def __init__(self, connection: sqlite3.Connection, database: Path, turn: AbstractContextManager[object]) -> None:
        self._connection = connection
        self._database = database
        self._turn = turn
        self._done = 0
        """Batches up to this number are joined, too large, or came while others were joined."""

    def due(self) -> list[BatchSize]:
        """The batches to be joined now; none while there are too few."""
        with self._turn, explained(self._database, "read the buffer"):
            sizes = buffer.sizes(self._connection, after=self._done)
        if len(sizes) < JOIN_BATCHES:
            return []
        if sum(each.rows for each in sizes) > JOIN_ROWS:
            self._done = sizes[-1].number
            return []
        return sizes

    def join(self, parts: list[BatchSize]) -> None:
        """Put one batch in the place of ``parts``, as :meth:`due` gave them.  Raises StoreFullError and its like."""
        with self._turn, explained(self._database, "read the buffer"):
            blobs = buffer.fetch(self._connection, [each.number for each in parts])
        samples = buffer.encode(joined(buffer.decode_batches(blobs).values()))
        first_us, last_us = min(each.first_us for each in parts), max(each.last_us for each in parts)
        row = BatchRow(sum(each.rows for each in parts), first_us, last_us, samples)
        with self._turn, transaction(self._connection, self._database, "join batches of the buffer"):
            number = state.next_commit(self._connection)
            # As old as its oldest sample's commit: the flush is not put off.
            buffer.insert(self._connection, number, min(each.committed_us for each in parts), row)
            buffer.delete(self._connection, parts[0].number, parts[-1].number)
            steps.reached("join: rows written")
        steps.reached("join: committed")
        self._done = number


def joined(tables: Iterable[pa.Table]) -> pa.RecordBatch:
    """All rows in one piece, without the columns that none of them has anything in."""
    table = concatenate(tables).combine_chunks()
    (batch,) = table.select([name for name in table.column_names if _has_any(table.column(name))]).to_batches()
    return batch


def _has_any(values: pa.ChunkedArray) -> bool:
    return not values.type.equals(pa.null()) and values.null_count < len(values)
