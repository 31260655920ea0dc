"""The area under the values of each piece of time: over regions, or along lines that leave bad samples out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from historian.model.samples import FloatArray, Int64Array
from historian.retrieval.aggregates.areas import Areas
from historian.retrieval.aggregates.bounds import Bounds
from historian.retrieval.aggregates.kinds import Kinds
from historian.retrieval.aggregates.pieces import Pieces
from historian.retrieval.aggregates.regions import Regions
from historian.retrieval.aggregates.runs import Runs
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class Integral:
    """Of each piece (both of length p) the ``area`` in value times microseconds and the time it ``covers_us``."""

    area: FloatArray
    covers_us: Int64Array


class Integrals:
    """Areas of pieces."""

    def __init__(self, series: Series, kinds: Kinds, pieces: Pieces, regions: Regions) -> None:
        self._series = series
        self._bad = kinds.bad
        self._pieces = pieces
        self._regions = regions

    @cached_property
    def of_regions(self) -> Integral:
        """Over the regions that are not Bad."""
        times = self._regions.by_kind
        area = sum((strip.area for strip in self._regions.strips), self._between_samples)
        return Integral(area, times.good + times.uncertain)

    def of_lines(self, starts: Bounds, ends: Bounds) -> Integral:
        """Along lines from bound to bound over all usable samples inside; from the first of them without a start bound.

        ``starts`` and ``ends`` are the interpolated bounds at the earlier and the later edges.
        """
        times, values = self._series.time_us, self._series.value
        low_us, high_us = self._pieces.low.time_us, self._pieces.high.time_us
        first, last = self._bad.next_other(self._regions.first), self._bad.last_other(self._regions.stop - 1)
        inside = first <= last
        first, last = np.where(inside, first, 0), np.where(inside, last, 0)
        from_us = np.where(starts.missing, np.where(inside, times[first], high_us), low_us)
        from_us = np.where(self._pieces.outside, high_us, from_us)
        head = _trapezoid(np.where(inside, times[first] - from_us, 0), starts.value, values[first])
        tail_us = high_us - np.where(inside, times[last], from_us)
        tail = _trapezoid(tail_us, np.where(inside, values[last], starts.value), ends.value)
        return Integral(self._on_lines + head + tail, high_us - from_us)

    @cached_property
    def _runs(self) -> Runs:
        """The usable samples inside each piece."""
        return Runs.of(self._regions.first, self._regions.stop, self._bad)

    @cached_property
    def _line_sums(self) -> FloatArray:
        """Along the lines within each run."""
        return Areas(self._series.time_us, self._series.value, stepped=False).sums(self._runs)

    @cached_property
    def _on_lines(self) -> FloatArray:
        """Along lines between the usable samples inside each piece, also over the bad ones between them."""
        runs, times, values = self._runs, self._series.time_us, self._series.value
        area = self._line_sums.copy()
        goes_on = np.flatnonzero(runs.asked[1:] == runs.asked[:-1])
        before, after = runs.stop[goes_on] - 1, runs.first[goes_on + 1]
        area[goes_on] += _trapezoid(times[after] - times[before], values[before], values[after])
        return runs.combined(np.add, area, 0)

    @cached_property
    def _between_samples(self) -> FloatArray:
        """Between the samples inside each piece, from each usable one to the next or to the bad one that follows."""
        runs, times, values = self._runs, self._series.time_us, self._series.value
        area = self._step_or_line_sums.copy()
        cut = np.flatnonzero(runs.stop < self._regions.stop[runs.asked])
        bad = runs.stop[cut]
        area[cut] += values[bad - 1] * (times[bad] - times[bad - 1])
        return runs.combined(np.add, area, 0)

    @property
    def _step_or_line_sums(self) -> FloatArray:
        """Within each run, by whether its tag is stepped."""
        steps = self._regions.stepped[self._runs.asked]
        if not steps.any():
            return self._line_sums
        series, found = self._series, np.zeros(len(steps))
        for stepped in (True, False):
            areas = Areas(series.time_us, series.value, stepped=stepped)
            found[steps == stepped] = areas.sums(self._runs.take(steps == stepped))
        return found


def _trapezoid(length_us: Int64Array, start: FloatArray, end: FloatArray) -> FloatArray:
    """The area under a line; 0 where it has no length, whatever the values."""
    return np.where(length_us > 0, (start + end) * (length_us / 2), 0.0)
