"""One question about a series: what its aggregates share, worked out once, when the first of them asks for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD, BAD_TYPE_MISMATCH, PARTIAL
from historian.retrieval.aggregates.answer import flag
from historian.retrieval.aggregates.bounds import Bounds, interpolated_bounds, simple_bounds
from historian.retrieval.aggregates.inside import Inside
from historian.retrieval.aggregates.integrals import Integrals
from historian.retrieval.aggregates.kinds import Kinds
from historian.retrieval.aggregates.notes import Notes
from historian.retrieval.aggregates.options import AggregateOptions
from historian.retrieval.aggregates.pieces import Edges, Pieces, Rows
from historian.retrieval.aggregates.regions import Regions
from historian.retrieval.aggregates.remainders import Remainders
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows


class Question:
    """``p`` pieces of time of the tags of ``series``, which make up ``r`` rows: tag by tag the intervals."""

    def __init__(
        self, series: Series, intervals: Intervals, windows: Windows, options: AggregateOptions, notes: Notes | None
    ) -> None:
        self.series = series
        self.intervals = intervals
        self.windows = windows
        self.options = options
        self.notes = notes
        tags = len(series)
        self.stepped = series.stepped if options.stepped is None else np.full(tags, options.stepped)
        self.pieces = Pieces(series, windows, self.stepped, reverse=intervals.reverse)
        self.rows = Rows(intervals, windows, tags)
        start_us, end_us = intervals.start_us, intervals.end_us
        self.time_us: Int64Array = np.tile(end_us if intervals.reverse else start_us, tags)
        self.end_us: Int64Array = np.tile(start_us if intervals.reverse else end_us, tags)

    @cached_property
    def numbers(self) -> Question:
        """The same, where samples without a number (text) are bad, for aggregates that compute."""
        if np.isfinite(self.series.value.sum()):
            return self
        without = np.flatnonzero(np.isnan(self.series.value))
        without = without[self.series.status[without] < BAD]
        if not len(without):
            return self
        status = self.series.status.copy()
        status[without] = BAD_TYPE_MISMATCH
        return Question(replace(self.series, status=status), self.intervals, self.windows, self.options, self.notes)

    def scaled(self, factor: float) -> Question:
        """The same with all values multiplied."""
        series = replace(self.series, value=self.series.value * factor, exact={})
        return Question(series, self.intervals, self.windows, self.options, self.notes)

    # --- samples

    @cached_property
    def kinds(self) -> Kinds:
        """The samples by severity."""
        return Kinds(self.series.status, uncertain_as_bad=self.options.treat_uncertain_as_bad)

    @cached_property
    def inside(self) -> Inside:
        """The samples inside each row."""
        return Inside(self.series, self.kinds, self.pieces, self.rows, self.remainders)

    @cached_property
    def remainders(self) -> Remainders:
        """What doubles leave out of large whole numbers."""
        return Remainders.of(self.series.exact, self.series.value)

    def times_of(self, samples: IndexArray) -> Int64Array:
        """The times of rows of the series; of NO_ROW, any."""
        return self.series.time_us[np.maximum(samples, 0)]

    # --- rows

    @cached_property
    def reached(self) -> BoolArray:
        """True for rows of whose time something is known (bool[r])."""
        return self.rows.any_of(~self.pieces.outside)

    @cached_property
    def partial(self) -> UInt32Array:
        """The bit Partial, where data begin or end inside a row."""
        return flag(self.reached & self.rows.any_of(self.pieces.incomplete), PARTIAL)

    # --- bounds

    @cached_property
    def low_bounds(self) -> Bounds:
        """The simple bounds at the earlier edges of the pieces."""
        return simple_bounds(self.series, self.kinds, self.pieces.low, self.kinds.bad)

    @cached_property
    def high_bounds(self) -> Bounds:
        """The simple bounds at the later edges of the pieces."""
        return simple_bounds(self.series, self.kinds, self.pieces.high, self.kinds.bad)

    @cached_property
    def line_bounds(self) -> tuple[Bounds, Bounds]:
        """The interpolated bounds at the earlier and the later edges of the pieces, on lines even for stepped tags."""
        never = np.zeros(len(self.pieces), np.bool_)
        return self.interpolated(self.pieces.low, never), self.interpolated(self.pieces.high, never)

    def interpolated(self, edges: Edges, stepped: BoolArray) -> Bounds:
        """The interpolated bounds at edges."""
        sloped_on = self.options.sloped_extrapolation
        return interpolated_bounds(self.series, self.kinds, edges, stepped=stepped, sloped_on=sloped_on)

    # --- time and area

    @cached_property
    def regions(self) -> Regions:
        """The regions of the pieces."""
        resolution_us = self.options.resolution_us
        bounds = (self.low_bounds, self.high_bounds)
        return Regions(self.series, self.kinds, self.pieces, bounds, resolution_us=resolution_us)

    @cached_property
    def integrals(self) -> Integrals:
        """The areas of the pieces."""
        return Integrals(self.series, self.kinds, self.pieces, self.regions)

    @cached_property
    def percent_good(self) -> FloatArray:
        """How much of each row's time begins with a Good sample; NaN where nothing is known of it (float64[r])."""
        times = self.regions.by_start
        good, whole = self.rows.total_of(times.good), self.rows.total_of(times.whole)
        percent = 100 * good / np.where(self.reached, whole, 1)
        return np.where(self.reached, percent, np.nan)
