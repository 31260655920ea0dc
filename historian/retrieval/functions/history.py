"""``history``: the stored samples, what bounds them, and what people noted about their time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from historian.errors import HistorianError, UnusableValueError, UsageError
from historian.model.samples import BoolArray, IndexArray, Int64Array, Samples, take_extras
from historian.model.status import INTERPOLATED
from historian.retrieval.functions.arguments import choice, count
from historian.retrieval.functions.columns import HISTORY_COLUMNS
from historian.retrieval.functions.reading import Reading, concatenated
from historian.retrieval.history import FIRST_US, LAST_US
from historian.retrieval.long_table import long_table
from historian.retrieval.questions.raw_read import BOUNDARIES, RawRead, raw_read
from historian.retrieval.series import Series
from storage.arrays import chosen_texts, numpy_of

_KINDS: Final = ("sample", "bound", "interpolated")


def history(
    reading: Reading,
    tags: object,
    start: object = None,
    end: object = None,
    *,
    boundary: object = "inside",
    max_rows: object = None,
) -> pa.Table:
    """The samples of tags from ``start`` up to ``end``, backwards when that is earlier; columns as HISTORY_COLUMNS.

    Without ``start`` from the first sample, without ``end`` to the newest.  ``max_rows``: at most so many of each tag.
    See :func:`historian.retrieval.questions.raw_read.raw_read`.  Raises UsageError.
    """
    way = choice("boundary", "inside" if boundary is None else boundary, BOUNDARIES)
    limit = 0 if max_rows is None else count("max_rows", max_rows)
    start_us = FIRST_US if start is None else reading.instant_us("start", start)
    end_us = LAST_US if end is None else reading.instant_us("end", end)
    low_us, high_us = min(start_us, end_us), max(start_us, end_us)
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), low_us, high_us):
        try:
            found = raw_read(series, start_us, end_us, max_rows=limit, boundary=way)
        except UnusableValueError as error:
            raise UsageError(f"cannot read samples: {error}") from error
        parts.append(_table(reading, series, rows, found, (start_us, end_us)))
    return concatenated(parts, HISTORY_COLUMNS)


def _table(reading: Reading, series: Series, rows: IndexArray, found: RawRead, range_us: tuple[int, int]) -> pa.Table:
    of_tag = rows[found.tag]
    samples = Samples(
        reading.tags.tag_id[of_tag], found.time_us, found.value, found.status,
        take_extras(series.exact, found.row), take_extras(series.text, found.row),
    )  # fmt: skip
    if reading.versions_of is None:
        raise HistorianError("cannot read samples: this connection was made without the versions of tags")
    table = long_table(samples, of_tag, reading.tags, reading.versions_of, "UTC")
    outside = _is_outside(found.time_us, *range_us)
    is_made = (found.status & np.uint32(INTERPOLATED)) == INTERPOLATED
    kind = np.where(is_made, 2, outside.astype(np.intp))
    table = table.append_column("kind", chosen_texts(_KINDS, kind))
    return table.append_column("note", notes_on(reading, of_tag, found.time_us))


def _is_outside(time_us: Int64Array, start_us: int, end_us: int) -> BoolArray:
    """bool[r]: neither in [start, end) nor, where that is read backwards, in (end, start]."""
    if start_us > end_us:
        return (time_us > start_us) | (time_us <= end_us)
    return (time_us < start_us) | (time_us >= end_us)


def notes_on(reading: Reading, rows: IndexArray, time_us: Int64Array) -> pa.Array:
    """What people noted about tags (``rows``, one a time) at times: the texts, with '; ' between them; null for none.

    Loops over the notes on these tags, which are few.
    """
    notes = reading.snapshot.annotations
    texts: list[str | None] = [None]
    place = np.zeros(len(rows), np.intp)
    if len(notes):
        tag_ids, wanted = numpy_of(notes.column("tag_id"), np.int32), reading.tags.tag_id[rows]
        first_us, last_us = (numpy_of(notes.column(name), np.int64) for name in ("start", "end"))
        for number in np.flatnonzero(np.isin(tag_ids, wanted)).tolist():
            mine = (wanted == tag_ids[number]) & (time_us >= first_us[number]) & (time_us <= last_us[number])
            text = notes.column("text")[number].as_py()
            for before in np.unique(place[mine]).tolist():
                joined = text if texts[before] is None else f"{texts[before]}; {text}"
                texts.append(joined)
                place[mine & (place == before)] = len(texts) - 1
    return chosen_texts(texts, place)
