"""Times that do not overlap, as conditions give them: joined, shared, turned round, and laid over intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.ragged import laid_out
from historian.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class Spans:
    """``s`` spans [start, end), none empty, in the order of time, with time between them.

    ``start_us``, ``end_us`` int64[s].
    """

    start_us: Int64Array
    end_us: Int64Array

    def __len__(self) -> int:
        return len(self.start_us)

    @classmethod
    def of(cls, start_us: Int64Array, end_us: Int64Array) -> Spans:
        """All time in any of the intervals given, which may overlap, touch, be empty or in any order."""
        filled = start_us < end_us
        order = np.argsort(start_us[filled], kind="stable")
        starts, ends = start_us[filled][order], end_us[filled][order]
        if not len(starts):
            return cls(starts, ends)
        reached = np.maximum.accumulate(ends)
        first = np.concatenate([[True], starts[1:] > reached[:-1]])
        last = np.concatenate([first[1:], [True]])
        return cls(starts[first], reached[last])

    def either(self, other: Spans) -> Spans:
        """Time in one or the other or both."""
        return Spans.of(np.append(self.start_us, other.start_us), np.append(self.end_us, other.end_us))

    def both(self, other: Spans) -> Spans:
        """Time in both."""
        _, start_us, end_us = _overlaps(self.start_us, self.end_us, other)
        return Spans.of(start_us, end_us)

    def outside(self, start_us: int, end_us: int) -> Spans:
        """Time in [start, end) that is in none of these."""
        starts = np.concatenate([[start_us], self.end_us]).astype(np.int64)
        ends = np.concatenate([self.start_us, [end_us]]).astype(np.int64)
        return Spans.of(np.maximum(starts, start_us), np.minimum(ends, end_us))

    def longer_than(self, least_us: int) -> Spans:
        """Those that last at least so long."""
        kept = self.end_us - self.start_us >= least_us
        return Spans(self.start_us[kept], self.end_us[kept])

    def contain(self, time_us: Int64Array) -> BoolArray:
        """Which of ``time_us`` int64[t] are in a span: bool[t], of the same shape."""
        place = np.searchsorted(self.start_us, time_us, side="right")
        ends = np.concatenate([[np.iinfo(np.int64).min], self.end_us])
        inside: BoolArray = time_us < ends[place]
        return inside

    def windows_of(self, intervals: Intervals) -> Windows:
        """The parts of each of ``intervals`` that are in a span."""
        return Windows(*_overlaps(intervals.start_us, intervals.end_us, self))


def _overlaps(start_us: Int64Array, end_us: Int64Array, spans: Spans) -> tuple[IndexArray, Int64Array, Int64Array]:
    """The number of an interval, start and end of each of its parts that are in ``spans``."""
    first = np.searchsorted(spans.end_us, start_us, side="right")
    stop = np.searchsorted(spans.start_us, end_us, side="left")
    row, span = laid_out(first, np.maximum(stop - first, 0))
    return row, np.maximum(start_us[row], spans.start_us[span]), np.minimum(end_us[row], spans.end_us[span])
