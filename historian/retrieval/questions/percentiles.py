"""Percentiles by time: the value that a tag stayed at or below for so many per cent of the good time.

Exact for steps and lines alike.  On a line the value is spread evenly between its ends, so the share of time at or
below x is a polygon in x, with an upright where a value was held.  It is bent only at ends of stretches: the bend next
to the answer is found by halving, all rows of the answer at once, and the answer lies on the straight part before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from historian.errors import UnusableValueError
from historian.model.samples import BoolArray, FloatArray, IndexArray
from historian.retrieval.questions.measures import Measures, measured
from historian.retrieval.questions.ragged import reduced, safe_ratio, starts_of, sums
from historian.retrieval.questions.stretches import Stretches


def percentiles(stretches: Stretches, percents: Sequence[float]) -> tuple[Measures, ...]:
    """For each of ``percents`` (0 to 100) the smallest value that the tag was at or below for that share of good time.

    0 is the smallest value there was, 100 the largest.  Raises UnusableValueError for what is no percentage.
    """
    for percent in percents:
        if not 0 <= percent <= 100:
            raise UnusableValueError(f"{percent:g}", "a percentage from 0 to 100")
    spread = _Spread.of(stretches.with_values())
    with np.errstate(over="ignore"):
        found = [_quantile(spread, stretches.answers, percent / 100) for percent in percents]
    return tuple(measured(values, stretches) for values in found)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Over which values the time of each stretch is spread.

    ``weight`` float64[p] of ``group`` intp[p] evenly from ``low`` to ``high`` float64[p], or all at one value where
    these are the same.
    """

    low: FloatArray
    high: FloatArray
    weight: FloatArray
    group: IndexArray

    @classmethod
    def of(cls, good: Stretches) -> _Spread:
        low, high = np.minimum(good.first, good.last), np.maximum(good.first, good.last)
        return cls(low, high, good.length_us.astype(np.float64), good.answer)

    def only(self, kept: BoolArray) -> _Spread:
        return _Spread(self.low[kept], self.high[kept], self.weight[kept], self.group[kept])

    def at_or_below(self, value: FloatArray) -> FloatArray:
        """How much weight of each stretch is at or below ``value`` float64[groups]; 0 where that is NaN."""
        asked = value[self.group]
        # In halves, because the distance of two doubles may not be one.
        extent, reach = self.high * 0.5 - self.low * 0.5, asked * 0.5 - self.low * 0.5
        share = np.divide(reach, extent, out=(reach >= 0).astype(np.float64), where=extent > 0)
        return np.where(np.isnan(asked), 0.0, self.weight * share.clip(0.0, 1.0))

    def bends(self, above: FloatArray, below: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Any one end of a stretch strictly between two values of each group (float64[groups]); NaN where is none."""
        ends = np.stack([self.low, self.high], axis=1).ravel()
        group = np.repeat(self.group, 2)
        inside = (ends > above[group]) & (ends < below[group])
        ends, group = ends[inside], group[inside]
        begins = starts_of(group)
        counts = np.diff(np.append(begins, len(group)))
        found = np.full(len(above), np.nan)
        # By chance: the middle one would be the largest, time and again, where a value rises and falls.
        found[group[begins]] = ends[begins + (rng.random(len(begins)) * counts).astype(np.intp)]
        return found


def _quantile(spread: _Spread, groups: int, share: float) -> FloatArray:
    """float64[groups]: the smallest value with ``share`` of the weight of each group at or below it.

    It is above ``above`` and at or below ``below``, which come closer until no stretch ends between them.  What is
    wholly at or below the one is weighed once (``base``), what is above the other not at all, so that each round looks
    at fewer.
    """
    target = share * sums(spread.weight, spread.group, groups)
    above, below = np.full(groups, -np.inf), reduced(np.maximum, spread.high, spread.group, groups, np.float64(np.nan))
    base, rng = np.zeros(groups), np.random.default_rng(0)
    while not np.isnan(bend := spread.bends(above, below, rng)).all():
        reached = base + sums(spread.at_or_below(bend), spread.group, groups) >= target
        below = np.where(~np.isnan(bend) & reached, bend, below)
        above = np.where(~np.isnan(bend) & ~reached, bend, above)
        passed = spread.high <= above[spread.group]
        base += sums(np.where(passed, spread.weight, 0.0), spread.group, groups)
        spread = spread.only(~passed & (spread.low < below[spread.group]))
    # Those that are left go from ``above`` or less to ``below`` or more, evenly.
    spread = spread.only(spread.low < below[spread.group])
    start = base + sums(spread.at_or_below(above), spread.group, groups)
    density = sums(spread.weight / (spread.high * 0.5 - spread.low * 0.5), spread.group, groups)
    return np.fmin(2.0 * (above * 0.5 + safe_ratio(target - start, density)), below)
