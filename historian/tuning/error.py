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


class ErrorMeter:
    """Measures what is kept of one series, again and again."""

    def __init__(self, series: RawSeries) -> None:
        self._known = series.known
        self._value = series.numbers
        self._time_us = series.time_us[series.known]
        self._at = _since_first(self._time_us)
        self._hours = _Hours.of(self._time_us, series.stretch[series.known])

    def errors(self, kept: BoolArray) -> Errors:
        """The errors when only the samples marked in ``kept`` (bool[n]) are stored.

        Each stretch begins and ends with a kept sample, which compression sees to.
        """
        ends = np.flatnonzero(kept[self._known])
        if len(ends) == len(self._value):
            return NONE
        error = self._value - np.interp(self._at, self._at[ends], self._value[ends])
        hourly = self._hours.averages(error)
        return Errors(float(np.abs(error).max()), _rms(error), float(np.abs(hourly).max()), _rms(hourly))


def _since_first(time_us: Int64Array) -> FloatArray:
    """From the first on, so that a double has every microsecond."""
    return (time_us - time_us[:1]).astype(np.float64)


def _rms(error: FloatArray) -> float:
    largest = float(np.abs(error).max()) or 1.0
    # In parts of the largest, whose square a double may not hold.
    return largest * float(np.sqrt(np.mean(np.square(error / largest))))


@dataclass(frozen=True, slots=True)
class _Hours:
    """The time between samples, cut at the hours.

    Each piece begins at ``part`` (float64[m], 0 to 1) of the way behind sample ``before`` (intp[m]), or has no length
    (``length`` float64[m], us) where two stretches meet; it lies in the hour ``hour`` (intp[m]) of all.
    """

    before: IndexArray
    part: FloatArray
    length: FloatArray
    hour: IndexArray

    @classmethod
    def of(cls, time_us: Int64Array, stretch: IndexArray) -> _Hours:
        """``time_us`` int64[n] and ``stretch`` intp[n] of the known samples."""
        if len(time_us) < 2:
            nothing = np.empty(0, np.intp)
            return cls(nothing, np.empty(0), np.empty(0), nothing)
        hours = np.arange(time_us[0] // HOUR_US + 1, -(-time_us[-1] // HOUR_US)) * HOUR_US
        places = np.searchsorted(time_us, hours)
        fresh = time_us[places] != hours
        cuts = np.insert(time_us, places[fresh], hours[fresh])
        before = np.minimum(np.searchsorted(time_us, cuts, side="right") - 1, len(time_us) - 2)
        part = (cuts - time_us[before]) / (time_us[before + 1] - time_us[before])
        inside = stretch[before] == stretch[before + 1]
        length = np.where(inside[:-1], np.diff(cuts), 0).astype(np.float64)
        return cls(before, part, length, (cuts[:-1] // HOUR_US - cuts[0] // HOUR_US).astype(np.intp))

    def averages(self, error: FloatArray) -> FloatArray:
        """float64[h]: the average of the error in each hour that counts.

        The raw line and that through the kept samples are both straight between two samples, and so is the difference.
        """
        if not len(self.length):
            return np.zeros(1)
        at = error[self.before] + (error[self.before + 1] - error[self.before]) * self.part
        # A piece ends where the next begins; where two stretches meet it has no length, whatever is said there.
        areas = np.bincount(self.hour, (at[1:] + at[:-1]) / 2 * self.length)
        lengths = np.bincount(self.hour, self.length)
        counts = lengths >= COVERED * HOUR_US
        if counts.any():
            averages: FloatArray = areas[counts] / lengths[counts]
            return averages
        return np.array([areas.sum() / max(lengths.sum(), 1.0)])
