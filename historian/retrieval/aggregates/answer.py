"""What one aggregate gives: a value, a status and its bits for every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD, BAD_NO_DATA, CALCULATED

NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """``r`` results: ``value`` float64[r], NaN for none; ``status`` uint32[r]; ``bits`` uint32[r], how they came about.

    ``time_us`` int64[r] where a result has a time of its own.  ``sample`` intp[r] where results are values of samples:
    the row in the series, or NO_ROW; what a double cannot hold is found there.
    """

    value: FloatArray
    status: UInt32Array
    bits: UInt32Array
    time_us: Int64Array | None = None
    sample: IndexArray | None = None

    def only(self, there: BoolArray) -> Answer:
        """Where ``there`` (bool[r]) is False: no value, BadNoData, no bits."""
        if there.all():
            return self
        return Answer(
            np.where(there, self.value, np.nan),
            np.where(there, self.status, np.uint32(BAD_NO_DATA)),
            np.where(there, self.bits, np.uint32(0)),
            self.time_us,
            None if self.sample is None else np.where(there, self.sample, NO_ROW),
        )

    def codes(self) -> UInt32Array:
        """Status and bits as one StatusCode."""
        return self.status | self.bits


def calculated(value: FloatArray, status: UInt32Array, more_bits: UInt32Array) -> Answer:
    """An answer that was calculated; Bad ones (BAD alone, that limits of percentages made Bad) have no value."""
    bits = more_bits | np.uint32(CALCULATED)
    return Answer(np.where(status == BAD, np.nan, value), status, bits)


def flag(where: BoolArray, bit: int) -> UInt32Array:
    """``bit`` where ``where`` is True (bool[r] to uint32[r])."""
    return np.where(where, np.uint32(bit), np.uint32(0))
