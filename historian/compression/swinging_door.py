"""The swinging door: the second stage, behind exception reporting; what it stores goes to the store.

From the archived sample A every later sample i allows the slopes from ``(vi - D - vA) / (ti - tA)`` to
``(vi + D - vA) / (ti - tA)``; their intersection is the window.  A sample may end the segment that began at A when the
slope from A to it lies in the window of the samples between: then each of those is within D of the line.  This is the
plain variant: the segment ends just before the first sample that may not end it (after E. H. Bristol, "Swinging door
trending: adaptive trend recording?", ISA 1990; the textbook's "until the doors are parallel" breaks the bound).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.compression.lanes import (
    LaneSamples,
    LaneSettings,
    SampleSlots,
    Where,
    require_newer,
    require_same_lanes,
    where_of,
)
from historian.model.samples import BoolArray, FloatArray, IndexArray
from historian.model.status import is_bad

_TIME_UNIT: Final = 2.0**-62
"""Slopes are per 2^62 us: a power of two rounds nothing, and no slope between real times gets too small for a double.
One that gets too large opens the door, so that the sample is stored."""


class SwingingDoor:
    """Compression of all lanes of a scan group.

    What is stored are samples that were pushed, never others.  A value that was not stored differs from the line
    between its stored neighbours by ``comp_dev`` at most (and a few units in the last place of the difference).  The
    first and the last sample before and after every change of status are stored.

    Not on a line, and therefore stored when they change: values of step lanes, text, whole numbers beyond 2^53, and Bad
    samples, of which the first and the last of a run are stored.  Lanes whose ``comp_dev`` is off store all but the
    repeats among these.  ``comp_max_us``: stored samples are at most this far apart, as far as there are samples.
    ``comp_min_us``: a value this close to the stored one before does not open the door; this breaks the bound.
    """

    def __init__(self, settings: LaneSettings) -> None:
        lanes = len(settings)
        self._anchor = SampleSlots(lanes)
        self._held = SampleSlots(lanes)
        self._low: FloatArray = np.full(lanes, -np.inf)
        self._high: FloatArray = np.full(lanes, np.inf)
        self._on_line: BoolArray = np.zeros(lanes, np.bool_)
        self._use(settings)

    def set_settings(self, settings: LaneSettings) -> None:
        """Go on with other settings of the same lanes.  Raises ValueError when there are more or fewer."""
        require_same_lanes(settings, self._settings)
        self._use(settings)

    def _use(self, settings: LaneSettings) -> None:
        self._settings = settings
        self._has_door: BoolArray = ~np.isnan(settings.comp_dev) & ~settings.step
        self._stores_all: BoolArray = np.isnan(settings.comp_dev) & ~settings.step

    # Differences and slopes that overflow, and those of lanes without an anchor, are looked at where they are used.
    @np.errstate(all="ignore")
    def push(self, samples: LaneSamples) -> list[LaneSamples]:
        """Take the next sample of some lanes; returns what is to be stored, in order of time for each lane.

        Raises ValueError when a sample is not newer than the one before it in its lane.
        """
        if not len(samples):
            return []
        where = where_of(samples.lane)
        require_newer(samples, self._held.time_us[where])
        bad = is_bad(samples.status)
        on_line = self._is_on_line(samples, where, bad)
        goes_on = self._goes_on(samples, where, on_line, bad)
        swings = goes_on & on_line
        before = self._held.get(samples.lane[self._ends_with_held(samples, where, goes_on, swings)])
        self._start_at(before)
        due = samples.time_us - self._anchor.time_us[where] >= self._settings.comp_max_us[where]
        store = ~goes_on | due
        self._narrow(samples, where, swings & ~store)
        now = samples.where(store)
        self._start_at(now)
        self._on_line[where] = on_line
        self._held.put(samples, where)
        self._held.filled[where] = ~store
        return [part for part in (before, now) if len(part)]

    def _is_on_line(self, samples: LaneSamples, where: Where, bad: BoolArray) -> BoolArray:
        """bool[m]: a line may pass by this sample: a number on a lane that has a door."""
        on_line: BoolArray = self._has_door[where] & ~bad & ~np.isnan(samples.value)
        if samples.exact:
            on_line[np.fromiter(samples.exact, np.intp, len(samples.exact))] = False
        return on_line

    def _goes_on(self, samples: LaneSamples, where: Where, on_line: BoolArray, bad: BoolArray) -> BoolArray:
        """bool[m]: of the kind and status of the anchor, and if not on a line, a mere repeat of it."""
        goes_on: BoolArray = self._anchor.filled[where] & (samples.status == self._anchor.status[where])
        goes_on &= on_line == self._on_line[where]
        if not on_line.all():
            repeats = ~self._anchor.unlike(samples, where) & (bad | ~self._stores_all[where])
            goes_on &= on_line | repeats
        return goes_on

    def _ends_with_held(self, samples: LaneSamples, where: Where, goes_on: BoolArray, swings: BoolArray) -> BoolArray:
        """bool[m]: the held sample of the lane is to be stored, because a segment or a run ends there."""
        slope = (samples.value - self._anchor.value[where]) / self._time_since_anchor(samples, where)
        # A slope that overflowed is outside, whatever the window: when in doubt, store.
        inside = (self._low[where] <= slope) & (slope <= self._high[where]) & np.isfinite(slope)
        # The repeat of a state says nothing that the state did not say: it holds until the next sample.
        same_state = self._settings.step[where] & ~self._on_line[where]
        same_state &= samples.status == self._anchor.status[where]
        ends: BoolArray = self._held.filled[where] & ((swings & ~inside) | (~goes_on & ~same_state))
        return ends

    def _time_since_anchor(self, samples: LaneSamples, where: Where) -> FloatArray:
        """float64[m], in :data:`_TIME_UNIT`."""
        return (samples.time_us - self._anchor.time_us[where]).astype(np.float64) * _TIME_UNIT

    def _narrow(self, samples: LaneSamples, where: Where, rows: BoolArray) -> None:
        """Intersect the windows with the slopes that the samples marked in ``rows`` allow."""
        time = self._time_since_anchor(samples, where)
        anchor = self._anchor.value[where]
        deviation = self._settings.comp_dev[where]
        rows = rows & (samples.time_us - self._anchor.time_us[where] >= self._settings.comp_min_us[where])
        low, high = self._low[where], self._high[where]
        # An infinite bound is either no bound or one that no slope meets.
        np.maximum(low, (samples.value - deviation - anchor) / time, out=low, where=rows)
        np.minimum(high, (samples.value + deviation - anchor) / time, out=high, where=rows)
        self._low[where], self._high[where] = low, high

    def _start_at(self, samples: LaneSamples) -> None:
        """Begin new segments at stored ``samples``."""
        if not len(samples):
            return
        where = where_of(samples.lane)
        self._anchor.put(samples, where)
        self._low[where] = -np.inf
        self._high[where] = np.inf

    def held(self) -> list[LaneSamples]:
        """The samples that were neither stored nor found superfluous yet, in order of time for each lane."""
        held = self._held.all()
        return [held] if len(held) else []

    def drain(self) -> list[LaneSamples]:
        """Store all that is held; returns it in order of time for each lane."""
        held = self.held()
        for part in held:
            self._start_at(part)
            self._held.filled[part.lane] = False
        return held

    def restart(self, lanes: IndexArray) -> None:
        """Forget ``lanes`` and what is held there: their next sample is stored as the first."""
        self._anchor.clear(lanes)
        self._held.clear(lanes)
        self._on_line[lanes] = False
        self._low[lanes] = -np.inf
        self._high[lanes] = np.inf
