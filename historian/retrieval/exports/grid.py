"""Values on a grid: a row for each tag and time, or a row a time and a column a tag."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray, Int64Array
from historian.retrieval.exports.form import Form, Part, cuts
from historian.retrieval.exports.tag_columns import tag_field, values_of
from historian.retrieval.functions.columns import INTERPOLATED_COLUMNS, TIME
from historian.retrieval.functions.interpolated import rows_on_grid
from historian.retrieval.functions.reading import Reading, times
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.bounding import ValuesAt
from historian.retrieval.questions.interpolated import interpolated
from historian.retrieval.series import Series

SAMPLES_A_ROW: Final = 8
"""Reading so many samples costs what a row of an answer does."""


class GridForm(Form):
    """The value of each tag at the beginning of each interval; by tag and time."""

    schema = INTERPOLATED_COLUMNS

    def __init__(self, reading: Reading, rows: IndexArray, intervals: Intervals) -> None:
        super().__init__(reading, rows)
        self._grid_us = intervals.start_us
        self._end_us = int(intervals.end_us[-1])
        self.steps = len(intervals)

    def cost(self) -> FloatArray:
        """float64[k]: rows, and samples that are read for them."""
        samples = self.reading.samples_about(self.rows, int(self._grid_us[0]), self._end_us)
        return self.steps + samples / SAMPLES_A_ROW

    def rows_about(self) -> int:
        """Exactly how many rows there are."""
        return self.steps * len(self.rows)

    def table(self, part: Part) -> pa.Table:
        """The values of a part."""
        grid_us = self._grid_us[part.first : part.end]
        return rows_on_grid(self.reading, self._series(part.rows, grid_us), part.rows, grid_us)

    def _series(self, rows: IndexArray, grid_us: Int64Array) -> Series:
        return self.reading.series(rows, int(grid_us[0]), int(grid_us[-1]) + 1)


class WideForm(GridForm):
    """The same, a row a time and a column a tag, of the type that keeps its values."""

    def __init__(self, reading: Reading, rows: IndexArray, intervals: Intervals) -> None:
        super().__init__(reading, rows, intervals)
        self._fields = [tag_field(row) for row in reading.tag_rows(rows)]
        self.schema = pa.schema([pa.field("time", TIME, nullable=False), *self._fields])

    def rows_about(self) -> int:
        """Exactly how many rows there are."""
        return self.steps

    def parts(self) -> Iterator[Part]:
        """All tags, in pieces of time."""
        pieces = cuts(self.steps, float(self.cost().sum()))
        for low, high in pairwise(pieces):
            yield Part(self.rows, low, high)

    def table(self, part: Part) -> pa.Table:
        """The values of a part of the time."""
        grid_us = self._grid_us[part.first : part.end]
        series = self._series(self.rows, grid_us)
        found = interpolated(series, grid_us)
        columns = [self._column(series, found, place, len(grid_us)) for place in range(len(self.rows))]
        return pa.Table.from_arrays([times(grid_us), *columns], schema=self.schema)

    def _column(self, series: Series, found: ValuesAt, place: int, count: int) -> pa.Array:
        mine = slice(place * count, (place + 1) * count)
        one = ValuesAt(found.tag[mine], found.time_us[mine], found.row[mine], found.value[mine], found.status[mine])
        return values_of(self._fields[place].type, series, one)
