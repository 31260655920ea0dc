"""How far the line through the kept samples is from all of them: at its worst, on average, and in an hourly average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.tuning.series import RawSeries

HOUR_US: Final = 3_600_000_000

COVERED: Final = 0.5
"""An hour counts when this part of it has values; of less, an average is of something else than the hour."""


@dataclass(frozen=True, slots=True)
class Errors:
    """In units of the value: ``largest`` and ``rms`` over all known samples.

    ``hourly`` and ``hourly_rms``: of the time-weighted averages of the hours in UTC; of all the time, where there is no
    whole hour.
    """

    largest: float
    rms: float
    hourly: float
    hourly_rms: float


NONE: Final = Errors(0.0, 0.0, 0.0, 0.0)


def errors_of(series: RawSeries, kept: BoolArray) -> Errors:
    """The errors when only the samples marked in ``kept`` (bool[n]) are stored.

    Each stretch begins and ends with a kept sample, which compression sees to.
    """
    rows = np.flatnonzero(series.known)
    ends = np.flatnonzero(series.known & kept)
    if len(ends) == len(rows):
        return NONE
    time_us = series.time_us[rows]
    # From the first on, so that a double has every microsecond.
    at = (time_us - time_us[0]).astype(np.float64)
    line = np.interp(at, (series.time_us[ends] - time_us[0]).astype(np.float64), series.value[ends])
    error = series.value[rows] - line
    hourly = _hourly(time_us, error, series.stretch[rows])
    return Errors(float(np.abs(error).max()), _rms(error), float(np.abs(hourly).max()), _rms(hourly))


def _rms(error: FloatArray) -> float:
    largest = float(np.abs(error).max()) or 1.0
    # In parts of the largest, whose square a double may not hold.
    return largest * float(np.sqrt(np.mean(np.square(error / largest))))


def _hourly(time_us: Int64Array, error: FloatArray, stretch: IndexArray) -> FloatArray:
    """float64[m]: the average of the error in each hour that counts.

    The raw line and that through the kept samples are both straight between two samples, and so is their difference.
    """
    hours = np.arange(time_us[0] // HOUR_US + 1, time_us[-1] // HOUR_US + 1) * HOUR_US
    cuts = np.union1d(time_us, hours)
    at = np.interp((cuts - cuts[0]).astype(np.float64), (time_us - cuts[0]).astype(np.float64), error)
    before = np.searchsorted(time_us, cuts[:-1], side="right") - 1
    inside = stretch[before] == stretch[before + 1]
    length = np.where(inside, np.diff(cuts), 0).astype(np.float64)
    area = (at[1:] + at[:-1]) / 2 * length
    hour = (cuts[:-1] // HOUR_US - cuts[0] // HOUR_US).astype(np.intp)
    areas, lengths = np.bincount(hour, area), np.bincount(hour, length)
    counts = lengths >= COVERED * HOUR_US
    if counts.any():
        averages: FloatArray = areas[counts] / lengths[counts]
        return averages
    return np.array([areas.sum() / max(lengths.sum(), 1.0)])
