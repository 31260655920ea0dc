"""Average, standard deviation and slope by time: a value counts for as long as it held, not for how often it came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import FloatArray, Int64Array
from historian.retrieval.questions.measures import Measures, measured
from historian.retrieval.questions.ragged import safe_ratio, starts_of, sums
from historian.retrieval.questions.stretches import Stretches
from historian.retrieval.questions.totalize import areas, unit_length_us


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slope of each row of the answer, two ways, in value per time unit.

    ``fitted`` is that of the straight line with the least square distance over all good time; ``end_to_end`` goes from
    the first usable value to the last.
    """

    fitted: Measures
    end_to_end: Measures


def time_average(stretches: Stretches) -> Measures:
    """The integral over good time by the good time."""
    good = stretches.with_values()
    with np.errstate(over="ignore", invalid="ignore"):
        return measured(_average(good), stretches)


def standard_deviation(stretches: Stretches) -> Measures:
    """The root of the mean square distance from the average over good time, of steps and lines alike, exactly.

    Time is not sampled, so there is no divisor n - 1.
    """
    good = stretches.with_values()
    with np.errstate(over="ignore", invalid="ignore"):
        middle = good.first * 0.5 + good.last * 0.5 - _average(good)[good.answer]
        square = middle**2 + (good.last - good.first) ** 2 / 12
        variance = safe_ratio(sums(square * good.length_us, good.answer, good.answers), good.good_us)
        return measured(np.sqrt(variance), stretches)


def slopes(stretches: Stretches, unit: str) -> Slopes:
    """The slopes per ``unit`` (second, minute, hour or day).  Raises UnusableValueError for another unit."""
    unit_us = unit_length_us(unit)
    good = stretches.with_values()
    with np.errstate(over="ignore", invalid="ignore"):
        fitted, direct = _fitted(good) * unit_us, _end_to_end(good) * unit_us
    return Slopes(measured(fitted, stretches), measured(direct, stretches))


def _average(good: Stretches) -> FloatArray:
    return safe_ratio(sums(areas(good), good.answer, good.answers), good.good_us)


def _fitted(good: Stretches) -> FloatArray:
    """Covariance of value and time by the variance of time, both as integrals: the products of lines are exact.

    On a stretch of length d the integral of f g is d (f m g m + df dg / 12), where f m, g m are the values in its
    middle.
    """
    length = good.length_us.astype(np.float64)
    offset = (good.start_us - _first_start_us(good)[good.answer]) + length * 0.5
    middle_time = safe_ratio(sums(offset * length, good.answer, good.answers), good.good_us)
    time = offset - middle_time[good.answer]
    value = good.first * 0.5 + good.last * 0.5 - _average(good)[good.answer]
    shared = length * (time * value + length * (good.last - good.first) / 12)
    spread = length * (time**2 + length**2 / 12)
    return safe_ratio(sums(shared, good.answer, good.answers), sums(spread, good.answer, good.answers))


def _first_start_us(good: Stretches) -> Int64Array:
    """Where the first stretch of each row of the answer begins: times from there have all digits of a double."""
    start_us = np.zeros(good.answers, np.int64)
    begins = starts_of(good.answer)
    start_us[good.answer[begins]] = good.start_us[begins]
    return start_us


def _end_to_end(good: Stretches) -> FloatArray:
    slope = np.full(good.answers, np.nan)
    begins = starts_of(good.answer)
    ends = np.append(begins[1:], len(good.answer))[: len(begins)] - 1
    apart = good.end_us[ends] - good.start_us[begins]
    slope[good.answer[begins]] = (good.last[ends] - good.first[begins]) / apart
    return slope
