"""The samples inside each row: how many of which kind, their mean, spread and extremes."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray
from historian.retrieval.aggregates.extremes import HIGHEST, LOWEST, Candidates, End, Winners, of_samples
from historian.retrieval.aggregates.kinds import Kinds
from historian.retrieval.aggregates.pieces import Pieces, Rows
from historian.retrieval.aggregates.remainders import Remainders
from historian.retrieval.aggregates.runs import LaidOut, Runs
from historian.retrieval.series import Series


class Inside:
    """Samples inside ``r`` rows, made up of ``p`` pieces; numbers of them are intp[r]."""

    def __init__(self, series: Series, kinds: Kinds, pieces: Pieces, rows: Rows, remainders: Remainders) -> None:
        self._series = series
        self._kinds = kinds
        self._pieces = pieces
        self._rows = rows
        self._remainders = remainders

    @cached_property
    def bad(self) -> IndexArray:
        """The number of bad samples in each row."""
        return self._rows.total_of(self._kinds.bad.count(self._pieces.first, self._pieces.stop))

    @cached_property
    def uncertain(self) -> IndexArray:
        """The number of Uncertain samples in each row; 0 where they are taken for bad."""
        return self._rows.total_of(self._kinds.uncertain.count(self._pieces.first, self._pieces.stop))

    @cached_property
    def all(self) -> IndexArray:
        """The number of samples in each row."""
        return self._rows.total_of(self._pieces.samples)

    @cached_property
    def good(self) -> IndexArray:
        """The number of Good samples in each row."""
        return self.all - self.bad - self.uncertain

    @cached_property
    def doubtful(self) -> BoolArray:
        """True for rows with a sample whose status is not Good."""
        return self._rows.total_of(self._kinds.not_good.count(self._pieces.first, self._pieces.stop)) > 0

    @cached_property
    def good_runs(self) -> Runs:
        """The Good samples of each piece."""
        return Runs.of(self._pieces.first, self._pieces.stop, self._kinds.not_good)

    @cached_property
    def good_mean(self) -> FloatArray:
        """The mean of the Good samples of each row; 0 where there are none."""
        runs = self.good_runs
        sums = runs.combined(np.add, runs.reduced(np.add, self._series.value), 0)
        mean: FloatArray = self._rows.total_of(sums) / np.maximum(self.good, 1)
        return mean

    @cached_property
    def good_squares(self) -> FloatArray:
        """The sum of squared distances of the Good samples from their mean, of each row.

        It is a pass of its own: the difference of a sum of squares and a square of sums loses digits.
        """
        mean, asked, found = self._rows.spread(self.good_mean), 0, [np.empty(0)]
        for laid in self.good_runs.in_order(self._series.value):
            of_ranges = mean[asked : asked + laid.runs.total]
            squares = _squares(laid, of_ranges[laid.runs.asked])
            found.append(laid.runs.combined(np.add, squares, 0))
            asked += laid.runs.total
        return self._rows.total_of(np.concatenate(found))

    def good_extreme(self, end: End) -> Winners:
        """The extreme of the Good samples of each row."""
        return self._lowest_good if end is LOWEST else self._highest_good

    def usable_extremes(self, end: End) -> Candidates:
        """The extreme of the usable samples of each piece."""
        return self._lowest_usable if end is LOWEST else self._highest_usable

    @cached_property
    def _lowest_good(self) -> Winners:
        return self._good_candidates(LOWEST).best(LOWEST, self._rows)

    @cached_property
    def _highest_good(self) -> Winners:
        return self._good_candidates(HIGHEST).best(HIGHEST, self._rows)

    @cached_property
    def _lowest_usable(self) -> Candidates:
        return of_samples(self._series.value, self._usable_runs, LOWEST, self._remainders)

    @cached_property
    def _highest_usable(self) -> Candidates:
        return of_samples(self._series.value, self._usable_runs, HIGHEST, self._remainders)

    @cached_property
    def _usable_runs(self) -> Runs:
        return Runs.of(self._pieces.first, self._pieces.stop, self._kinds.bad)

    def _good_candidates(self, end: End) -> Candidates:
        if not self._kinds.uncertain:
            return self.usable_extremes(end)
        return of_samples(self._series.value, self.good_runs, end, self._remainders)


def _squares(laid: LaidOut, mean: FloatArray) -> FloatArray:
    """The sum of squared distances from the ``mean`` of each run (both of length s)."""
    found = np.empty(len(laid.runs))
    for which, part in laid.runs.blocks():
        low, high = int(part.first[0]), int(part.stop[-1])
        away = laid.column[low:high] - part.spread(mean[which])
        found[which] = part.moved(low).reduced(np.add, np.square(away, out=away))
    return found
