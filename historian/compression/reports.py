"""Exception reporting: which scans say something new.  The first stage behind the collectors; the door comes next.

With the new value v at t, the last reported v0 at t0 and the last scanned vp at tp, a scan is reported when its status
changed, when ``|v - v0| > exc_dev`` and ``t - t0 >= exc_min``, or when ``t - t0 >= exc_max``; in the first two cases
(vp, tp) is reported too, as if it had been before: without it a flat line followed by a step would become a ramp.

Each report depends on the one before, so the lanes go forward in lock step, one row of each at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from historian.compression.lanes import NO_LIMIT_US, LaneSettings, SampleSlots
from historian.compression.series import LaneSeries, pieces
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.model.status import is_bad

MarkArray: TypeAlias = NDArray[np.uint8]

SUPPRESSED: Final = 0
REPORTED: Final = 1
TOO_SOON: Final = 2
"""What becomes of a scan.  TOO_SOON: it would have been reported, had ``exc_min`` passed."""

_MOVED: Final = 3
"""While marking: reported because the value left the band, so that the scan before it is reported too."""

LONGEST_PIECE: Final = 1024
"""Rows of one lane that are gone through in one go, where there is leave to report one more at each cut."""


def marks_of(series: LaneSeries, settings: LaneSettings) -> MarkArray:
    """uint8[n]: what becomes of each sample of a whole history.

    Long lanes are cut, and the first sample behind each cut is reported.  Of lanes without exception reporting
    everything is, and of step lanes: compression sees their changes by itself.
    """
    marks: MarkArray = np.full(len(series), REPORTED, np.uint8)
    has_band = ~np.isnan(settings.exc_dev) & ~settings.step
    lanes = np.flatnonzero(has_band)
    if len(lanes):
        work = _Marking(series, settings, marks, None)
        work.mark(lanes, series.starts[lanes], series.starts[lanes + 1])
    return marks


def mark_behind(
    series: LaneSeries, settings: LaneSettings, marks: MarkArray, begin: IndexArray, last: SampleSlots
) -> None:
    """Mark what came to each lane, from row ``begin`` (intp[lanes]) on.

    ``marks`` (uint8[n]) knows the rows before, and has REPORTED for the others; ``last`` knows the last report of each
    lane.  Both are brought up to date.  Of the rows before only the last of a lane can change, to REPORTED.
    """
    has_band = ~np.isnan(settings.exc_dev) & ~settings.step
    lanes = np.flatnonzero(has_band & (begin < series.starts[1:]))
    if len(lanes):
        _Marking(series, settings, marks, last).mark(lanes, begin[lanes], series.starts[lanes + 1])


def _rows_between(begin: IndexArray, stop: IndexArray) -> IndexArray | slice:
    """The rows of all stretches; those of neighbours as a slice."""
    if len(begin) and (begin[1:] == stop[:-1]).all():
        return slice(int(begin[0]), int(stop[-1]))
    lengths = stop - begin
    rows: IndexArray = np.arange(int(lengths.sum())) + np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)
    return rows


class _Marking:
    """Marks stretches of rows.  ``last`` None: nothing was reported before, and stretches may be cut."""

    def __init__(self, series: LaneSeries, settings: LaneSettings, marks: MarkArray, last: SampleSlots | None) -> None:
        self._series = series
        self._settings = settings
        self._marks = marks
        self._last = last
        self._begins = series.begins()
        self._changed: BoolArray = np.zeros(len(series), np.bool_)
        self._changed[1:] = (series.status[1:] != series.status[:-1]) & ~self._begins[1:]

    def mark(self, lanes: IndexArray, begin: IndexArray, stop: IndexArray) -> None:
        """Mark the rows from ``begin`` up to ``stop`` of ``lanes`` (intp[m] each), which have exception reporting."""
        self._marks[_rows_between(begin, stop)] = SUPPRESSED
        odd = np.isin(lanes, self._lanes_with_odd_values())
        for lane, first, end in zip(lanes[odd].tolist(), begin[odd].tolist(), stop[odd].tolist(), strict=True):
            self._mark_one_by_one(lane, range(first, end))
        self._mark_numbers(lanes[~odd], begin[~odd], stop[~odd])
        self._report_those_before()

    def _lanes_with_odd_values(self) -> IndexArray:
        """Those with text, whole numbers that a double would round, or no number although they are not Bad."""
        series = self._series
        nothing = np.isnan(series.value).nonzero()[0]
        nothing = nothing[~is_bad(series.status[nothing])]
        rows = np.concatenate([nothing, _keys(series.exact), _keys(series.text)])
        lanes = np.searchsorted(series.starts, rows, side="right") - 1
        if self._last is not None:
            lanes = np.concatenate([lanes, _keys(self._last.exact), _keys(self._last.text)])
        return lanes

    def _mark_numbers(self, lanes: IndexArray, begin: IndexArray, stop: IndexArray) -> None:
        forced = self._begins | self._changed
        if self._last is not None:
            bands = _Bands.around(self._last, self._settings, lanes, begin, stop)
        else:
            source, begin, stop = pieces(begin, stop, LONGEST_PIECE)
            bands = _Bands.unknown(self._settings, lanes[source], begin, stop)
            forced[begin] = True
        reports = bands.walk(self._series, forced, self._marks, only_first=not self._changed.any())
        if self._last is not None:
            known = np.flatnonzero(reports >= 0)
            order = np.argsort(bands.lane[known])
            self._last.put_rows(self._series, bands.lane[known][order], reports[known][order])

    def _mark_one_by_one(self, lane: int, rows: Iterable[int]) -> None:
        """A loop over the samples of a lane with odd values, which few have: it compares them as they are."""
        rule = _Rule.of(self._settings, lane)
        series, marks = self._series, self._marks
        last = None if self._last is None else self._last.value_at(lane)
        since_us = 0 if self._last is None else int(self._last.time_us[lane])
        for row in rows:
            new, time_us = series.value_at(row), int(series.time_us[row])
            forced = last is None or self._begins[row] or self._changed[row]
            moved = last is not None and rule.deviates(new, last)
            elapsed_us = time_us - since_us
            report = forced or (moved and elapsed_us >= rule.min_us) or elapsed_us >= rule.max_us
            marks[row] = report + 2 * moved
            if report:
                last, since_us = new, time_us
                if self._last is not None:
                    self._last.put_rows(series, np.array([lane]), np.array([row]))

    def _report_those_before(self) -> None:
        moved = (self._marks == _MOVED).nonzero()[0]
        self._marks[moved] = REPORTED
        self._marks[moved - 1] = REPORTED
        self._marks[self._changed.nonzero()[0] - 1] = REPORTED


def _keys(extras: Iterable[int]) -> IndexArray:
    return np.fromiter(extras, np.intp)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Of one lane, for values that numpy cannot compare."""

    deviation: float
    min_us: int
    max_us: int

    @classmethod
    def of(cls, settings: LaneSettings, lane: int) -> _Rule:
        return cls(float(settings.exc_dev[lane]), int(settings.exc_min_us[lane]), int(settings.exc_max_us[lane]))

    def deviates(self, new: float | str, last: float | str) -> bool:
        """Strictly outside the band.  From a number to text or back, and from one text to another, there is no band."""
        if isinstance(new, str) or isinstance(last, str):
            return new != last
        if new != new or last != last:  # noqa: PLR0124 - NaN: there is no value
            return (new == new) or (last == last)  # noqa: PLR0124
        if isinstance(new, int) or isinstance(last, int):
            return abs(Fraction(new) - Fraction(last)) > Fraction(self.deviation)
        return new > last + self.deviation or new < last - self.deviation


