"""Each change of a tag's state: when, from what, to what, and how long it had been as it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.retrieval.questions.lookup import rows_from
from historian.retrieval.questions.state_runs import state_runs
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class StateChanges:
    """``c`` changes by tag and time.

    ``tag`` intp[c]; ``time_us`` int64[c]; ``row``, ``from_row`` intp[c]: a sample of the new and of the former state,
    Bad where no state was known.  ``lasted_us`` int64[c]: how long the former had lasted; at least so long where
    ``was_seen_to_begin`` bool[c] is False, because it began after a Bad interval or before the samples at hand.
    """

    tag: IndexArray
    time_us: Int64Array
    row: IndexArray
    from_row: IndexArray
    lasted_us: Int64Array
    was_seen_to_begin: BoolArray


def state_changes(series: Series, start_us: int, end_us: int) -> StateChanges:
    """All changes of state in [start, end), those to and from Bad among them."""
    runs = state_runs(series)
    tag = np.repeat(np.arange(len(series)), np.diff(runs.starts))
    has_former = np.ones(len(tag), np.bool_)
    has_former[runs.starts[:-1][np.diff(runs.starts) > 0]] = False
    to = np.flatnonzero(has_former & (runs.start_us >= start_us) & (runs.start_us < end_us))
    former = to - 1
    # Of what was before the range only the sample next to it is at hand for certain: the run may be longer.
    newest = np.maximum(rows_from(series, tag[to], np.full(len(to), start_us, np.int64)) - 1, 0)
    is_early = runs.start_us[former] < start_us
    since_us = np.where(is_early, series.time_us[newest], runs.start_us[former])
    # A Bad interval begins when the first Bad sample says so.
    seen = ~is_early & (runs.begins[former] | ((runs.state[former] < 0) & has_former[former]))
    return StateChanges(tag[to], runs.start_us[to], runs.row[to], runs.row[former], runs.start_us[to] - since_us, seen)
