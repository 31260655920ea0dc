"""What a trend draws: of each pixel column the first, last, smallest and largest sample, and where the line breaks.

Those four with their times give the same pixels as all samples would (M4: Jugel, Jerzak, Hackenbroich, Markl,
"M4: A Visualization-Oriented Time Series Data Aggregation", PVLDB 7, 2014), so a year is drawn from as few points as
an hour.  M4 knows no gaps; here a Bad sample is kept wherever the line between two points would hide one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.errors import UnusableValueError
from historian.model.samples import FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import INTERPOLATED
from historian.retrieval.questions.lookup import every_tag, rows_from
from historian.retrieval.questions.ragged import laid_out, starts_of
from historian.retrieval.series import Series

MOST_PIXELS: Final = 100_000

LONG: Final = 200
"""From so many samples a column on, a look at each column for itself is faster than one at all samples together."""


@dataclass(frozen=True, slots=True)
class Plotted:
    """The points of lines, by tag and time.

    ``tag``, ``row`` intp[p]: whose point, and the sample it shows; ``time_us`` int64[p], ``value`` float64[p] (NaN
    where Bad), ``status`` uint32[p].  A step tag holds each value until the next point; for the others the line goes
    from point to point, and before a Bad point it holds.  A point with the bit INTERPOLATED is the last sample once
    more, at the end of what is known.
    """

    tag: IndexArray
    row: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array


def plot(series: Series, start_us: int, end_us: int, pixels: int) -> Plotted:
    """The points that draw ``series`` in [start_us, end_us), ``pixels`` columns wide, as all samples would.

    At most four samples and the Bad ones that part them a column, each once; and of each tag the last sample before the
    range and the first at or after its end, where its line leads out of it.  Raises UnusableValueError for no or too
    many pixels.
    """
    if not 1 <= pixels <= MOST_PIXELS:
        raise UnusableValueError(str(pixels), f"1 to {MOST_PIXELS} pixels")
    if not len(series.time_us):
        return _points(series, np.empty(0, np.intp), np.empty(0, np.intp), end_us)
    tags, edges = every_tag(series, column_edges(start_us, end_us, pixels))
    cuts = rows_from(series, tags, edges).reshape(len(series), pixels + 1)
    low, high = cuts[:, :-1].ravel(), cuts[:, 1:].ravel()
    filled = high > low
    low, high = low[filled], high[filled]
    outside, ends = _outside(series, start_us, end_us, cuts)
    gaps = np.flatnonzero(np.isnan(series.value))
    chosen = np.zeros(len(series.time_us), np.bool_)
    for rows in (low, high - 1, *_extremes(series.value, low, high, gaps), outside):
        chosen[rows] = True
    chosen[_breaks(series.value, np.flatnonzero(chosen), gaps)] = True
    return _points(series, np.flatnonzero(chosen), ends, end_us)


def column_edges(start_us: int, end_us: int, pixels: int) -> Int64Array:
    """int64[pixels + 1]: column c is drawn from the samples at or after edge c and before edge c + 1."""
    whole, rest = divmod(end_us - start_us, pixels)
    column = np.arange(pixels + 1, dtype=np.int64)
    # Split in two, because the range in microseconds times the number of pixels can pass 2^63.
    return start_us + column * whole - (-column * rest // pixels)


def _extremes(value: FloatArray, low: IndexArray, high: IndexArray, gaps: IndexArray) -> list[IndexArray]:
    """The rows of the smallest and of the largest number in each of the columns [low, high); none where all are NaN."""
    first, end, columns = _unbroken(low, high, gaps)
    if (end - first).sum() < LONG * len(first):
        part, rows = laid_out(first, end - first)
        return [_extreme_rows(extreme, value, rows, columns[part]) for extreme in (np.minimum, np.maximum)]
    smallest, largest = np.empty_like(first), np.empty_like(first)
    # A loop over columns, each of many samples.
    for place, (start, stop) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        smallest[place] = start + value[start:stop].argmin()
        largest[place] = start + value[start:stop].argmax()
    return [_extreme_rows(np.minimum, value, smallest, columns), _extreme_rows(np.maximum, value, largest, columns)]


def _unbroken(low: IndexArray, high: IndexArray, gaps: IndexArray) -> tuple[IndexArray, IndexArray, IndexArray]:
    """The columns [low, high) without the rows ``gaps``: parts [first, end), each with the number of its column."""
    if not len(gaps) or not len(low):
        return low, high, np.arange(len(low))
    points = np.sort(np.concatenate([low, high, gaps, gaps + 1]))
    first, end = points[:-1], points[1:]
    column = np.searchsorted(low, first, side="right") - 1
    is_gap = gaps[np.minimum(np.searchsorted(gaps, first), len(gaps) - 1)] == first
    kept = (first < end) & (column >= 0) & (first < high[column]) & ~is_gap
    return first[kept], end[kept], column[kept]


def _extreme_rows(extreme: np.ufunc, value: FloatArray, rows: IndexArray, columns: IndexArray) -> IndexArray:
    """The first of ``rows`` in each of ``columns`` (ascending) that has its smallest or largest value."""
    if not len(rows):
        return rows
    values, first = value[rows], starts_of(columns)
    found = np.repeat(extreme.reduceat(values, first), np.diff(np.append(first, len(rows))))
    places = np.flatnonzero(values == found)
    return rows[places[starts_of(columns[places])]]


def _outside(series: Series, start_us: int, end_us: int, cuts: IndexArray) -> tuple[IndexArray, IndexArray]:
    """The rows next to the range, and the last rows that hold until after them nothing more is known."""
    begin, end = series.starts[:-1], series.starts[1:]
    before, after = cuts[:, 0] - 1, cuts[:, -1]
    has_after = after < end
    # A last sample that does not reach the range is no part of the picture.
    reaches = (before >= begin) & ((before + 1 < end) | (series.known_us > start_us))
    last = np.where(~has_after & (end > begin), after - 1, -1)
    last = last[(last >= 0) & (reaches | (last > before))]
    tag = np.searchsorted(series.starts, last, side="right") - 1
    holds = ~np.isnan(series.value[last]) & (np.minimum(series.known_us[tag], end_us) > series.time_us[last])
    return np.concatenate([before[reaches], after[has_after]]), last[holds]


def _breaks(value: FloatArray, rows: IndexArray, gaps: IndexArray) -> IndexArray:
    """The first of ``gaps`` after each of ``rows`` that has a number, if it comes before the next of ``rows``."""
    if not len(gaps) or not len(rows):
        return gaps[:0]
    after = np.searchsorted(gaps, rows[:-1])
    found = gaps[np.minimum(after, len(gaps) - 1)]
    return found[(found > rows[:-1]) & (found < rows[1:]) & ~np.isnan(value[rows[:-1]])]


def _points(series: Series, rows: IndexArray, held: IndexArray, end_us: int) -> Plotted:
    """The points of ``rows``, and of the rows ``held`` once more at the end of what is known or asked for."""
    tag = np.searchsorted(series.starts, rows, side="right") - 1
    held_tag = np.searchsorted(series.starts, held, side="right") - 1
    places = np.searchsorted(rows, held, side="right")
    status = series.status[held] | np.uint32(INTERPOLATED)
    return Plotted(
        np.insert(tag, places, held_tag),
        np.insert(rows, places, held),
        np.insert(series.time_us[rows], places, np.minimum(series.known_us[held_tag], end_us)),
        np.insert(series.value[rows], places, series.value[held]),
        np.insert(series.status[rows], places, status),
    )
