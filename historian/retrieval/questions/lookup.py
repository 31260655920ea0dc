"""Where an instant stands among the samples of its tag: the search that all questions about instants begin with."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.retrieval.series import Series

MANY: Final = 24
"""From so many instants a tag on, a binary search for each tag alone is faster than one for all tags in lock step."""


def every_tag(series: Series, time_us: Int64Array) -> tuple[IndexArray, Int64Array]:
    """``tag`` and ``time_us`` of each of the instants for each tag: all of the first tag, then all of the second ..."""
    tags = np.arange(len(series), dtype=np.intp)
    return np.repeat(tags, len(time_us)), np.tile(time_us, len(series))


def rows_after(series: Series, tag: IndexArray, time_us: Int64Array) -> IndexArray:
    """Of each instant the first row of its tag that is later; the tag's end (``starts[tag + 1]``) when none is.

    ``tag`` intp[q] and ``time_us`` int64[q] are in any order; fastest when ``tag`` ascends and its times do, too.
    """
    return _search(series, tag, time_us, "right")


def rows_from(series: Series, tag: IndexArray, time_us: Int64Array) -> IndexArray:
    """Of each instant the first row of its tag that is at it or later, as :func:`rows_after`."""
    return _search(series, tag, time_us, "left")


def _search(series: Series, tag: IndexArray, time_us: Int64Array, side: Literal["left", "right"]) -> IndexArray:
    if np.any(tag[1:] < tag[:-1]):
        order = np.argsort(tag, kind="stable")
        found = np.empty(len(tag), np.intp)
        found[order] = _search(series, tag[order], time_us[order], side)
        return found
    if len(tag) < MANY * len(series):
        return _in_lock_step(series, tag, time_us, side)
    return _tag_by_tag(series, tag, time_us, side)


def _tag_by_tag(series: Series, tag: IndexArray, time_us: Int64Array, side: Literal["left", "right"]) -> IndexArray:
    found = np.empty(len(tag), np.intp)
    cuts = np.searchsorted(tag, np.arange(len(series) + 1)).tolist()
    starts = series.starts.tolist()
    # A loop over tags: each has many instants to find.
    for one in range(len(series)):
        times = series.time_us[starts[one] : starts[one + 1]]
        low, high = cuts[one], cuts[one + 1]
        found[low:high] = times.searchsorted(time_us[low:high], side)
        found[low:high] += starts[one]
    return found


def _in_lock_step(series: Series, tag: IndexArray, time_us: Int64Array, side: Literal["left", "right"]) -> IndexArray:
    """Bisection of all instants at once, each between the ends of its tag; a loop over the halvings."""
    low, high = series.starts[tag], series.starts[tag + 1]
    while (open_ := low < high).any():
        middle = np.where(open_, (low + high) // 2, 0)
        sample = series.time_us[middle]
        is_before: BoolArray = open_ & (sample <= time_us if side == "right" else sample < time_us)
        low = np.where(is_before, middle + 1, low)
        high = np.where(open_ & ~is_before, middle, high)
    return low
