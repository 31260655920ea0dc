"""Which samples are stored whatever the door says: where a line cannot go on, and where there is no line.

A run is a stretch of samples of one status that are all numbers on a line, or all the same.  Numbers on a line are the
door's business between the ends of their run; of equal samples the two ends say everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from historian.compression.lanes import NO_LIMIT_US, LaneSettings
from historian.compression.reports import REPORTED, MarkArray
from historian.compression.series import LaneSeries
from historian.model.samples import BoolArray, ExtraT, Int64Array
from historian.model.status import is_bad


@dataclass(frozen=True, slots=True)
class Runs:
    """``on_line`` bool[n]: a number on a line.  ``stored`` bool[n]: stored whatever the door says.

    ``counts`` bool[n]: the others are as good as not there.
    """

    on_line: BoolArray
    stored: BoolArray
    counts: BoolArray


def runs_of(series: LaneSeries, settings: LaneSettings, marks: MarkArray, *, final: bool) -> Runs:
    """Judge all samples; the first of each lane counts as stored.

    ``final``: no more samples follow, so that the last of each lane ends its run.  Not on a line are values of step
    lanes, text, whole numbers that a double would round, and Bad samples.
    """
    bad = is_bad(series.status)
    on_line = _on_line(series, settings, bad)
    if on_line.all():
        return Runs(on_line, _Judge(series, settings, marks, on_line, bad).stored(final=final), on_line)
    # What was not reported of the others says nothing; of numbers on a line the door wants to know all.
    counts = on_line | bad | (marks == REPORTED) | settings.step[series.lane_of_rows()]
    if final:
        counts[(series.starts[1:] - 1)[series.starts[1:] > series.starts[:-1]]] = True
    if counts.all():
        return Runs(on_line, _Judge(series, settings, marks, on_line, bad).stored(final=final), counts)
    rows = np.flatnonzero(counts)
    judge = _Judge(series.take(rows), settings, marks[rows], on_line[rows], bad[rows])
    stored = np.zeros(len(series), np.bool_)
    stored[rows] = judge.stored(final=final)
    return Runs(on_line, stored, counts)


def _on_line(series: LaneSeries, settings: LaneSettings, bad: BoolArray) -> BoolArray:
    on_line: BoolArray = ~(bad | np.isnan(series.value))
    if not settings.has_door.all():
        on_line &= np.repeat(settings.has_door, np.diff(series.starts))
    if series.exact:
        on_line[np.fromiter(series.exact, np.intp, len(series.exact))] = False
    return on_line


class _Judge:
    """Judges samples of which all count.  What no lane has is not looked at: this is done for every block."""

    def __init__(
        self, series: LaneSeries, settings: LaneSettings, marks: MarkArray, on_line: BoolArray, bad: BoolArray
    ) -> None:
        self._series = series
        self._settings = settings
        self._marks = marks
        self._on_line = on_line
        self._bad = bad
        self._begins = series.begins()
        self._all_on_line = bool(on_line.all())

    def stored(self, *, final: bool) -> BoolArray:
        """bool[n]: where a run begins or ends, and what is stored in spite of it."""
        same_status = self._like_before(self._series.status)
        starts = ~(same_status & self._goes_on())
        stored = starts | self._ends(starts, same_status, final=final)
        if self._settings.stores_reports.any():
            stored |= self._on_line & self._of_lane(self._settings.stores_reports) & (self._marks == REPORTED)
        if not self._all_on_line and (self._settings.comp_max_us < NO_LIMIT_US).any():
            self._store_when_due(starts, stored)
        return stored

    def _of_lane(self, column: BoolArray) -> BoolArray:
        return np.repeat(column, np.diff(self._series.starts))

    def _ends(self, starts: BoolArray, same_status: BoolArray, *, final: bool) -> BoolArray:
        """bool[n]: the last of a run, which is to be stored."""
        ends = self._before(starts, last=final)
        if self._settings.step.any():
            # The repeat of a state says nothing that the state did not say: it holds until the next sample.
            ends &= ~(self._of_lane(self._settings.step) & self._before(same_status, last=False))
        return ends

    def _goes_on(self) -> BoolArray:
        """bool[n]: of the kind of the sample before, and if not on a line, a mere repeat of it."""
        if self._all_on_line:
            return ~self._begins
        is_repeat = self._repeats() & (self._bad | ~self._of_lane(self._settings.stores_reports))
        return self._like_before(self._on_line) & (self._on_line | is_repeat)

    def _repeats(self) -> BoolArray:
        """bool[n]: of the same value as the sample before; -0.0 equals 0.0, and no value equals no value."""
        none = np.isnan(self._series.value)
        same = self._like_before(self._series.value)
        same[1:] |= none[1:] & none[:-1]
        _compare(same, self._series.exact)
        _compare(same, self._series.text)
        return same

    def _like_before(self, column: np.ndarray[tuple[int], np.dtype[np.generic]]) -> BoolArray:
        same = np.zeros(len(column), np.bool_)
        np.equal(column[1:], column[:-1], out=same[1:])
        same &= ~self._begins
        return same

    def _before(self, column: BoolArray, *, last: bool) -> BoolArray:
        """bool[n]: ``column`` of the next sample of the lane; ``last`` for the last one."""
        shifted = np.full(len(column), last)
        begins = self._begins[1:]
        shifted[:-1] = column[1:] | begins if last else column[1:] & ~begins
        return shifted

    def _store_when_due(self, starts: BoolArray, stored: BoolArray) -> None:
        """Of equal samples those that come ``comp_max`` after the last stored one.

        A loop over runs longer than that, and what is stored of each; on a line it is the door that looks at the time.
        """
        first = np.flatnonzero(starts)
        last = np.append(first, len(starts))[1:] - 1
        time_us = self._series.time_us
        limit_us = self._settings.comp_max_us[np.searchsorted(self._series.starts, first, side="right") - 1]
        long = ~self._on_line[first] & (limit_us < NO_LIMIT_US) & (time_us[last] - time_us[first] >= limit_us)
        for begin, end, longest_us in zip(
            first[long].tolist(), last[long].tolist(), limit_us[long].tolist(), strict=True
        ):
            _mark_due(time_us[begin : end + 1], longest_us, stored[begin : end + 1])


def _mark_due(time_us: Int64Array, limit_us: int, stored: BoolArray) -> None:
    due = int(np.searchsorted(time_us, time_us[0] + limit_us))
    while due < len(time_us):
        stored[due] = True
        due = int(np.searchsorted(time_us, time_us[due] + limit_us))


def _compare(same: BoolArray, extras: Mapping[int, ExtraT]) -> None:
    """Correct ``same`` where a value or the one before it is not in the column; loops over such values only."""
    for row, extra in extras.items():
        same[row] &= extras.get(row - 1) == extra
        if row + 1 < len(same):
            same[row + 1] &= extras.get(row + 1) == extra
