"""Edits that compaction writes into files: which are due, which can be, and how they end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, Int32Array, Int64Array
from storage import catalogue, current, edits, held, known, state
from storage.arrays import empty_table
from storage.catalogue import CatalogueEntry
from storage.compaction_merge import EditSet, Span

_COLUMNS: Final = "tag_id, time_us, value, value_int, value_text, status, kind, edited_us"


def due(connection: sqlite3.Connection, before_us: int) -> Int64Array:
    """Times, int64[n], of the edits that were made until ``before_us``."""
    rows = connection.execute("select tag_id, time_us from edit where edited_us <= ?", (before_us,)).fetchall()
    return np.array([time_us for _, time_us in _settled(connection, rows)], np.int64)


def _settled(connection: sqlite3.Connection, rows: list[edits.Row]) -> list[edits.Row]:
    """``rows`` (tag_id, time_us ...) without those that must stay edits for now."""
    if not rows:
        return rows
    tag_id, time_us = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    stays = known.read(connection).is_unsettled(tag_id.astype(np.int32), time_us)
    return [row for row, must_stay in zip(rows, stays.tolist(), strict=True) if not must_stay]


def select(
    connection: sqlite3.Connection, span: Span, inputs: Sequence[CatalogueEntry]
) -> tuple[EditSet, list[edits.Row]]:
    """The edits of samples in ``span``, for a merge of ``inputs``; and their rows, for :func:`forget`."""
    rows = connection.execute(
        f"select {_COLUMNS} from edit where time_us >= ? and time_us < ? order by tag_id, time_us",  # noqa: S608 - constants
        span,
    ).fetchall()
    rows = _settled(connection, rows)
    table = edits.to_table([row[:7] for row in rows]) if rows else empty_table(edits.SCHEMA)
    tag_id, time_us = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    kinds = np.array([row[6] for row in rows], np.str_)
    # An insert stands for itself: there was no such sample, and while the edit is there nobody adds one.
    elsewhere = (kinds != edits.INSERT) & _may_be_elsewhere(connection, tag_id, time_us, inputs)
    return EditSet(table, elsewhere), rows


def _may_be_elsewhere(
    connection: sqlite3.Connection, tag_id: Int64Array, time_us: Int64Array, inputs: Sequence[CatalogueEntry]
) -> BoolArray:
    """bool[n]: a sample of that tag and time may be in the buffer, held back, or in a file that is not merged."""
    found: BoolArray = np.zeros(len(tag_id), np.bool_)
    for first_us, last_us in connection.execute("select first_us, last_us from batch"):
        found |= (time_us >= first_us) & (time_us <= last_us)
    merged = {file.number for file in inputs}
    for file in catalogue.entries(connection):
        if file.number not in merged:
            in_time = (time_us >= file.first_us) & (time_us <= file.last_us)
            found |= in_time & (tag_id >= file.first_tag) & (tag_id <= file.last_tag)
    if len(tag_id):
        pending = current.pending(current.merge([current.decode(*group) for group in current.read(connection)]))
        for waiting in (pending, held.samples(connection)):
            found |= _are_among(tag_id, time_us, waiting.tag_id, waiting.time_us)
    return found


def _are_among(tag_id: Int64Array, time_us: Int64Array, tags: Int32Array, times_us: Int64Array) -> BoolArray:
    known = set(zip(tags.tolist(), times_us.tolist(), strict=True))
    return np.array([key in known for key in zip(tag_id.tolist(), time_us.tolist(), strict=True)], np.bool_)


def forget(connection: sqlite3.Connection, chosen: EditSet, rows: Sequence[edits.Row]) -> bool:
    """Remove the edits that are written into files now, inside the caller's transaction.

    One that was changed meanwhile stays and goes on hiding what was written.  False when one is not there any more:
    then what was written for it is wrong, and the caller takes everything back.
    """
    folded = [rows[place] for place in np.flatnonzero(chosen.folded).tolist()]
    now = [_row_of(connection, row) for row in folded]
    if any(row is None for row in now):
        return False
    unchanged = [row for row, other in zip(folded, now, strict=True) if row == other]
    connection.executemany("delete from edit where tag_id = ? and time_us = ?", (row[:2] for row in unchanged))
    if unchanged:
        state.edits_changed(connection)
    return True


def _row_of(connection: sqlite3.Connection, row: edits.Row) -> edits.Row | None:
    found: edits.Row | None = connection.execute(
        f"select {_COLUMNS} from edit where tag_id = ? and time_us = ?",  # noqa: S608 - constants
        row[:2],
    ).fetchone()
    return found


def count(chosen: Iterable[EditSet]) -> int:
    """How many edits were written into files."""
    return sum(int(each.folded.sum()) for each in chosen)
