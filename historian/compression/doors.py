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
from typing import Final

import numpy as np

from historian.compression.lanes import NO_LIMIT_US, LaneSettings
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array

LOOK_AHEAD: Final = 128
"""So many samples behind its last possible end, a line ends there.  It bounds what is held of a lane.  On 13 signals at
four deviations it cost 0 to 2 % more samples than no limit, half of it 0 to 5 %, a quarter 0 to 12 %."""

FEW: Final = 16
"""When no more than one in so many doors is still on its way, those that may are left there until the next time."""

_TIME_UNIT: Final = 2.0**-62
"""Slopes are per 2^62 us: a power of two rounds nothing, and no slope between real times gets too small for a double.
One that gets too large is no slope that a window holds, so that the line ends before that sample."""

_FARTHEST: Final = np.finfo(np.float64).max


@dataclass(frozen=True, slots=True)
class DoorRows:
    """Samples on lines, of any number of lanes.

    ``time_us`` int64[n]; ``value`` float64[n]; ``deviation`` float64[n]: how far a line may be from each value, None
    where that depends on the door alone; ``stored`` bool[n]: a line ends here at the latest.
    """

    time_us: Int64Array
    value: FloatArray
    deviation: FloatArray | None
    stored: BoolArray


class Doors:
    """One open door for each lane or piece of one; they move forward together, so this changes in place.

    All int64[m]: ``number`` tells which door is which; ``row``, ``stop``: the next sample of it, and where to halt;
    ``end``: the last sample that may end the line, which the first one always may; ``time_us``: of the stored sample
    where the line begins; ``min_us``, ``max_us``, ``look_ahead`` as in
    :class:`~historian.compression.lanes.LaneSettings`.  All float64[m]: ``value`` of the stored sample; ``low``,
    ``high``: the window of slopes; ``deviation``: how far a line may be from a value.
    """

    __slots__ = (
        "_places", "_slopes", "deviation", "end", "high", "look_ahead", "low", "max_us", "min_us", "number", "row",
        "stop", "time_us", "value",
    )  # fmt: skip

    def __init__(self, places: Int64Array, slopes: FloatArray) -> None:
        # Columns one below the other, so that a few doors are taken from all of them at once.
        self._places = places
        self._slopes = slopes
        (
            self.number, self.row, self.stop, self.end, self.time_us, self.min_us, self.max_us, self.look_ahead,
        ) = places  # fmt: skip
        self.value, self.low, self.high, self.deviation = slopes

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def wide_open(
        cls, rows: DoorRows, anchor: IndexArray, stop: IndexArray, settings: LaneSettings, lane: IndexArray
    ) -> Doors:
        """Doors of ``lane`` at the stored samples ``anchor``, for the rows from there up to ``stop`` (intp[m] each)."""
        places = np.empty((8, len(anchor)), np.int64)
        slopes = np.empty((4, len(anchor)))
        doors = cls(places, slopes)
        doors.number[:] = np.arange(len(anchor))
        doors.row[:] = anchor + 1
        doors.stop[:] = stop
        doors.end[:] = anchor + 1
        doors.time_us[:] = rows.time_us[anchor]
        doors.min_us[:] = settings.comp_min_us[lane]
        doors.max_us[:] = settings.comp_max_us[lane]
        doors.look_ahead[:] = settings.look_ahead[lane]
        doors.value[:] = rows.value[anchor]
        doors.low[:] = -_FARTHEST
        doors.high[:] = _FARTHEST
        doors.deviation[:] = np.where(np.isnan(settings.comp_dev), 0.0, settings.comp_dev)[lane]
        return doors

    def take(self, doors: IndexArray) -> Doors:
        """Some of them."""
        return Doors(self._places.take(doors, axis=1), self._slopes.take(doors, axis=1))

    def put(self, doors: Doors) -> None:
        """Bring those with the numbers of ``doors`` up to date."""
        self._places[:, doors.number] = doors._places
        self._slopes[:, doors.number] = doors._slopes


# Slopes and bounds that overflow are compared like any others: the former meet no window, the latter are none.
@np.errstate(all="ignore")
def swing(rows: DoorRows, doors: Doors, ends: BoolArray, must_arrive: BoolArray) -> None:
    """Move ``doors`` up to where they halt; ``ends`` (bool[n]) is set at the samples where a line ended.

    ``must_arrive`` bool[m]: the others may be left on their way, with what they know, when only few are: those that
    take many steps for the same samples then go on beside all the others the next time.
    """
    walk = _Walk(rows, doors)
    few = len(doors) // FEW
    moving = doors.take((doors.row < doors.stop).nonzero()[0])
    while len(moving):
        # No door arrives in fewer steps than the nearest has samples before it.
        for _ in range(int((moving.stop - moving.row).min())):
            walk.begin_anew(moving, walk.step(moving).nonzero()[0], ends)
        going = moving.row < moving.stop
        doors.put(moving.take((~going).nonzero()[0]))
        if np.count_nonzero(going) <= few:
            doors.put(moving)
            going &= must_arrive[moving.number]
        moving = moving.take(going.nonzero()[0])


