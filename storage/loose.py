"""What of a snapshot is in no file: recent samples and edits of some tags, and which rows of files the edits hide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from historian.model.samples import Int32Array, Int64Array
from storage.arrays import column, numpy_of
from storage.columns import SAMPLE_SCHEMA, times_us
from storage.edits import REMOVE
from storage.existing import Keys
from storage.pieces import Piece, Rows, piece_of
from storage.reader import StoreSnapshot


@dataclass(frozen=True, slots=True)
class Loose:
    """``piece`` is what is seen of recent samples and edits; ``hidden`` the times (sorted) of edits by tag."""

    piece: Piece
    hidden: Mapping[int, Int64Array]

    @classmethod
    def of(cls, snapshot: StoreSnapshot, tag_id: Int32Array) -> Loose:
        """Of the tags ``tag_id`` alone."""
        recent, edited = _rows_of(snapshot.recent, tag_id), _rows_of(snapshot.edits, tag_id)
        if not len(edited):
            return cls(piece_of(_sorted(recent)), {})
        tags, times = numpy_of(edited.column("tag_id"), np.int32), times_us(edited)
        seen = ~Keys(tags, times).mask(numpy_of(recent.column("tag_id"), np.int32), times_us(recent))
        added = np.array([kind != REMOVE for kind in edited.column("kind").to_pylist()], np.bool_)
        both = [_take(recent, np.flatnonzero(seen)), _take(edited, np.flatnonzero(added)).select(SAMPLE_SCHEMA.names)]
        hidden = {int(tag): np.sort(times[tags == tag]) for tag in np.unique(tags)}
        return cls(piece_of(_sorted(pa.concat_tables(both))), hidden)

    def visible(self, tag_id: int, piece: Piece, first: int, end: int) -> Rows:
        """Of the rows ``first`` to ``end`` of a tag in a row group those that no edit hides."""
        hidden = self.hidden.get(tag_id)
        if hidden is None or first >= end:
            return slice(first, end)
        times = piece.time_us[first:end]
        low, high = hidden.searchsorted([times[0], times[-1] + 1])
        return slice(first, end) if low == high else first + np.flatnonzero(~np.isin(times, hidden[low:high]))


def _rows_of(table: pa.Table, tag_id: Int32Array) -> pa.Table:
    if not len(table):
        return table
    return _take(table, np.flatnonzero(np.isin(numpy_of(table.column("tag_id"), np.int32), tag_id)))


def _take(table: pa.Table, rows: Int64Array) -> pa.Table:
    return table if len(rows) == len(table) else table.take(column(rows.astype(np.int64), pa.int64()))


def _sorted(table: pa.Table) -> pa.Table:
    """By tag and time."""
    if not len(table):
        return table
    order = np.lexsort((times_us(table), numpy_of(table.column("tag_id"), np.int32)))
    return table.take(column(order, pa.int64()))