@dataclass(slots=True)
class _Bands:
    """Bands around the last reports of stretches of rows, the longest stretch first; they move with every report.

    All intp[m], int64[m] or float64[m]: ``lane``, rows from ``begin`` up to ``stop``; ``upper`` and ``lower`` NaN where
    nothing was reported yet; ``since_us`` the time of the last report.
    """

    lane: IndexArray
    begin: IndexArray
    stop: IndexArray
    deviation: FloatArray
    min_us: Int64Array
    max_us: Int64Array
    upper: FloatArray
    lower: FloatArray
    since_us: Int64Array

    @classmethod
    def unknown(cls, settings: LaneSettings, lane: IndexArray, begin: IndexArray, stop: IndexArray) -> _Bands:
        """Nothing was reported yet."""
        order = np.argsort(begin - stop, kind="stable")
        lane, begin, stop = lane[order], begin[order], stop[order]
        nothing = np.full(len(lane), np.nan)
        return cls(
            lane, begin, stop, settings.exc_dev[lane], settings.exc_min_us[lane], settings.exc_max_us[lane],
            nothing, nothing.copy(), np.zeros(len(lane), np.int64),
        )  # fmt: skip

    @classmethod
    def around(
        cls, last: SampleSlots, settings: LaneSettings, lane: IndexArray, begin: IndexArray, stop: IndexArray
    ) -> _Bands:
        """The last report of each lane is known."""
        bands = cls.unknown(settings, lane, begin, stop)
        lane = bands.lane
        reported = np.where(last.filled[lane], last.value[lane], np.nan)
        with np.errstate(over="ignore"):
            bands.upper, bands.lower = reported + bands.deviation, reported - bands.deviation
        bands.since_us = last.time_us[lane]
        return bands

    @np.errstate(over="ignore")  # nothing lies beyond a bound that is beyond the largest double
    def walk(self, series: LaneSeries, forced: BoolArray, marks: MarkArray, *, only_first: bool) -> IndexArray:
        """Mark all rows; intp[m]: the last row reported of each stretch, -1 for none.

        ``marks`` has SUPPRESSED for them.  ``only_first``: none but first rows are ``forced``.
        """
        reports: IndexArray = np.full(len(self.lane), -1, np.intp)
        lengths = self.stop - self.begin
        is_timed = bool((self.min_us > 0).any() or (self.max_us < NO_LIMIT_US).any())
        # A loop over the rows of the longest stretch: all others are gone through beside it.
        for place in range(int(lengths.max(initial=0))):
            active = slice(0, int(np.searchsorted(-lengths, -place)))
            row = self.begin[active] + place
            value = series.value.take(row)
            moved = value > self.upper[active]
            moved |= value < self.lower[active]
            report = self._in_time(series, row, active, moved) if is_timed else moved
            if is_timed:
                marks[row[moved]] = TOO_SOON
            if place == 0 or not only_first:
                report = report | forced.take(row)
            hit = report.nonzero()[0]
            if len(hit):
                self._move(hit, value[hit])
                marks[row[hit]] = np.where(moved[hit], np.uint8(_MOVED), np.uint8(REPORTED))
                reports[hit] = row[hit]
                if is_timed:
                    self.since_us[hit] = series.time_us[row[hit]]
        return reports

    def _move(self, stretch: IndexArray, value: FloatArray) -> None:
        """The bands of some stretches lie around ``value`` from here on."""
        deviation = self.deviation[stretch]
        self.upper[stretch] = value + deviation
        self.lower[stretch] = value - deviation

    def _in_time(self, series: LaneSeries, row: IndexArray, active: slice, moved: BoolArray) -> BoolArray:
        """bool[k]: reported, as far as its time has come."""
        elapsed_us = series.time_us.take(row) - self.since_us[active]
        in_time: BoolArray = (moved & (elapsed_us >= self.min_us[active])) | (elapsed_us >= self.max_us[active])
        return in_time
