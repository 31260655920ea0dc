"""The answer of a question that gives one number an interval: how sure it is, and from how much of the interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from historian.model.samples import FloatArray, UInt32Array
from historian.model.status import BAD_NO_DATA, CALCULATED, GOOD, PARTIAL, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.questions.blocks import in_blocks
from historian.retrieval.questions.ragged import safe_ratio
from historian.retrieval.questions.stretches import Stretches, cut_at
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measures:
    """One number a row of the answer: all intervals of the first tag, then of the second ...

    ``value`` float64[a], NaN for none; ``status`` uint32[a]; ``percent_good`` float64[a]: of the interval's time (of
    its windows, where it has some) the share with a usable value, also where data begin or end inside it.
    """

    value: FloatArray
    status: UInt32Array
    percent_good: FloatArray


def weigh(
    series: Series,
    windows: Windows,
    intervals: int,
    measure: Callable[[Stretches], T],
    *,
    uncertain_is_bad: bool = False,
) -> T:
    """What ``measure`` says of ``series`` in ``windows``, which are of a number of ``intervals``, in little memory.

    ``measure`` is a question such as :func:`.time_weighted.time_average`: it takes stretches and gives Measures, or a
    tuple or dataclass of them.
    """

    def ask(part: Series, part_windows: Windows, count: int) -> T:
        return measure(cut_at(part, part_windows, count, uncertain_is_bad=uncertain_is_bad))

    return in_blocks(series, windows, intervals, ask)


def measured(value: FloatArray, stretches: Stretches) -> Measures:
    """``value`` float64[a], where there is good time and it is a finite number, with the status that its time gives."""
    is_known = np.isfinite(value) & (stretches.good_us > 0)
    status = np.where(is_known, status_by_time(stretches), np.uint32(BAD_NO_DATA))
    return Measures(np.where(is_known, value, np.nan), status, percent_good(stretches))


def status_by_time(stretches: Stretches) -> UInt32Array:
    """uint32[a]: Good when no time is Bad, else UncertainDataSubNormal, both with the bit CALCULATED.

    As the PercentTime rule of OPC UA Part 13 has it with 100 as both limits; with the bit PARTIAL where data begin or
    end inside.  Time before the first sample counts as Bad, time after the end of data only makes the answer partial.
    """
    code = np.where(stretches.bad_us > 0, np.uint32(UNCERTAIN_DATA_SUB_NORMAL), np.uint32(GOOD))
    is_cut = (stretches.before_us > 0) | (stretches.after_us > 0)
    bits = np.where(is_cut, np.uint32(CALCULATED | PARTIAL), np.uint32(CALCULATED))
    return np.bitwise_or(code, bits)


def percent_good(stretches: Stretches) -> FloatArray:
    """float64[a], 0 to 100; NaN where an interval has no time at all."""
    return 100.0 * safe_ratio(stretches.good_us, stretches.width_us)
