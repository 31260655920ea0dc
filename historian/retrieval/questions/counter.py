"""How much a counter counted in each interval, over rollovers and resets.

The increment from one usable sample to the next is what was counted between the two.  Where the tag lies on lines it is
shared out evenly over that time, so that an interval between two samples gets its part.  For a step tag, over a Bad
interval and at a reset nobody knows when it was counted; there it counts at the later sample, and when that lies on the
edge of two intervals, in the earlier: it was counted before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from historian.errors import UnusableValueError
from historian.model.samples import EXACT_LIMIT, BoolArray, FloatArray, IndexArray, Int64Array
from historian.model.status import BAD_NO_DATA, is_bad
from historian.retrieval.questions.blocks import in_blocks
from historian.retrieval.questions.measures import Measures, percent_good, status_by_time
from historian.retrieval.questions.ragged import sums
from historian.retrieval.questions.stretches import Stretches, cut_at
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

PLAUSIBLE_SHARE: Final = 0.5
"""A drop is a rollover when forwards is the shorter way: at most this share of the range was counted since the sample
before.  100 after 9,900 of 10,000 is 200 forwards or 9,800 back; 100 after 300 is no rollover."""


@dataclass(frozen=True, slots=True)
class CounterRules:
    """How drops are understood.

    ``rollover``: the value at which the counter shows 0 again (10,000 for four digits, 2**32); None when it never does.
    ``deadband``: drops of at most this are corrections, which count as negative increments.  ``max_rate_per_s``: in the
    place of PLAUSIBLE_SHARE, a drop is a rollover when the counter could count so fast.  Raises UnusableValueError for
    limits that cannot be.
    """

    rollover: float | None = None
    deadband: float = 0.0
    max_rate_per_s: float | None = None

    def __post_init__(self) -> None:
        if self.rollover is not None and not self.rollover > 0:
            raise UnusableValueError(f"{self.rollover:g}", "a rollover greater than 0")
        if not self.deadband >= 0:
            raise UnusableValueError(f"{self.deadband:g}", "a deadband of 0 or more")
        if self.max_rate_per_s is not None and not self.max_rate_per_s > 0:
            raise UnusableValueError(f"{self.max_rate_per_s:g}", "a largest rate greater than 0 per second")


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in each row of the answer: ``delta``, and ``resets``, ``rollovers`` int64[a] met on the way.

    At a reset what was counted since the sample before it and until it is lost: there ``delta`` is the least that was
    counted.
    """

    delta: Measures
    resets: Int64Array
    rollovers: Int64Array


def counter(series: Series, windows: Windows, intervals: int, rules: CounterRules | None = None) -> Counted:
    """The sum of increments in each of ``windows``, which are of a number of ``intervals``; of all tags in turn.

    After a drop that is no rollover the counter was reset, and what it shows was counted since.
    """
    return in_blocks(series, windows, intervals, partial(_counted, rules=rules or CounterRules()))


def _counted(series: Series, windows: Windows, intervals: int, *, rules: CounterRules) -> Counted:
    met, stretches = _increments(series, rules), cut_at(series, windows, intervals)
    row, following = stretches.row, np.minimum(stretches.row + 1, len(series.time_us) - 1)
    arrives = stretches.end_us == series.time_us[following]
    share = stretches.length_us / np.maximum(series.time_us[following] - series.time_us[row], 1)
    counted = met.spread[row] * share + np.where(arrives, met.at_once[row], 0.0)
    answer, answers = stretches.answer, stretches.answers
    return Counted(
        _delta(
            sums(counted, answer, answers),
            stretches,
            sums((arrives & met.is_one[row]).astype(np.int64), answer, answers),
        ),
        sums((arrives & met.is_reset[row]).astype(np.int64), answer, answers),
        sums((arrives & met.is_rollover[row]).astype(np.int64), answer, answers),
    )


