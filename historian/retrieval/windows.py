"""The parts of each interval that count: only while a pump ran, only within a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import IndexArray, Int64Array
from historian.retrieval.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Windows:
    """``w`` windows, none of them empty, each inside the interval ``row`` (intp[w], ascending), in the order of time.

    ``start_us``, ``end_us`` int64[w].  Edges belong to a window as they do to its interval: [start, end), or
    (start, end] in reverse.  Time outside the windows counts for nothing.  An interval may have none.
    """

    row: IndexArray
    start_us: Int64Array
    end_us: Int64Array

    @classmethod
    def whole(cls, intervals: Intervals) -> Windows:
        """One window an interval: all of it."""
        return cls(np.arange(len(intervals)), intervals.start_us, intervals.end_us)

    def __len__(self) -> int:
        return len(self.row)
