"""What a double leaves out of large whole numbers, so that they are compared and subtracted exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from historian.model.samples import FloatArray, IndexArray, Int64Array
from historian.retrieval.aggregates.kinds import RowList


@dataclass(frozen=True, slots=True)
class Remainders:
    """Exact value less the double beside it, of the ``rows`` that have an exact value (int64, as many)."""

    rows: RowList
    rest: Int64Array

    @classmethod
    def of(cls, exact: Mapping[int, int], value: FloatArray) -> Remainders:
        """Of the exact values of a series.  A loop over those only, which are few and no numbers that numpy has."""
        rows = sorted(exact)
        rest = [exact[row] - int(value[row]) for row in rows]
        return cls(RowList(np.array(rows, np.intp)), np.array(rest, np.int64))

    def __bool__(self) -> bool:
        return bool(self.rows)

    def at(self, rows: IndexArray) -> Int64Array:
        """The remainder of each row, 0 where the double is exact (any shape)."""
        found = np.zeros(rows.shape, np.int64)
        if self:
            there = self.rows.holds(rows)
            found[there] = self.rest[self.rows.before(rows[there])]
        return found

    def difference(self, value: FloatArray, minuend: IndexArray, subtrahend: IndexArray) -> FloatArray:
        """``value``, the difference of the doubles at two rows each, made that of the exact values."""
        return value + (self.at(minuend) - self.at(subtrahend)) if self else value
