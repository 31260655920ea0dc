"""The extremes of samples in each piece: the value, which sample has it first, and how many have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.retrieval.aggregates.answer import NO_ROW
from historian.retrieval.aggregates.pieces import Rows
from historian.retrieval.aggregates.remainders import Remainders
from historian.retrieval.aggregates.runs import LaidOut, Runs

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
    found = [_of_laid_out(each, end, remainders) for each in runs.in_order(value)]
    columns = zip(*((each.value, each.rest, each.count, each.sample) for each in found), strict=True)
    return found[0] if len(found) == 1 else Candidates(*map(np.concatenate, columns))


def _of_laid_out(laid: LaidOut, end: End, remainders: Remainders) -> Candidates:
    runs = laid.runs
    best = runs.combined(end.ufunc, runs.reduced(end.ufunc, laid.column), end.worst)
    holders = _rows_of(laid.column, runs, best[runs.asked])
    rest = np.zeros(runs.total, np.int64)
    if remainders:
        holders, rest = _closest(holders, laid, end, remainders)
    begins, count = _positions(holders, runs)
    there = count > 0
    first = np.full(len(runs), _LAST)
    first[there] = holders[begins[there]] + laid.moved[there]
    count = runs.combined(np.add, count, 0)
    sample = np.where(count > 0, runs.combined(np.minimum, first, _LAST), NO_ROW)
    return Candidates(best, rest, count, sample)


def _rows_of(column: FloatArray, runs: Runs, wanted: FloatArray) -> IndexArray:
    """The rows, ascending, where ``column`` has the value that is ``wanted`` of their run (float64, one a run)."""
    found = [np.empty(0, np.intp)]
    for which, part in runs.blocks():
        low, high = part.first[0], part.stop[-1]
        found.append(np.flatnonzero(column[low:high] == part.spread(wanted[which])) + low)
    return np.concatenate(found)


def _positions(rows: IndexArray, runs: Runs) -> tuple[IndexArray, IndexArray]:
    """Where those of ``rows`` (ascending) that are in each run begin, and how many they are."""
    begins = np.searchsorted(rows, runs.first)
    return begins, np.searchsorted(rows, runs.stop) - begins


def _closest(holders: IndexArray, laid: LaidOut, end: End, remainders: Remainders) -> tuple[IndexArray, Int64Array]:
    """Those of the rows with the most extreme remainder of their range, and that remainder (int64, one a range)."""
    runs = laid.runs
    begins, count = _positions(holders, runs)
    rest, there = remainders.at(holders + np.repeat(laid.moved, count)), count > 0
    of_runs = np.full(len(runs), end.worst_rest)
    if there.any():
        of_runs[there] = end.ufunc.reduceat(rest, begins[there])
    best = runs.combined(end.ufunc, of_runs, end.worst_rest)
    return holders[rest == np.repeat(best[runs.asked], count)], best
