"""Compression while samples come in: what is final, and what is held until more is known.

Scans are only collected.  Now and then all lanes are settled for the whole block of them, by the same rules as whole
histories are (:mod:`.bulk`); however samples are cut into blocks, the same are stored in the end.  A block costs little
more than a single scan: what numpy takes for a call is shared by all samples of all lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.compression.block import joined, nothing, stacked
from historian.compression.bulk import deviations
from historian.compression.doors import LOOK_AHEAD, DoorRows, Doors, swing
from historian.compression.lanes import BEFORE_ALL_US, LaneSamples, LaneSettings, SampleSlots, require_newer, where_of
from historian.compression.reports import REPORTED, MarkArray, mark_behind
from historian.compression.runs import Runs, runs_of
from historian.compression.series import LaneSeries
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array

LONGEST_WAIT: Final = 2 * LOOK_AHEAD
"""A lane with more held samples than this is not put off to the next block."""


@dataclass(slots=True)
class OpenLanes:
    """What compression knows of lanes between two blocks; it changes in place.

    ``series`` has of each lane that had samples the last stored one, and behind it those that are held.  ``marks``
    uint8[n] of these rows.  ``passed`` intp[lanes]: so many of the held ones the door has seen; ``low``, ``high``
    float64[lanes] is its window.  ``reported`` has the last report of each lane with exception reporting.
    """

    series: LaneSeries
    marks: MarkArray
    passed: IndexArray
    low: FloatArray
    high: FloatArray
    reported: SampleSlots

    @classmethod
    def none(cls, lanes: int) -> OpenLanes:
        """Nothing is known of so many lanes."""
        return cls(
            nothing(lanes), np.empty(0, np.uint8), np.zeros(lanes, np.intp),
            np.full(lanes, np.nan), np.full(lanes, np.nan), SampleSlots(lanes),
        )  # fmt: skip



class Compression:
    """Exception reporting and compression of lanes with a door; docs/explanation/compression.md says what is promised.

    Samples go in with :meth:`push`; :meth:`settle` gives those that are to be stored, each once, and in order of time
    for each lane.  Of the samples that were settled ``reported`` counts those that exception reporting let pass, and
    ``suppressed`` the others.
    """

    def __init__(self, settings: LaneSettings, known: OpenLanes | None = None) -> None:
        self.settings = settings
        self.reported = self.suppressed = 0
        self._lanes = len(settings)
        self._open = OpenLanes.none(self._lanes) if known is None else known
        self._fresh: list[LaneSamples] = []
        self._newest_us: Int64Array = np.full(self._lanes, BEFORE_ALL_US, np.int64)

    @property
    def known(self) -> OpenLanes:
        """What was known when lanes were last settled.  Not to be changed."""
        return self._open

    @property
    def waiting(self) -> Sequence[LaneSamples]:
        """The scans that came since then."""
        return self._fresh

    def push(self, samples: LaneSamples) -> None:
        """Take the next sample of some lanes.

        Raises ValueError when one is not newer than the one before it in its lane.
        """
        if len(samples):
            where = where_of(samples.lane)
            require_newer(samples, self._newest_us[where])
            self._newest_us[where] = samples.time_us
            self._fresh.append(samples)

    def settle(self) -> LaneSeries:
        """What is final of everything so far."""
        return self._settle(self._taken(), final=False)

    def drain(self, more: LaneSeries | None = None) -> LaneSeries:
        """Everything that is to be stored when no more samples follow, but for ``more``.

        The next sample of a lane is its first again.
        """
        stored = self._settle(self._taken() if more is None else more, final=True)
        self._open = OpenLanes.none(self._lanes)
        self._newest_us[:] = BEFORE_ALL_US
        return stored

    def held(self) -> LaneSeries:
        """The samples that are neither stored nor left out yet."""
        behind = self._open.series.take(np.flatnonzero(~self._open.series.begins()))
        return joined(behind, stacked(self._fresh, self._lanes))[0]

    def _taken(self) -> LaneSeries:
        fresh, self._fresh = self._fresh, []
        return stacked(fresh, self._lanes)

    def _settle(self, fresh: LaneSeries, *, final: bool) -> LaneSeries:
        known = self._open
        series, old, _ = joined(known.series, fresh)
        is_stored = np.zeros(len(series), np.bool_)
        is_stored[old] = known.series.begins()
        marks = self._mark(series, old)
        runs = runs_of(series, self.settings, marks, final=final)
        ends, held_from = self._swing(series, runs, marks, is_stored)
        stored = ends & ~is_stored
        self._keep_open(series, marks, runs, ends, held_from)
        return series.take(np.flatnonzero(stored))

    def _mark(self, series: LaneSeries, old: IndexArray) -> MarkArray:
        known = self._open
        marks: MarkArray = np.full(len(series), REPORTED, np.uint8)
        marks[old] = known.marks
        begin = series.starts[:-1] + np.diff(known.series.starts)
        mark_behind(series, self.settings, marks, begin, known.reported)
        # The last of the held ones may have been reported after all.
        for is_reported, sign in ((marks == REPORTED, 1), (known.marks == REPORTED, -1)):
            reported = int(np.count_nonzero(is_reported))
            self.reported += sign * reported
            self.suppressed += sign * (len(is_reported) - reported)
        return marks

    def _swing(
        self, series: LaneSeries, runs: Runs, marks: MarkArray, is_stored: BoolArray
    ) -> tuple[BoolArray, IndexArray]:
        """bool[n]: what is stored; intp[lanes]: the row from which on numbers on a line are held, n for none."""
        stored, held_from = runs.stored.copy(), np.full(self._lanes, len(series))
        rows = np.flatnonzero(runs.on_line)
        if not len(rows):
            return stored, held_from
        line = series.take(rows)
        lanes = np.flatnonzero(line.starts[1:] > line.starts[:-1])
        must = stored[rows]
        must[line.starts[lanes]] = False
        edges = DoorRows(line.time_us, line.value, deviations(self.settings, line, marks[rows]), must)
        doors = Doors.wide_open(edges, line.starts[lanes], line.starts[lanes + 1], self.settings, lanes)
        first = series.starts[lanes]
        goes_on = is_stored[first] & runs.on_line[first]
        doors.row += np.where(goes_on, self._open.passed[lanes], 0)
        np.copyto(doors.low, self._open.low[lanes], where=goes_on)
        np.copyto(doors.high, self._open.high[lanes], where=goes_on)
        # Whether a line must end at the last sample, and if not how near it must come, only the next one tells.
        last = self._last_counting(series, runs)[lanes]
        doors.stop -= runs.on_line[last] & ~runs.stored[last]
        # What is stored behind numbers that the door has not seen yet would be stored before them.
        must_arrive = np.zeros(self._lanes, np.bool_)
        must_arrive[series.lane_of_rows()[runs.stored & ~is_stored]] = True
        ends = stored[rows]
        swing(edges, doors, ends, must_arrive[lanes] | (doors.stop - doors.end > LONGEST_WAIT))
        stored[rows] = ends
        self._open.passed[lanes] = doors.row - doors.end
        self._open.low[lanes], self._open.high[lanes] = doors.low, doors.high
        behind = doors.end < line.starts[lanes + 1]
        held_from[lanes[behind]] = rows[doors.end[behind]]
        return stored, held_from

    def _keep_open(
        self, series: LaneSeries, marks: MarkArray, runs: Runs, stored: BoolArray, held_from: IndexArray
    ) -> None:
        """Remember of each lane the last stored sample and what is held behind it."""
        lane = series.lane_of_rows()
        last_stored = _last_of_lanes(stored.nonzero()[0], lane, self._lanes)
        keep = np.arange(len(series)) >= held_from[lane]
        keep &= runs.on_line
        keep[last_stored[last_stored >= 0]] = True
        # The last sample of all may yet be reported, the last that counts may yet be the end of its run.
        keep[(series.starts[1:] - 1)[series.starts[1:] > series.starts[:-1]]] = True
        last_counting = self._last_counting(series, runs)
        keep[last_counting[last_counting > last_stored]] = True
        rows = keep.nonzero()[0]
        self._open.series, self._open.marks = series.take(rows), marks[rows]

    def _last_counting(self, series: LaneSeries, runs: Runs) -> IndexArray:
        """intp[lanes]: the last sample that counts; of lanes without samples anything."""
        if runs.counts.all():
            return series.starts[1:] - 1
        return _last_of_lanes(runs.counts.nonzero()[0], series.lane_of_rows(), self._lanes)


def _last_of_lanes(rows: IndexArray, lane: IndexArray, lanes: int) -> IndexArray:
    """intp[lanes]: the last of ``rows`` (increasing) in each lane, -1 for none."""
    last: IndexArray = np.full(lanes, -1, np.intp)
    last[lane[rows]] = rows  # of the rows of a lane the last stays
    return last
