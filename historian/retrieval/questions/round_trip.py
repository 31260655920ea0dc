"""How long a tag takes from entering a state until it enters it again: the cycle of a batch, a pump, a valve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import FloatArray, IndexArray, Int64Array
from historian.retrieval.questions.blocks import in_blocks
from historian.retrieval.questions.lookup import every_tag, rows_from
from historian.retrieval.questions.ragged import laid_out, reduced, safe_ratio, starts_of, sums
from historian.retrieval.questions.state_runs import StateRuns, state_runs
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """A row for each state that has a round trip in a row of the answer, in the order of answers and values or texts.

    ``answer`` intp[r]: the row of the answer, which are all intervals of the first tag, then of the second ...; ``row``
    intp[r]: a sample in that state; ``count``, ``shortest_us``, ``longest_us``, ``total_us`` int64[r], ``average_us``
    float64[r] of the round trips.
    """

    answer: IndexArray
    row: IndexArray
    count: Int64Array
    shortest_us: Int64Array
    longest_us: Int64Array
    total_us: Int64Array
    average_us: FloatArray


@dataclass(frozen=True, slots=True)
class _Trips:
    """From entering ``state`` at ``start_us`` to entering it again at ``end_us``, by tag and start.

    ``starts`` as in a Series; ``row``: the sample of the entry.
    """

    starts: IndexArray
    row: IndexArray
    state: Int64Array
    start_us: Int64Array
    end_us: Int64Array


def round_trip(series: Series, windows: Windows, intervals: int) -> RoundTrips:
    """The round trips of all tags that begin and end in one of ``windows``, which are of a number of ``intervals``.

    A round trip is the time between two entries into a state that follow each other.  One with a Bad interval in it is
    left out: an entry may have been missed.
    """
    return in_blocks(series, windows, intervals, _in_windows)


def _in_windows(series: Series, windows: Windows, intervals: int) -> RoundTrips:
    trips = _trips(state_runs(series), len(series))
    window, trip = _inside(trips, windows, len(series))
    answer = (window // len(windows)) * intervals + windows.row[window % len(windows)]
    order = np.lexsort((trips.state[trip], answer))
    trip, answer = trip[order], answer[order]
    key = answer * (trips.state.max(initial=0) + 1) + trips.state[trip]
    first = starts_of(key)
    group = np.searchsorted(key[first], key)
    length_us = (trips.end_us - trips.start_us)[trip]
    count, total_us = (sums(column, group, len(first)) for column in (np.ones(len(trip), np.int64), length_us))
    return RoundTrips(
        answer[first],
        trips.row[trip[first]],
        count,
        reduced(np.minimum, length_us, group, len(first), np.int64(0)),
        reduced(np.maximum, length_us, group, len(first), np.int64(0)),
        total_us,
        safe_ratio(total_us, count),
    )


def _trips(runs: StateRuns, tags: int) -> _Trips:
    tag = np.repeat(np.arange(tags), np.diff(runs.starts))
    entry = np.flatnonzero(runs.is_entry & runs.begins)
    entry = entry[np.lexsort((entry, runs.state[entry], tag[entry]))]
    gaps = np.cumsum(runs.state < 0)
    again, former = entry[1:], entry[:-1]
    follows = (tag[again] == tag[former]) & (runs.state[again] == runs.state[former]) & (gaps[again] == gaps[former])
    former, again = former[follows], again[follows]
    order = np.argsort(former)
    former, again = former[order], again[order]
    starts = np.searchsorted(former, runs.starts)
    return _Trips(starts, runs.row[former], runs.state[former], runs.start_us[former], runs.start_us[again])


def _inside(trips: _Trips, windows: Windows, tags: int) -> tuple[IndexArray, IndexArray]:
    """Each window (tag by tag) with each trip that begins and ends in it."""
    count = len(trips.row)
    steps = np.ones(tags, np.bool_)
    begins = Series(
        trips.starts, trips.start_us, np.empty(count), np.empty(count, np.uint32), steps, np.empty(tags, np.int64)
    )
    tag, from_us = every_tag(begins, windows.start_us)
    _, until_us = every_tag(begins, windows.end_us)
    low, high = rows_from(begins, tag, from_us), rows_from(begins, tag, until_us)
    window, trip = laid_out(low, high - low)
    ends = trips.end_us[trip] <= until_us[window]
    return window[ends], trip[ends]
