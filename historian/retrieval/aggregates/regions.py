"""Time and area between neighbouring samples, by the kind of what was known then: what the simple bounds lead to.

A region runs from one sample (or the start bound) to the next (or the end bound).  It is Bad where it begins with a bad
one; otherwise a step has the kind of its start, a line is Uncertain where either end is, and where its end is bad the
value holds and is Uncertain.  Past the end of data, nothing is known after one more region of the least length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from historian.model.samples import FloatArray, IndexArray, Int64Array, UInt32Array
from historian.retrieval.aggregates.bounds import Bounds
from historian.retrieval.aggregates.kinds import Kinds, RowList
from historian.retrieval.aggregates.pieces import Pieces
from historian.retrieval.aggregates.runs import sums_of_whole
from historian.retrieval.series import Series

GOOD: Final = 0
UNCERTAIN: Final = 1
BAD: Final = 2


@dataclass(frozen=True, slots=True)
class Strip:
    """At most one region of each piece: ``length_us`` int64[p], 0 where there is none.

    ``start`` and ``end`` float64[p], the values at its ends; ``kind`` and ``start_kind`` (of the start alone) intp[p].
    """

    length_us: Int64Array
    start: FloatArray
    end: FloatArray
    kind: IndexArray
    start_kind: IndexArray

    def time(self, kinds: IndexArray, kind: int) -> Int64Array:
        """The length where ``kinds`` (one of the two) is ``kind``, else 0."""
        return np.where(kinds == kind, self.length_us, 0)

    @property
    def area(self) -> FloatArray:
        """Value times microseconds; 0 where Bad."""
        return np.where(self.kind == BAD, 0.0, (self.start + self.end) * (self.length_us / 2))


@dataclass(frozen=True, slots=True)
class Times:
    """How much of each piece is Good, Uncertain and Bad, in microseconds (int64[p] each)."""

    good: Int64Array
    uncertain: Int64Array
    bad: Int64Array

    @property
    def whole(self) -> Int64Array:
        """All of the time."""
        return self.good + self.uncertain + self.bad


class Regions:
    """The regions of pieces: those between two samples inside, and the strips at the edges.

    ``bounds`` are the simple bounds at the earlier and the later edges of the pieces.
    """

    def __init__(
        self, series: Series, kinds: Kinds, pieces: Pieces, bounds: tuple[Bounds, Bounds], *, resolution_us: int
    ) -> None:
        self._series = series
        self._kinds = kinds
        self._pieces = pieces
        self._starts, self._ends = bounds
        self._resolution_us = resolution_us
        self.stepped = pieces.low.stepped
        self.first = pieces.low.at + pieces.low.hit
        self.stop = np.maximum(pieces.high.at, self.first)
        self._inside = self.stop > self.first

    @cached_property
    def strips(self) -> tuple[Strip, Strip, Strip]:
        """Up to the first sample inside, from the last one on, and past the end of data."""
        return self._head(), self._tail, self._grace()

    def _head(self) -> Strip:
        """From the start bound to the first sample; of a piece before all data the whole, which is Bad."""
        low_us = self._pieces.low.time_us
        row = np.minimum(self.first, len(self._series.time_us) - 1)
        length_us = np.where(self._inside, self._series.time_us[row] - low_us, 0)
        length_us = np.where(self._pieces.before, self._pieces.high.time_us - low_us, length_us)
        return self._strip(length_us, self._starts.value, self._start_kind, self._series.value[row], self._kind_of(row))

    @cached_property
    def _start_kind(self) -> IndexArray:
        return _kind_of_status(self._starts.status)

    def _kind_of(self, row: IndexArray) -> IndexArray:
        """Good, Uncertain or Bad of samples."""
        kinds = np.zeros(len(row), np.intp)
        kinds[self._kinds.uncertain.holds(row)] = UNCERTAIN
        kinds[self._kinds.bad.holds(row)] = BAD
        return kinds

    @cached_property
    def _last(self) -> tuple[Int64Array, FloatArray, IndexArray]:
        """Time, value and kind of the last sample of each piece, or of its start bound where it has none."""
        row = np.maximum(self.stop - 1, 0)
        return (
            np.where(self._inside, self._series.time_us[row], self._pieces.low.time_us),
            np.where(self._inside, self._series.value[row], self._starts.value),
            np.where(self._inside, self._kind_of(row), self._start_kind),
        )

    @cached_property
    def _tail(self) -> Strip:
        """From the last sample to the end bound, or to the end of data, up to where it holds."""
        pieces = self._pieces
        last_us, value, kind = self._last
        until_us = np.minimum(pieces.high.time_us, pieces.high.known_us)
        length_us = np.where(pieces.outside, 0, until_us - last_us)
        end = np.where(pieces.trailing, value, self._ends.value)
        end_kind = np.where(pieces.trailing, kind, _kind_of_status(self._ends.status))
        return self._strip(length_us, value, kind, end, end_kind)

    def _grace(self) -> Strip:
        """What is still said of the time right after the end of data."""
        pieces = self._pieces
        _, value, kind = self._last
        until_us = np.minimum(pieces.high.time_us, pieces.high.known_us + self._resolution_us)
        length_us = np.where(pieces.trailing, until_us - pieces.high.known_us, 0)
        return self._strip(length_us, value, kind, np.full(len(value), np.nan), np.full(len(value), BAD))

    def _strip(
        self, length_us: Int64Array, start: FloatArray, start_kind: IndexArray, end: FloatArray, end_kind: IndexArray
    ) -> Strip:
        """A region of each piece by the kinds of its ends."""
        line = np.where(end_kind == BAD, UNCERTAIN, np.maximum(start_kind, end_kind))
        kind = np.where(self.stepped | (start_kind == BAD), start_kind, line)
        held = self.stepped | (end_kind == BAD)
        return Strip(length_us, start, np.where(held, start, end), kind, start_kind)

    @cached_property
    def by_start(self) -> Times:
        """Time by the kind of what a region begins with."""
        bad = self.between(self._kinds.bad)
        uncertain = self.between(self._kinds.uncertain)
        return self._with_strips(self._all_between - bad - uncertain, uncertain, bad, by_start=True)

    @cached_property
    def by_kind(self) -> Times:
        """Time by the kind of the regions."""
        bad = self.between(self._kinds.bad)
        uncertain = self.between(self._kinds.uncertain)
        if self._kinds.not_good and not self.stepped.all():
            uncertain = np.where(self.stepped, uncertain, self.between(self._uncertain_lines))
        return self._with_strips(self._all_between - bad - uncertain, uncertain, bad, by_start=False)

    @property
    def _uncertain_lines(self) -> RowList:
        """The samples from which a line is Uncertain: they or the next are, or the next is bad and they are not."""
        doubtful = self._kinds.bad.union(self._kinds.uncertain)
        rows = np.union1d(doubtful.rows, doubtful.rows - 1)
        return RowList(np.setdiff1d(rows[rows >= 0], self._kinds.bad.rows, assume_unique=True))

    @cached_property
    def _all_between(self) -> Int64Array:
        """The time from the first to the last sample inside each piece."""
        times = self._series.time_us
        first = np.minimum(self.first, len(times) - 1)
        return np.where(self._inside, times[np.maximum(self.stop - 1, 0)] - times[first], 0)

    def between(self, starts: RowList) -> Int64Array:
        """The time of those regions between two samples inside a piece that begin with a sample of ``starts``."""
        if not starts:
            return np.zeros(len(self.first), np.int64)
        times = self._series.time_us
        length_us = times[np.minimum(starts.rows + 1, len(times) - 1)] - times[starts.rows]
        return sums_of_whole(length_us, starts.rows, self.first, self.stop - 1)

    def _with_strips(self, good: Int64Array, uncertain: Int64Array, bad: Int64Array, *, by_start: bool) -> Times:
        sums = [good, uncertain, bad]
        for strip in self.strips:
            kinds = strip.start_kind if by_start else strip.kind
            sums = [each + strip.time(kinds, kind) for kind, each in enumerate(sums)]
        return Times(*sums)


def _kind_of_status(status: UInt32Array) -> IndexArray:
    """Good, Uncertain or Bad of status codes."""
    return np.asarray(np.minimum(status >> np.uint32(30), BAD), np.intp)