def _delta(value: FloatArray, stretches: Stretches, arrivals: Int64Array) -> Measures:
    """What arrives at the end of an otherwise Bad interval is known, too."""
    is_known = (stretches.good_us > 0) | (arrivals > 0)
    status = np.where(is_known, status_by_time(stretches), np.uint32(BAD_NO_DATA))
    return Measures(np.where(is_known, value, np.nan), status, percent_good(stretches))


@dataclass(frozen=True, slots=True)
class _Increments:
    """What is counted from each of ``n`` samples to the next, of whatever status.

    ``spread`` float64[n] evenly over that time, ``at_once`` float64[n] with the next sample; ``is_one`` bool[n]: there
    is an increment at all, ``is_reset``, ``is_rollover`` bool[n]: across such a drop.
    """

    spread: FloatArray
    at_once: FloatArray
    is_one: BoolArray
    is_reset: BoolArray
    is_rollover: BoolArray


def _increments(series: Series, rules: CounterRules) -> _Increments:
    usable = np.flatnonzero(~np.isnan(series.value) & ~is_bad(series.status))
    tag = np.searchsorted(series.starts, usable, side="right") - 1
    same = tag[1:] == tag[:-1]
    before, after, tag = usable[:-1][same], usable[1:][same], tag[1:][same]
    change, forwards = _changes(series, before, after, rules.rollover)
    drops = change < -rules.deadband
    rolls = drops & _plausible(series, before, after, forwards, rules)
    resets = drops & ~rolls
    counted = np.where(rolls, forwards, np.where(resets, np.maximum(series.value[after], 0.0), change))
    is_even = (before == after - 1) & ~series.stepped[tag] & ~resets
    # What happens up to ``after`` belongs to the stretch that ends there.
    place, count = after - 1, len(series.time_us)
    return _Increments(
        _scattered(place, np.where(is_even, counted, 0.0), count),
        _scattered(place, np.where(is_even, 0.0, counted), count),
        _marked(place, count),
        _marked(place[resets], count),
        _marked(place[rolls], count),
    )


def _scattered(place: IndexArray, values: FloatArray, count: int) -> FloatArray:
    found = np.zeros(count)
    found[place] = values
    return found


def _marked(place: IndexArray, count: int) -> BoolArray:
    found = np.zeros(count, np.bool_)
    found[place] = True
    return found


def _changes(
    series: Series, before: IndexArray, after: IndexArray, rollover: float | None
) -> tuple[FloatArray, FloatArray]:
    """How much higher each counter is ``after``, and how far it went if it rolled over (NaN where it never does)."""
    change = series.value[after] - series.value[before]
    forwards = change + (np.nan if rollover is None else rollover)
    large = np.flatnonzero(np.maximum(np.abs(series.value[before]), np.abs(series.value[after])) > EXACT_LIMIT)
    # A loop, because these numbers have more digits than a double: few counters ever count that far.
    for pair in large.tolist():
        exact = _number(series, int(after[pair])) - _number(series, int(before[pair]))
        change[pair] = exact
        if rollover is not None:
            forwards[pair] = exact + (int(rollover) if rollover == int(rollover) else rollover)
    return change, forwards


def _number(series: Series, row: int) -> int | float:
    value = float(series.value[row])
    return series.exact.get(row, int(value) if value.is_integer() else value)


def _plausible(
    series: Series, before: IndexArray, after: IndexArray, forwards: FloatArray, rules: CounterRules
) -> BoolArray:
    """Whether a drop can be a rollover; False everywhere without one."""
    if rules.rollover is None:
        return np.zeros(len(before), np.bool_)
    most = np.full(len(before), PLAUSIBLE_SHARE * rules.rollover)
    if rules.max_rate_per_s is not None:
        most = rules.max_rate_per_s * (series.time_us[after] - series.time_us[before]) / 1e6
    inside = (series.value[after] >= 0) & (series.value[before] <= rules.rollover)
    return inside & (forwards >= 0) & (forwards <= most)
