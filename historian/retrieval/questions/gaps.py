"""Where there are no good data, and of which tags there are none of late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD_NO_DATA, is_bad
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class Gaps:
    """``g`` gaps by tag and time.

    ``tag`` intp[g]; ``start_us``, ``end_us`` int64[g]; ``status`` uint32[g] of its Bad samples, BadNoData before the
    first sample and after the end of data; ``row`` intp[g]: the first of its Bad samples, -1 where there is none.
    """

    tag: IndexArray
    start_us: Int64Array
    end_us: Int64Array
    status: UInt32Array
    row: IndexArray


def gaps(series: Series, start_us: int, end_us: int) -> Gaps:
    """The time in [start, end), cut at its ends, in which no value is known.

    A Bad interval lasts from its first Bad sample to the next that is not; another Bad status is another gap.
    """
    tags, filled = np.arange(len(series)), np.diff(series.starts) > 0
    begin_us = np.full(len(series), np.iinfo(np.int64).max)
    begin_us[filled] = series.time_us[series.starts[:-1][filled]]
    row, bad_end_us = _bad_runs(series)
    bad = Gaps(
        np.searchsorted(series.starts, row, side="right") - 1, series.time_us[row], bad_end_us, series.status[row], row
    )
    before = _without_data(tags, np.full(len(tags), start_us), begin_us)
    after = _without_data(tags[filled], series.known_us[filled], np.full(filled.sum(), end_us))
    return _cut(before, bad, after, start_us, end_us)


def _without_data(tag: IndexArray, start_us: Int64Array, end_us: Int64Array) -> Gaps:
    return Gaps(tag, start_us, end_us, np.full(len(tag), BAD_NO_DATA, np.uint32), np.full(len(tag), -1, np.intp))


def _bad_runs(series: Series) -> tuple[IndexArray, Int64Array]:
    """The first row of each run of equal Bad statuses, and when the run ends."""
    is_first = np.zeros(len(series.time_us), np.bool_)
    is_first[1:] = series.status[1:] != series.status[:-1]
    filled = np.diff(series.starts) > 0
    is_first[series.starts[:-1][filled]] = True
    run = np.flatnonzero(is_first)
    end_us = np.append(series.time_us[run[1:]], 0)[: len(run)]
    end_us[np.searchsorted(run, series.starts[1:][filled]) - 1] = series.known_us[filled]
    bad = is_bad(series.status[run])
    return run[bad], end_us[bad]


def _cut(before: Gaps, bad: Gaps, after: Gaps, start_us: int, end_us: int) -> Gaps:
    """All that is in [start, end), by tag and time."""
    parts = (before, bad, after)
    tag = np.concatenate([part.tag for part in parts])
    starts = np.maximum(np.concatenate([part.start_us for part in parts]), start_us)
    ends = np.minimum(np.concatenate([part.end_us for part in parts]), end_us)
    order = np.lexsort((starts, tag))
    order = order[(starts < ends)[order]]
    status, row = np.concatenate([part.status for part in parts]), np.concatenate([part.row for part in parts])
    return Gaps(tag[order], starts[order], ends[order], status[order], row[order])


def stale(newest_us: Int64Array, last_scan_us: Int64Array, now_us: int, older_than_us: int) -> BoolArray:
    """bool[k]: which tags nothing was heard of for longer than ``older_than_us``.

    ``newest_us`` int64[k]: the newest sample, ``last_scan_us`` int64[k]: when the source last answered; a tag that has
    none has the smallest int64 there.  A value that does not change is not stale while its source answers.
    """
    heard_us = np.maximum(newest_us, last_scan_us)
    limit: BoolArray = heard_us < now_us - older_than_us
    return limit
