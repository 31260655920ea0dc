"""The raw samples of one tag: as they were scanned, before anything was left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import is_bad

US_PER_DAY: Final = 86_400_000_000

ROBUST_SHARE: Final = 0.001
"""This part of the values at either end does not count for the range: a broken sensor's -273.2 is not the process."""


@dataclass(frozen=True)
class RawSeries:
    """``time_us`` int64[n], strictly increasing; ``value`` float64[n], NaN where there is none; ``status`` uint32[n].

    Whole numbers that a double would round are in it as that double.  (Without slots, for what is computed once.)
    """

    time_us: Int64Array
    value: FloatArray
    status: UInt32Array

    def __len__(self) -> int:
        return len(self.time_us)

    @cached_property
    def known(self) -> BoolArray:
        """bool[n]: a number that is not Bad."""
        known: BoolArray = ~is_bad(self.status) & ~np.isnan(self.value)
        return known

    @cached_property
    def stretch(self) -> IndexArray:
        """intp[n]: the number of the stretch of known samples of equal status that a sample belongs to.

        What is not known has a number too, one that no known sample has.
        """
        begins = np.ones(len(self), np.bool_)
        begins[1:] = (self.known[1:] != self.known[:-1]) | (self.status[1:] != self.status[:-1])
        number: IndexArray = np.cumsum(begins)
        return number

    @cached_property
    def numbers(self) -> FloatArray:
        """The known values alone."""
        return self.value[self.known]

    @cached_property
    def different(self) -> FloatArray:
        """The known values in rising order, each once."""
        # Not numpy's unique, which takes seven times as long for numbers that never come again.
        ordered = np.sort(self.numbers)
        is_new = np.ones(len(ordered), np.bool_)
        is_new[1:] = ordered[1:] != ordered[:-1]
        return ordered[is_new]

    @cached_property
    def covered_us(self) -> int:
        """How much time the known samples stand for: up to the next sample each, the last for none."""
        if len(self) < 2:
            return 0
        return int(np.diff(self.time_us)[self.known[:-1]].sum())

    @property
    def days(self) -> float:
        """The same in days."""
        return self.covered_us / US_PER_DAY

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The range of the values without the outermost of either end; (0, 0) when there are none."""
        if not len(self.numbers):
            return 0.0, 0.0
        low, high = np.quantile(self.numbers, (ROBUST_SHARE, 1 - ROBUST_SHARE), method="closest_observation")
        return float(low), float(high)

    @property
    def observed_span(self) -> float:
        """The size of that range."""
        low, high = self.limits
        return high - low
