"""Totals: how much a flow delivered in each interval, from its rate."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np

from historian.config.nearest import did_you_mean, one_of, shown
from historian.errors import UnusableValueError
from historian.model.samples import FloatArray
from historian.retrieval.questions.measures import Measures, measured
from historian.retrieval.questions.ragged import sums
from historian.retrieval.questions.stretches import Stretches

RateUnit: TypeAlias = Literal["second", "minute", "hour", "day"]

UNITS_US: Final[dict[str, float]] = {"second": 1e6, "minute": 60e6, "hour": 3600e6, "day": 86_400e6}
"""Microseconds of the time unit of a rate: m3/h is per hour."""


def totalize(stretches: Stretches, unit: str) -> Measures:
    """The integral of each row of the answer over its good time, for a rate per ``unit`` (see UNITS_US).

    Time without a usable value adds nothing; ``percent_good`` says how much that is.  There is no default for the
    unit: a total from the wrong one is wrong by 60, 1,440 or 86,400 and looks like a total.  Raises UnusableValueError
    for an unknown unit.
    """
    unit_us = unit_length_us(unit)
    good = stretches.with_values()
    with np.errstate(over="ignore"):
        total = sums(areas(good) / unit_us, good.answer, good.answers)
    return measured(total, stretches)


def unit_length_us(unit: str) -> float:
    """Microseconds of ``unit``.  Raises UnusableValueError for one that is not in UNITS_US."""
    if unit not in UNITS_US:
        raise UnusableValueError(
            shown(unit), f"the time unit of a rate: {one_of(UNITS_US)}", did_you_mean(unit, UNITS_US)
        )
    return UNITS_US[unit]


def areas(good: Stretches) -> FloatArray:
    """The integral of each stretch (all with values), in value times microseconds: float64[p]."""
    # Halved first, because the sum of two values near the largest double overflows.
    mean: FloatArray = good.first * 0.5 + good.last * 0.5
    return mean * good.length_us
