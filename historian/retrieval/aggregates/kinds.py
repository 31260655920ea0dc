"""Which samples are Bad, Uncertain, usable or Good.

Samples that are not Good are few as a rule, so they are kept as lists of rows; how many of them lie in a range of rows
is a difference of two positions in a list, and no column is copied to leave them out.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from historian.model.samples import BoolArray, IndexArray, UInt32Array
from historian.model.status import BAD, UNCERTAIN


class RowList:
    """Some rows of a series, ascending (``rows`` intp[x])."""

    def __init__(self, rows: IndexArray) -> None:
        self.rows = rows

    def __bool__(self) -> bool:
        return len(self.rows) > 0

    def before(self, row: IndexArray) -> IndexArray:
        """How many of the list are smaller than each of ``row``."""
        return np.searchsorted(self.rows, row)

    def count(self, first: IndexArray, stop: IndexArray) -> IndexArray:
        """How many of the list lie in each [first, stop)."""
        if not self:
            return np.zeros(len(first), np.intp)
        found: IndexArray = np.maximum(self.before(stop) - self.before(first), 0)
        return found

    def holds(self, row: IndexArray) -> BoolArray:
        """True where ``row`` is in the list."""
        if not self:
            return np.zeros(row.shape, np.bool_)
        place = np.minimum(self.before(row), len(self.rows) - 1)
        return np.equal(self.rows[place], row)

    def union(self, other: RowList) -> RowList:
        """The rows that are in either."""
        if not self or not other:
            return self or other
        return RowList(np.union1d(self.rows, other.rows))

    @cached_property
    def stretches(self) -> tuple[IndexArray, IndexArray]:
        """The rows in stretches [first, stop) of consecutive ones."""
        breaks = np.flatnonzero(np.diff(self.rows) > 1)
        return (
            self.rows[np.concatenate([[0], breaks + 1])] if self else self.rows,
            self.rows[np.append(breaks, len(self.rows) - 1)] + 1 if self else self.rows,
        )

    def next_other(self, row: IndexArray) -> IndexArray:
        """The first row from ``row`` on that is not in the list."""
        if not self:
            return row
        first, stop = self.stretches
        near = np.searchsorted(first, row, side="right") - 1
        return np.where((near >= 0) & (row < stop[near]), stop[near], row)

    def last_other(self, row: IndexArray) -> IndexArray:
        """The last row up to ``row`` that is not in the list; -1 where there is none."""
        if not self:
            return row
        first, stop = self.stretches
        near = np.searchsorted(first, row, side="right") - 1
        return np.where((near >= 0) & (row < stop[near]), first[near] - 1, row)


NO_ROWS = RowList(np.empty(0, np.intp))


class Kinds:
    """The samples of a series by severity.

    ``certainly_bad`` and ``uncertain_status`` go by the status alone.  With ``uncertain_as_bad`` those of both are
    ``bad``, otherwise Uncertain ones are ``uncertain``.  *Usable* is what is not bad.
    """

    def __init__(self, status: UInt32Array, *, uncertain_as_bad: bool) -> None:
        self.certainly_bad, self.uncertain_status = _by_severity(status)
        self.not_good = self.certainly_bad.union(self.uncertain_status)
        self.bad = self.not_good if uncertain_as_bad else self.certainly_bad
        self.uncertain = NO_ROWS if uncertain_as_bad else self.uncertain_status


def _by_severity(status: UInt32Array) -> tuple[RowList, RowList]:
    """The Bad and the Uncertain ones.  One pass over the column where all are Good, as most are."""
    if not len(status) or status.max() < UNCERTAIN:
        return NO_ROWS, NO_ROWS
    not_good = np.flatnonzero(status >= UNCERTAIN)
    bad = status[not_good] >= BAD
    return RowList(not_good[bad]), RowList(not_good[~bad])
