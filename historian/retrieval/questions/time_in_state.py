"""How long and how often tags were in each of their states, interval by interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.retrieval.questions.blocks import in_blocks
from historian.retrieval.questions.ragged import reduced, safe_ratio, starts_of, sums
from historian.retrieval.questions.state_runs import state_runs
from historian.retrieval.questions.stretches import cut_at
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class Stays:
    """``s`` stays, or parts of them: their number and length."""

    count: Int64Array
    shortest_us: Int64Array
    longest_us: Int64Array
    average_us: FloatArray


@dataclass(frozen=True, slots=True)
class TimeInState:
    """A row for each state met in each row of the answer, in the order of the answer, of values or of texts.

    ``answer`` intp[r]: the row of the answer, which are all intervals of the first tag, then of the second ...;
    ``row`` intp[r]: a sample in that state, -1 for the time in which the state is not known, so that the durations of
    an interval add up to its length; ``duration_us`` int64[r], ``percent`` float64[r] of the interval's time;
    ``entries`` int64[r]: how often the tag came into the state from another.  ``stays`` are all, cut at the edges;
    ``contained`` those that were seen to begin and to end inside.  Where there is none, lengths are 0 and the average
    NaN.
    """

    answer: IndexArray
    row: IndexArray
    duration_us: Int64Array
    percent: FloatArray
    entries: Int64Array
    stays: Stays
    contained: Stays


def time_in_state(series: Series, windows: Windows, intervals: int) -> TimeInState:
    """The time of all tags in each state in ``windows``, which are of a number of ``intervals``.

    An entry at the very start of an interval is one of it, in both directions of reading.  After a Bad interval a stay
    is new, and an entry only if the state is another than before.
    """
    return in_blocks(series, windows, intervals, _in_states)


def _in_states(series: Series, windows: Windows, intervals: int) -> TimeInState:
    parts = _parts(series, windows, intervals)
    group = np.cumsum(_is_new(parts.answer) | _is_new(parts.state)) - 1
    first = starts_of(group)
    duration_us = sums(parts.length_us, group, len(first))
    return TimeInState(
        parts.answer[first],
        parts.row[first],
        duration_us,
        100.0 * safe_ratio(duration_us, parts.width_us[parts.answer[first]]),
        sums(parts.is_entry.astype(np.int64), group, len(first)),
        _stays(parts.length_us, group, len(first)),
        _stays(parts.length_us[parts.is_whole], group[parts.is_whole], len(first)),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """Stays cut at the edges of windows, by row of the answer and state; time without a known state comes last.

    ``width_us`` int64[a] is all time of each row of the answer.
    """

    answer: IndexArray
    state: Int64Array
    row: IndexArray
    length_us: Int64Array
    is_entry: BoolArray
    is_whole: BoolArray
    width_us: Int64Array


def _parts(series: Series, windows: Windows, intervals: int) -> _Parts:
    runs = state_runs(series)
    cut = cut_at(runs.as_series(series), windows, intervals)
    begins = cut.start_us == runs.start_us[cut.row]
    ends = cut.end_us == runs.end_us[cut.row]
    before, after = np.flatnonzero(cut.before_us), np.flatnonzero(cut.after_us)
    more = len(before) + len(after)
    answer = np.concatenate([cut.answer, before, after])
    state = np.concatenate([runs.state[cut.row], np.full(more, -1)])
    known = state >= 0
    order = np.lexsort((state, ~known, answer))
    return _Parts(
        answer[order],
        state[order],
        np.where(known, np.concatenate([runs.row[cut.row], np.full(more, -1)]), -1)[order],
        np.concatenate([cut.length_us, cut.before_us[before], cut.after_us[after]])[order],
        np.concatenate([begins & runs.is_entry[cut.row], np.zeros(more, np.bool_)])[order],
        np.concatenate([begins & ends & runs.begins[cut.row] & runs.ends[cut.row], np.zeros(more, np.bool_)])[order],
        cut.width_us,
    )


def _is_new(column: NDArray[np.int64]) -> BoolArray:
    """True where a value differs from the one before, and for the first."""
    return np.concatenate([[True], column[1:] != column[:-1]])[: len(column)]


def _stays(length_us: Int64Array, group: IndexArray, groups: int) -> Stays:
    count = sums(np.ones(len(group), np.int64), group, groups)
    return Stays(
        count,
        reduced(np.minimum, length_us, group, groups, np.int64(0)),
        reduced(np.maximum, length_us, group, groups, np.int64(0)),
        safe_ratio(sums(length_us, group, groups), count),
    )
