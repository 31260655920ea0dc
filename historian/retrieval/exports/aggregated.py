"""Aggregates over steps: a row for each tag and step, or a row a step and columns for the tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray
from historian.model.status import severity
from historian.retrieval.aggregates import AggregateOptions, AggregateRows
from historian.retrieval.exports.form import Form, Part, cuts
from historian.retrieval.exports.grid import SAMPLES_A_ROW
from historian.retrieval.exports.tag_columns import about
from historian.retrieval.functions.aggregate import aggregated
from historian.retrieval.functions.columns import TIME
from historian.retrieval.functions.frame import Frame
from historian.retrieval.functions.reading import Reading, times
from historian.retrieval.intervals import Intervals
from historian.retrieval.windows import Windows
from storage.arrays import chosen_texts, column


class AggregateForm(Form):
    """``tag``, ``time``, a column for each of ``names``, ``percent_good``, and the worst of their qualities."""

    def __init__(self, reading: Reading, rows: IndexArray, intervals: Intervals, names: Sequence[str]) -> None:
        super().__init__(reading, rows)
        self._intervals = intervals
        self._names = list(dict.fromkeys(names))
        self.steps = len(intervals)
        values = [(name, pa.float64()) for name in self._names]
        self.schema = pa.schema(
            [("tag", pa.string()), ("time", TIME), *values, ("percent_good", pa.float64()), ("quality", pa.string())]
        )

    def cost(self) -> FloatArray:
        """float64[k]: values, and samples that are read for them."""
        low_us, high_us = int(self._intervals.start_us[0]), int(self._intervals.end_us[-1])
        samples = self.reading.samples_about(self.rows, low_us, high_us)
        return self.steps * len(self._names) + samples / SAMPLES_A_ROW

    def rows_about(self) -> int:
        """Exactly how many rows there are."""
        return self.steps * len(self.rows)

    def table(self, part: Part) -> pa.Table:
        """The aggregates of a part."""
        found, intervals = self._aggregated(part)
        row = np.arange(len(part.rows) * len(intervals))
        by_name = found.value.reshape(-1, len(self._names))
        worst = np.maximum.reduce(found.status.reshape(-1, len(self._names)) >> np.uint32(30), axis=1)
        percent = found.percent_good.reshape(-1, len(self._names))[:, 0].copy()
        columns = {
            "tag": self.reading.names(part.rows[row // len(intervals)]),
            "time": times(intervals.start_us[row % len(intervals)]),
            "percent_good": column(percent, pa.float64(), missing=np.isnan(percent)),
            "quality": chosen_texts([severity(code << 30).label for code in range(4)], worst.astype(np.intp)),
        }
        return pa.table(columns | {name: _numbers(by_name[:, place]) for place, name in enumerate(self._names)})

    def _aggregated(self, part: Part) -> tuple[AggregateRows, Intervals]:
        intervals = Intervals(
            self._intervals.start_us[part.first : part.end], self._intervals.end_us[part.first : part.end]
        )
        asked = Frame(intervals, Windows.whole(intervals))
        options = AggregateOptions()
        as_bad = options.treat_uncertain_as_bad
        series = self.reading.series(part.rows, asked.low_us, asked.high_us, uncertain_as_bad=as_bad)
        return aggregated(self.reading, (part.rows, series), asked, self._names, options), intervals


class WideAggregateForm(AggregateForm):
    """``time``, and for each tag a column of its name, or one for each aggregate: ``FIC101.PV.Maximum``."""

    def __init__(self, reading: Reading, rows: IndexArray, intervals: Intervals, names: Sequence[str]) -> None:
        super().__init__(reading, rows, intervals, names)
        alone = len(self._names) == 1
        fields = [
            pa.field(tag["tag"] if alone else f"{tag['tag']}.{name}", pa.float64(), metadata=about(tag))
            for tag in reading.tag_rows(rows)
            for name in self._names
        ]
        self.schema = pa.schema([pa.field("time", TIME, nullable=False), *fields])

    def rows_about(self) -> int:
        """Exactly how many rows there are."""
        return self.steps

    def parts(self) -> Iterator[Part]:
        """All tags, in pieces of time."""
        for low, high in pairwise(cuts(self.steps, float(self.cost().sum()))):
            yield Part(self.rows, low, high)

    def table(self, part: Part) -> pa.Table:
        """The aggregates of a part of the time."""
        found, intervals = self._aggregated(part)
        cube = found.value.reshape(len(part.rows), len(intervals), len(self._names))
        columns = [_numbers(cube[tag, :, name]) for tag in range(len(part.rows)) for name in range(len(self._names))]
        return pa.Table.from_arrays([times(intervals.start_us), *columns], schema=self.schema)


def _numbers(value: FloatArray) -> pa.Array:
    return column(np.ascontiguousarray(value), pa.float64(), missing=np.isnan(value))