@np.errstate(all="ignore")
def swing_to_the_end(rows: DoorRows, doors: Doors, ends: BoolArray) -> None:
    """Move ``doors`` up to where they halt and end their last lines there; ``ends`` as in :func:`swing`."""
    walk = _Walk(rows, doors)
    moving = doors.take((doors.row < doors.stop).nonzero()[0])
    while len(moving):
        for _ in range(int((moving.stop - moving.row).min())):
            walk.begin_anew(moving, walk.step(moving).nonzero()[0], ends)
        has_line = (moving.row >= moving.stop) & (moving.end < moving.stop)
        walk.begin_anew(moving, has_line.nonzero()[0], ends)
        moving = moving.take((moving.row < moving.stop).nonzero()[0])


@np.errstate(all="ignore")
def farthest(rows: DoorRows, doors: Doors, wanted: BoolArray) -> IndexArray:
    """intp[m]: the last of the ``wanted`` samples (bool[n]) that may end the line of each door, -1 where none may.

    When only few doors are open still, what they have found so far is good enough.
    """
    walk = _Walk(rows, doors)
    found: IndexArray = np.full(len(doors), -1, np.intp)
    moving = doors.take((doors.row < doors.stop).nonzero()[0])
    open_ = np.ones(len(moving), np.bool_)
    while len(moving) > len(doors) // FEW:
        row = moving.row.copy()
        shut = walk.step(moving)
        # The last possible end is the sample itself where that is one.
        hit = (open_ & (moving.end == row) & wanted.take(row)).nonzero()[0]
        found[moving.number[hit]] = row[hit]
        open_ &= ~shut
        going = open_ & (moving.row < moving.stop)
        # Those that are done are taken out by and by, but none goes on behind where it has to halt.
        if (moving.row >= moving.stop).any() or 4 * np.count_nonzero(going) < 3 * len(moving):
            moving, open_ = moving.take(going.nonzero()[0]), open_[going]
    return found


class _Walk:
    """What all steps have in common, and which limits there are to look at."""

    def __init__(self, rows: DoorRows, doors: Doors) -> None:
        self._rows = rows
        self._any_stored = bool(rows.stored.any())
        self._any_min = bool((doors.min_us > 0).any())
        self._any_max = bool((doors.max_us < NO_LIMIT_US).any())
        self._any_plain = not doors.look_ahead.all()
        self._patience = 0
        """So many steps no door can be LOOK_AHEAD samples behind its last possible end."""

    def step(self, doors: Doors) -> BoolArray:
        """Take the next sample of each; bool[m]: the line ends, at the last sample that may end it."""
        row = doors.row
        elapsed_us = self._rows.time_us.take(row)
        elapsed_us -= doors.time_us
        slope, low, high = self._slopes_to(doors, elapsed_us)
        may_end = slope >= doors.low
        may_end &= slope <= doors.high
        np.putmask(doors.end, may_end, row)
        if self._any_min:
            early = elapsed_us < doors.min_us
            low[early], high[early] = -np.inf, np.inf
        np.maximum(doors.low, low, out=doors.low)
        np.minimum(doors.high, high, out=doors.high)
        shut = self._shut(doors, elapsed_us)
        row += 1
        return shut

    def _slopes_to(self, doors: Doors, elapsed_us: Int64Array) -> FloatArray:
        """float64[3, m]: from where the lines begin to the next samples, and to what is lowest and highest there."""
        deviation = self._rows.deviation
        allowed = doors.deviation if deviation is None else deviation.take(doors.row)
        slopes: FloatArray = np.empty((3, len(doors)))
        slopes[0] = self._rows.value.take(doors.row)
        # The deviation goes first: 1.3 - 0.1 is 1.2 as people write it, wherever the line comes from.
        np.subtract(slopes[0], allowed, out=slopes[1])
        np.add(slopes[0], allowed, out=slopes[2])
        slopes -= doors.value
        slopes /= elapsed_us * _TIME_UNIT
        return slopes

    def _shut(self, doors: Doors, elapsed_us: Int64Array) -> BoolArray:
        shut: BoolArray = doors.low > doors.high
        if self._patience:
            self._patience -= 1
        else:
            behind = doors.row - doors.end
            shut |= behind >= LOOK_AHEAD
            self._patience = max(LOOK_AHEAD - 1 - int(behind.max()), 0)
        if self._any_stored:
            shut |= self._rows.stored.take(doors.row)
        if self._any_max:
            shut |= elapsed_us >= doors.max_us
        if self._any_plain:
            shut |= (doors.end < doors.row) & (doors.look_ahead == 0)
        return shut

    def begin_anew(self, doors: Doors, shut: IndexArray, ends: BoolArray) -> None:
        """End the lines of the doors ``shut`` (intp[k]) at the last samples that may end them."""
        if not len(shut):
            return
        end = doors.end[shut]
        ends[end] = True
        doors.time_us[shut] = self._rows.time_us[end]
        doors.value[shut] = self._rows.value[end]
        doors.low[shut] = -_FARTHEST
        doors.high[shut] = _FARTHEST
        end += 1
        doors.row[shut] = end
        doors.end[shut] = end
