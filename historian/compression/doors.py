"""The swinging door: the second stage, behind exception reporting; what it lets through goes to the store.

From the stored sample A every later sample i allows the slopes from ``(vi - Di - vA) / (ti - tA)`` to
``(vi + Di - vA) / (ti - tA)``; their intersection is the window.  A sample may end the line that began at A when the
slope from A to it lies in the window of the samples between: then each of those is within its own Di of the line.

The look-ahead door goes on while the window is not empty, ends the line at the last sample that was such an end, and
begins anew there; samples behind that are gone through again.  The plain door ends the line before the first sample
that may not end it (after E. H. Bristol, "Swinging door trending: adaptive trend recording?", ISA 1990; the textbook's
"until the doors are parallel" breaks the bound).

All lines go forward in lock step, one sample of each at a time, wherever in its lane each one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from historian.compression.lanes import NO_LIMIT_US
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array

Edges: TypeAlias = NDArray[np.float64]

LOOK_AHEAD: Final = 128
"""So many samples behind its last possible end, a line ends there.  It bounds what is held of a lane.  On 13 signals at
four deviations it cost 0 to 2 % more samples than no limit, half of it 0 to 5 %, a quarter 0 to 12 %."""

_TIME_UNIT: Final = 2.0**-62
"""Slopes are per 2^62 us: a power of two rounds nothing, and no slope between real times gets too small for a double.
One that gets too large is no slope that a window holds, so that the line ends before that sample."""

_FARTHEST: Final = np.finfo(np.float64).max


@dataclass(frozen=True, slots=True)
class DoorRows:
    """Samples on lines, of any number of lanes.

    ``time_us`` int64[n]; ``edges`` float64[3, n]: the values, and the lowest and the highest that a line may have at
    the sample; ``stored`` bool[n]: a line ends here at the latest.
    """

    time_us: Int64Array
    edges: Edges
    stored: BoolArray

    @classmethod
    def of(cls, time_us: Int64Array, value: FloatArray, deviation: FloatArray, stored: BoolArray) -> DoorRows:
        """``deviation`` float64[n] is how far a line may be from each value; infinite: as far as it likes."""
        edges = np.empty((3, len(value)))
        edges[0] = value
        with np.errstate(over="ignore"):  # a bound beyond the largest double is none
            # The deviation goes first: 1.3 - 0.1 is 1.2 as people write it, wherever the line comes from.
            np.subtract(value, deviation, out=edges[1])
            np.add(value, deviation, out=edges[2])
        return cls(time_us, edges, stored)


@dataclass(slots=True)
class Doors:
    """One open door for each lane or piece of one; they move forward together, so this changes in place.

    ``number`` intp[m] tells which door is which.  ``row``, ``stop`` intp[m]: the next sample of it, and where to halt.
    ``time_us`` int64[m], ``value`` float64[m]: the stored sample where the line begins.  ``low``, ``high`` float64[m]:
    the window of slopes.  ``end`` intp[m]: the last sample that may end the line; the first one always may.
    ``min_us``, ``max_us`` int64[m], ``look_ahead`` bool[m] as in
    :class:`~historian.compression.lanes.LaneSettings`.
    """

    number: IndexArray
    row: IndexArray
    stop: IndexArray
    time_us: Int64Array
    value: FloatArray
    low: FloatArray
    high: FloatArray
    end: IndexArray
    min_us: Int64Array
    max_us: Int64Array
    look_ahead: BoolArray

    def take(self, doors: IndexArray) -> Doors:
        """Some of them."""
        return Doors(*(getattr(self, name)[doors] for name in self.__slots__))

    def put(self, doors: Doors) -> None:
        """Bring those with the numbers of ``doors`` up to date."""
        for name in ("row", "time_us", "value", "low", "high", "end"):
            getattr(self, name)[doors.number] = getattr(doors, name)


def wide_open(rows: DoorRows, anchor: IndexArray, stop: IndexArray, *, min_us: Int64Array, max_us: Int64Array,
              look_ahead: BoolArray) -> Doors:  # fmt: skip
    """Doors at the stored samples ``anchor`` (intp[m]), for the rows from there up to ``stop``; limits by door."""
    count = len(anchor)
    return Doors(
        np.arange(count), anchor + 1, stop, rows.time_us[anchor], rows.edges[0, anchor],
        np.full(count, -_FARTHEST), np.full(count, _FARTHEST), anchor + 1, min_us, max_us, look_ahead,
    )  # fmt: skip


def swing(rows: DoorRows, doors: Doors, ends: BoolArray) -> None:
    """Move all ``doors`` up to where they halt; ``ends`` (bool[n]) is set at the samples where a line ended."""
    walk = _Walk(rows, doors, ends)
    moving = doors.take(np.flatnonzero(doors.row < doors.stop))
    while len(moving.row):
        walk.step(moving)
        going = moving.row < moving.stop
        if not going.all():
            doors.put(moving.take(np.flatnonzero(~going)))
            moving = moving.take(np.flatnonzero(going))


class _Walk:
    """What all steps have in common, and which limits there are to look at."""

    def __init__(self, rows: DoorRows, doors: Doors, ends: BoolArray) -> None:
        self._rows = rows
        self._ends = ends
        self._any_stored = bool(rows.stored.any())
        self._any_min = bool((doors.min_us > 0).any())
        self._any_max = bool((doors.max_us < NO_LIMIT_US).any())
        self._any_plain = not doors.look_ahead.all()

    # Slopes that overflow are compared like any others, and meet no window.
    @np.errstate(all="ignore")
    def step(self, doors: Doors) -> None:
        """Take the next sample of each."""
        row = doors.row
        elapsed_us = self._rows.time_us.take(row) - doors.time_us
        slope, low, high = self._slopes(doors, elapsed_us)
        may_end = (slope >= doors.low) & (slope <= doors.high)
        np.copyto(doors.end, row, where=may_end)
        if self._any_min:
            early = elapsed_us < doors.min_us
            low[early], high[early] = -np.inf, np.inf
        np.maximum(doors.low, low, out=doors.low)
        np.minimum(doors.high, high, out=doors.high)
        shut = doors.low > doors.high
        shut |= row - doors.end >= LOOK_AHEAD
        if self._any_stored:
            shut |= self._rows.stored.take(row)
        if self._any_max:
            shut |= elapsed_us >= doors.max_us
        if self._any_plain:
            shut |= (doors.end < row) & ~doors.look_ahead
        doors.row = row + 1
        self._begin_anew(doors, np.flatnonzero(shut))

    def _slopes(self, doors: Doors, elapsed_us: Int64Array) -> Edges:
        """float64[3, m]: from where the lines begin to the next samples, and to the edges around these."""
        slopes: Edges = self._rows.edges.take(doors.row, axis=1)
        slopes -= doors.value
        slopes /= elapsed_us * _TIME_UNIT
        return slopes

    def _begin_anew(self, doors: Doors, shut: IndexArray) -> None:
        """End the lines of the doors ``shut`` (intp[k]) at the last samples that may end them."""
        if not len(shut):
            return
        end = doors.end[shut]
        self._ends[end] = True
        doors.time_us[shut] = self._rows.time_us[end]
        doors.value[shut] = self._rows.edges[0, end]
        doors.low[shut] = -_FARTHEST
        doors.high[shut] = _FARTHEST
        doors.row[shut] = end + 1
        doors.end[shut] = end + 1
