"""The extremes of samples in each piece: the value, which sample has it first, and how many have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.retrieval.aggregates.answer import NO_ROW
from historian.retrieval.aggregates.pieces import Rows
from historian.retrieval.aggregates.remainders import Remainders
from historian.retrieval.aggregates.runs import Runs

ScalarT = TypeVar("ScalarT", np.int64, np.intp, np.uint32, np.bool_)

_LAST: Final = np.iinfo(np.intp).max


@dataclass(frozen=True, slots=True)
class End:
    """One end of the scale, minimum or maximum: its ufunc and what loses against everything."""

    ufunc: np.ufunc
    worst: float

    @property
    def worst_rest(self) -> int:
        """What loses against every remainder."""
        limits = np.iinfo(np.int64)
        return limits.max if self.worst > 0 else limits.min


LOWEST: Final = End(np.minimum, np.inf)
HIGHEST: Final = End(np.maximum, -np.inf)


@dataclass(frozen=True, slots=True)
class Candidates:
    """``c`` values in each of ``p`` pieces in the order of time, any shape but the same for all columns.

    ``value`` float64 with its ``rest`` (int64, see Remainders); ``count`` intp, how many samples have it, 0 where there
    is none; ``sample`` intp, the row of the first of them, or NO_ROW for a value that no sample has.
    """

    value: FloatArray
    rest: Int64Array
    count: IndexArray
    sample: IndexArray

    def best(self, end: End, rows: Rows) -> Winners:
        """The extreme of each row of pieces."""
        there = self.count > 0
        best = rows.over(end.ufunc, np.where(there, self.value, end.worst), end.worst)
        holds = there & (self.value == self._spread(rows, best))
        rest = rows.over(end.ufunc, np.where(holds, self.rest, end.worst_rest), end.worst_rest)
        holds &= self.rest == self._spread(rows, rest)
        numbers = np.arange(holds.size).reshape(holds.shape)
        number = rows.over(np.minimum, np.where(holds, numbers, _LAST), _LAST)
        count = rows.total_of(np.where(holds, self.count, 0))
        there = count > 0
        number = np.where(there, number, NO_ROW)
        return Winners(best, np.where(there, rest, 0), count, picked(self.sample, number, NO_ROW), number)

    def _spread(self, rows: Rows, found: FloatArray | Int64Array) -> FloatArray | Int64Array:
        spread = rows.spread(found)
        return spread if self.value.ndim == 1 else spread[:, None]


@dataclass(frozen=True, slots=True)
class Winners:
    """The extreme of each of ``r`` rows: ``value`` float64[r] and ``rest`` int64[r], ``count`` of samples that have it.

    ``number`` intp[r]: the oldest candidate that has it, ``sample`` intp[r]: its row in the series; or NO_ROW.
    """

    value: FloatArray
    rest: Int64Array
    count: IndexArray
    sample: IndexArray
    number: IndexArray

    @property
    def there(self) -> BoolArray:
        """True where a row has any."""
        return self.count > 0

    def beyond(self, other: Winners, end: End) -> BoolArray:
        """True where these lie further at that end than the others do."""
        further, rest_further = self.value > other.value, self.rest > other.rest
        if end is LOWEST:
            further, rest_further = self.value < other.value, self.rest < other.rest
        return further | (np.equal(self.value, other.value) & rest_further)


def picked(candidates: NDArray[ScalarT], number: IndexArray, fill: ScalarT | int) -> NDArray[ScalarT]:
    """What each candidate ``number`` has; ``fill`` where that is NO_ROW."""
    column = candidates.ravel()
    if not len(column):
        return np.full(len(number), fill, column.dtype)
    return np.where(number == NO_ROW, fill, column[number])


def of_samples(value: FloatArray, runs: Runs, end: End, remainders: Remainders) -> Candidates:
    """The extreme of the rows of ``value`` (float64[n]) in each range of the runs, one candidate a range."""
    best = runs.combined(end.ufunc, runs.reduced(end.ufunc, value), end.worst)
    rest = _best_rest(value, runs, best, end, remainders) if remainders else np.zeros(runs.total, np.int64)
    count, first = np.zeros(len(runs), np.intp), np.full(len(runs), _LAST)
    for doubles in _holders(value, runs, best):
        holders = doubles.closest(remainders, rest) if remainders else doubles
        some = holders.counts > 0
        count[holders.numbers] = holders.counts
        first[holders.numbers[some]] = holders.rows[holders.begins[some]]
    count = runs.combined(np.add, count, 0)
    sample = np.where(count > 0, runs.combined(np.minimum, first, _LAST), NO_ROW)
    return Candidates(best, rest, count, sample)


@dataclass(frozen=True, slots=True)
class _Holders:
    """``rows`` intp[h] with the extreme value, by run: those of each of ``runs`` begin at ``begins`` (intp[s]).

    ``numbers`` intp[s]: the numbers of the runs among all.
    """

    numbers: IndexArray
    runs: Runs
    rows: IndexArray
    begins: IndexArray

    @property
    def counts(self) -> IndexArray:
        return np.diff(self.begins, append=len(self.rows))

    def closest(self, remainders: Remainders, rest: Int64Array) -> _Holders:
        """Those whose remainder is also that of their range (int64, one a range)."""
        which = remainders.at(self.rows) == np.repeat(rest[self.runs.asked], self.counts)
        before = np.concatenate([np.zeros(1, np.intp), np.cumsum(which)])
        return _Holders(self.numbers, self.runs, self.rows[which], before[self.begins])


def _holders(value: FloatArray, runs: Runs, best: FloatArray) -> Iterator[_Holders]:
    """The rows that have the extreme of their range, a block of runs at a time."""
    for numbers, part in runs.blocks():
        beside = part.beside(value, best[part.asked])
        hits = np.flatnonzero(beside.values == beside.of_runs)
        begins = np.searchsorted(hits, beside.begins)
        counts = np.diff(begins, append=len(hits))
        yield _Holders(numbers, part, hits + np.repeat(part.first - beside.begins, counts), begins)


def _best_rest(value: FloatArray, runs: Runs, best: FloatArray, end: End, remainders: Remainders) -> Int64Array:
    """The most extreme remainder of those rows whose double is the extreme (int64, one a range)."""
    found = np.full(len(runs), end.worst_rest)
    for holders in _holders(value, runs, best):
        some = holders.counts > 0
        if some.any():
            rest = remainders.at(holders.rows)
            found[holders.numbers[some]] = end.ufunc.reduceat(rest, holders.begins[some])
    return runs.combined(end.ufunc, found, end.worst_rest)
