"""Wide exports: one row a time of a regular grid, one column a tag.

Value of a tag at a time, as the simple bounding value of OPC UA Part 13 (3.1.8): the sample there; else, where the
sample before is not Bad, its value held for step tags and before a Bad sample, and the line to the next sample for
the others. So nothing is ever drawn across a Bad interval.  Before the first sample there is nothing.  After the
last, it holds for as long as the source answered, because exception reporting proves that it did not change, and
then there is nothing.

Only the first and the last sample between two grid times can matter, so DuckDB reduces the samples to these, and memory
depends on the grid alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.retrieval.history import Scope
from historian.retrieval.neighbours import Points, Reducer, sample_span
from historian.retrieval.wide_columns import WideColumn
from storage.arrays import column, numpy_of, present
from storage.columns import TIME_TYPE

CELLS: Final = 200_000
"""Cells of the grid, over all tags, that are worked on at once: about 100 MB with what DuckDB needs for them."""

MAX_ROWS: Final = 50_000
"""Rows of a batch at most, for few tags."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Times ``start_us + k * step_us`` for k from 0 up to but not including ``rows``."""

    start_us: int
    step_us: int
    rows: int

    def part(self, first: int, rows: int) -> Grid:
        """``rows`` of its times from number ``first`` on, fewer at its end."""
        return Grid(self.start_us + first * self.step_us, self.step_us, min(rows, self.rows - first))

    @property
    def times(self) -> Int64Array:
        """int64[rows], microseconds since 1970 UTC."""
        return self.start_us + self.step_us * np.arange(self.rows, dtype=np.int64)

    @property
    def end_us(self) -> int:
        """The time that would come next."""
        return self.start_us + self.step_us * self.rows


def wide_schema(columns: Sequence[WideColumn]) -> pa.Schema:
    """``time`` and the columns of the tags, with what is known of each as its metadata."""
    return pa.schema([pa.field("time", TIME_TYPE, nullable=False), *(wide.field for wide in columns)])


def read_wide(scope: Scope, columns: Sequence[WideColumn], grid: Grid) -> Iterator[pa.RecordBatch]:
    """Batches of ``time`` and a column for each of ``columns``, which are the scope's tags in their order."""
    reducer = Reducer(scope, columns)
    ends = data_ends(scope)
    rows = max(1, min(MAX_ROWS, CELLS // max(len(columns), 1)))
    schema = wide_schema(columns)
    for first in range(0, grid.rows, rows):
        part = grid.part(first, rows)
        points = reducer.around(part.start_us, part.step_us, part.rows)
        arrays = [_values(wide, place, points, part.times, ends) for place, wide in enumerate(columns)]
        yield pa.RecordBatch.from_arrays([column(part.times, TIME_TYPE), *arrays], schema=schema)


def data_ends(scope: Scope) -> dict[int, int]:
    """By tag_id, the last time its source answered, microseconds."""
    scans = scope.current.column("last_scan")
    known = present(scans)
    identifiers = numpy_of(scope.current.column("tag_id"), np.int32)[known].tolist()
    return dict(zip(identifiers, numpy_of(scans, np.int64)[known].tolist(), strict=True))


def _values(wide: WideColumn, place: int, points: Points, times: Int64Array, ends: dict[int, int]) -> pa.Array:
    low, high = np.searchsorted(points.place, [place, place + 1])
    if low == high:
        return pa.nulls(len(times), wide.field.type)
    left = np.searchsorted(points.time_us[low:high], times, side="right") - 1 + low
    valid = left >= low
    left = np.maximum(left, low)
    valid &= ~points.bad[left]
    # After the last sample it holds until the source last answered; a grid time on the sample itself is the sample.
    last_us = max(ends.get(wide.tag_id, 0), int(points.time_us[high - 1]))
    valid &= (left < high - 1) | (times <= last_us)
    if not wide.is_line:
        return wide.take(points, left, valid)
    return column(_on_the_line(points, left, np.minimum(left + 1, high - 1), times), pa.float64(), missing=~valid)


def _on_the_line(points: Points, left: IndexArray, right: IndexArray, times: Int64Array) -> FloatArray:
    """Values at ``times`` on the lines from the samples ``left`` to those ``right``; held where there is no line."""
    value: FloatArray = points.value[left].copy()
    line: BoolArray = (right > left) & ~points.bad[right] & (points.time_us[left] < times)
    start, end = left[line], right[line]
    begin_us = points.time_us[start]
    share = (times[line] - begin_us) / (points.time_us[end] - begin_us)
    # Weighted, and not start + share * difference, which overflows for values near the largest double.
    value[line] = points.value[start] * (1.0 - share) + points.value[end] * share
    return value


def grid_over(scope: Scope, step_us: int, start_us: int | None, end_us: int) -> Grid:
    """The grid from ``start_us`` up to but not including ``end_us``, as far as there is data.

    Without a start, from the multiple of the step at or before the first sample; and never past what is known.  No rows
    when there are no samples before the end.
    """
    first_us, last_us = sample_span(scope)
    if first_us is None or last_us is None:
        return Grid(end_us, step_us, 0)
    begin_us = first_us // step_us * step_us if start_us is None else start_us
    known_us = max(last_us, *data_ends(scope).values(), 0) + 1
    return Grid(begin_us, step_us, max(-(-(min(end_us, known_us) - begin_us) // step_us), 0))
