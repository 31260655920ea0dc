"""The area between neighbouring samples: lines or steps, summed over runs of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.model.samples import FloatArray, Int64Array
from historian.retrieval.aggregates.runs import Runs

_TWO_TO_52: Final = np.float64(2**52)
_TWO_TO_52_BITS: Final = np.int64(0x4330000000000000)


@dataclass(frozen=True, slots=True)
class Areas:
    """The area from each sample to the next, in value times microseconds (``time_us`` int64[n], ``value`` float64[n]).

    ``stepped``: values hold; otherwise they lie on a line.
    """

    time_us: Int64Array
    value: FloatArray
    stepped: bool

    def sums(self, runs: Runs) -> FloatArray:
        """The sum from the first to the last sample of each run (length of ``runs``)."""
        found = np.zeros(len(runs))
        scratch = _Scratch()
        for which, part in runs.blocks():
            # The last sample of a run begins no area inside it; runs of one sample have none.
            some = part.take(part.stop - part.first > 1)
            if len(some):
                low, high = int(some.first[0]), int(some.stop.max()) - 1
                inside = Runs(some.first - low, some.stop - 1 - low, some.asked, some.total)
                sums = np.zeros(len(part))
                sums[part.stop - part.first > 1] = inside.reduced(np.add, self._column(low, high, scratch))
                found[which] = sums
        return found if self.stepped else found / 2

    def _column(self, low: int, high: int, scratch: _Scratch) -> FloatArray:
        """The areas of the samples [low, high); of lines twice that, which is exact and halved in the sums."""
        spent, area = scratch.columns(high - low)
        np.subtract(self.time_us[low + 1 : high + 1], self.time_us[low:high], out=spent)
        length = _as_floats(spent)
        if self.stepped:
            return np.multiply(self.value[low:high], length, out=area)
        np.add(self.value[low:high], self.value[low + 1 : high + 1], out=area)
        return np.multiply(area, length, out=area)


def _as_floats(spent: Int64Array) -> FloatArray:
    """Whole numbers below 2^52 as doubles, in place: the bits of 2^52 + x are those of 2^52 with x below them.

    numpy's own conversion of int64 took twice as long on a processor without AVX-512.  A time that is not positive
    (from one tag to the next) gives nonsense, which no run contains.
    """
    np.bitwise_or(spent, _TWO_TO_52_BITS, out=spent)
    floats = spent.view(np.float64)
    return np.subtract(floats, _TWO_TO_52, out=floats)


class _Scratch:
    """Two columns that are used again for every block: fresh memory for each costs more than the arithmetic."""

    def __init__(self) -> None:
        self._spent = np.empty(0, np.int64)
        self._area = np.empty(0)

    def columns(self, length: int) -> tuple[Int64Array, FloatArray]:
        if length > len(self._spent):
            self._spent, self._area = np.empty(length, np.int64), np.empty(length)
        return self._spent[:length], self._area[:length]
