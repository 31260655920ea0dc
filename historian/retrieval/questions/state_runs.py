"""How long tags stayed in their states: samples that say the same, one after the other, are one run.

A state is a code, a boolean or a text.  Samples without a value, whatever their status, are runs of not knowing the
state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.model.status import is_bad
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class StateRuns:
    """``r`` runs by tag and time; runs ``starts[i]`` to ``starts[i + 1]`` are those of tag i.

    ``row`` intp[r]: the first sample; ``start_us``, ``end_us`` int64[r]: until the next run or the end of data;
    ``state`` int64[r]: a number for each different state, ascending with its value or text, -1 where it is not known;
    ``before`` intp[r]: the last run of the tag before with a known state, -1 for none; ``begins``, ``ends`` bool[r]:
    it was seen to begin out of another known state, to end into one.
    """

    starts: IndexArray
    row: IndexArray
    start_us: Int64Array
    end_us: Int64Array
    state: Int64Array
    before: IndexArray
    begins: BoolArray
    ends: BoolArray

    @property
    def is_entry(self) -> BoolArray:
        """bool[r]: the tag came into a state that it was not in when it was last known."""
        entry: BoolArray = (self.state >= 0) & (self.before >= 0) & (self.state != self.state[self.before])
        return entry

    def as_series(self, series: Series) -> Series:
        """The runs as samples of step tags, valued with their states: to be cut at intervals."""
        value = np.where(self.state < 0, np.nan, self.state)
        steps = np.ones(len(series), np.bool_)
        status = series.status[self.row]
        return Series(self.starts, self.start_us, value, status, steps, series.known_us)


def state_runs(series: Series) -> StateRuns:
    """The runs of all tags of ``series``."""
    keys = _keys(series)
    is_first = np.zeros(len(series.time_us), np.bool_)
    is_first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    filled = np.diff(series.starts) > 0
    is_first[series.starts[:-1][filled]] = True
    row = np.flatnonzero(is_first)
    starts = np.searchsorted(row, series.starts)
    end_us = np.append(series.time_us[row[1:]], 0)[: len(row)]
    end_us[starts[1:][filled] - 1] = series.known_us[filled]
    state = _numbered([key[row] for key in keys])
    return StateRuns(starts, row, series.time_us[row], end_us, state, *_neighbours(starts, state))


def _keys(series: Series) -> list[FloatArray | Int64Array]:
    """Columns that are the same for equal states: the rank of a text (-1 for a number, -2 for none), and the number."""
    kind = np.where(is_bad(series.status) | np.isnan(series.value), -2, -1)
    number = np.where(kind == -1, series.value, 0.0)
    if series.text:
        # A loop over texts, which are no arrays anyway.
        ranks = {text: rank for rank, text in enumerate(sorted(set(series.text.values())))}
        kind[np.fromiter(series.text, np.intp)] = [ranks[text] for text in series.text.values()]
    if not series.exact:
        return [kind, number]
    rest = np.zeros(len(number), np.int64)
    rest[np.fromiter(series.exact, np.intp)] = [exact - int(number[row]) for row, exact in series.exact.items()]
    return [kind, number, rest]


def _numbered(keys: list[FloatArray | Int64Array]) -> Int64Array:
    """Numbers from 0 that ascend with the keys; -1 for none."""
    order = np.lexsort(keys[::-1])
    is_new = np.zeros(len(order), np.bool_)
    is_new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(is_new)
    return number - int((keys[0] == -2).any())


def _neighbours(starts: IndexArray, state: Int64Array) -> tuple[IndexArray, BoolArray, BoolArray]:
    """``before``, ``begins`` and ``ends`` of runs."""
    known = state >= 0
    tag = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    newest = np.maximum.accumulate(np.where(known, np.arange(len(state)), -1))
    before = np.concatenate([[-1], newest[:-1]])[: len(state)]
    before[before < starts[tag]] = -1
    both = known[1:] & known[:-1] & (tag[1:] == tag[:-1])
    return before, np.concatenate([[False], both])[: len(state)], np.concatenate([both, [False]])[: len(state)]
