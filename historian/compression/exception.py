"""Exception reporting: the first stage behind the collectors; what it reports goes on to the swinging door.

A scan that says nothing new is not reported.  When the value leaves the band around the last reported one, the scan
just before is reported too: without it a flat line followed by a step would become a ramp.
"""

from __future__ import annotations

from fractions import Fraction

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
from historian.model.samples import EXACT_LIMIT, BoolArray, IndexArray


class ExceptionFilter:
    """Exception reporting of all lanes of a scan group.

    With the new value v at t, the last reported v0 at t0 and the last scanned vp at tp, a scan is reported when its
    status changed, when ``|v - v0| > exc_dev`` and ``t - t0 >= exc_min``, or when ``t - t0 >= exc_max``; in the first
    two cases after (vp, tp), if that was not reported yet.  Lanes whose ``exc_dev`` is off report every scan.  Step
    lanes report every change of value or status whatever the deviations, and the scan before only when the status
    changed, because until then the value held.

    Between two reports with ``exc_min`` 0 every scan lies within ``exc_dev`` of the first of the two.
    """

    def __init__(self, settings: LaneSettings) -> None:
        self._last = SampleSlots(len(settings))
        self._reported = SampleSlots(len(settings))
        self._last_reported: BoolArray = np.zeros(len(settings), np.bool_)
        self._use(settings)

    def set_settings(self, settings: LaneSettings) -> None:
        """Go on with other settings of the same lanes.  Raises ValueError when there are more or fewer."""
        require_same_lanes(settings, self._settings)
        if self._passes_all:  # then nothing was remembered apart as reported, because every scan was
            self._reported.put(self._last.all())
        self._use(settings)

    def _use(self, settings: LaneSettings) -> None:
        self._settings = settings
        self._always: BoolArray = np.isnan(settings.exc_dev) & ~settings.step
        # A change of state is a deviation by anything at all, at any time.
        self._deviation = np.where(settings.step, 0.0, settings.exc_dev)
        self._min_us = np.where(settings.step, 0, settings.exc_min_us)
        self._passes_all = bool(self._always.all())

    def push(self, samples: LaneSamples) -> tuple[LaneSamples, LaneSamples]:
        """Take the next scan of some lanes; returns (previous scans to report first, current scans to report).

        A previous sample is older than the current one of its lane.  Raises ValueError when a sample is not newer than
        the last one of its lane.
        """
        if not len(samples):
            return samples, samples
        where = where_of(samples.lane)
        require_newer(samples, self._last.time_us[where])
        if self._passes_all:
            self._last.put(samples, where)
            self._last_reported[where] = True
            return LaneSamples.empty(), samples
        report, previous = self._decide(samples, where)
        before = self._last.get(samples.lane[previous])
        current = samples.where(report)
        self._last.put(samples, where)
        self._last_reported[where] = report
        self._reported.put(current)
        return before, current

    def _decide(self, samples: LaneSamples, where: Where) -> tuple[BoolArray, BoolArray]:
        """bool[m] each: report this scan; report the one before it first."""
        known = self._last.filled[where]
        new_status = known & (samples.status != self._last.status[where])
        elapsed_us = samples.time_us - self._reported.time_us[where]
        moved = self._moved(samples, where) & (elapsed_us >= self._min_us[where])
        due = elapsed_us >= self._settings.exc_max_us[where]
        report = ~known | new_status | moved | due | self._always[where]
        left_behind = known & ~self._last_reported[where]
        previous = left_behind & (new_status | (moved & ~self._settings.step[where]))
        return report, previous

    def _moved(self, samples: LaneSamples, where: Where) -> BoolArray:
        """bool[m]: the value is further from the last reported one than the deviation allows."""
        kept = self._reported.value[where]
        deviation = self._deviation[where]
        with np.errstate(over="ignore"):  # nothing lies beyond a bound that is beyond the largest double
            moved: BoolArray = (samples.value > kept + deviation) | (samples.value < kept - deviation)
        # From a number to text or back there is no distance: that is a change.
        moved |= np.isnan(samples.value) != np.isnan(kept)
        if samples.text or self._reported.text:
            moved |= self._reported.unlike(samples, where) & np.isnan(samples.value)
        if samples.exact or self._reported.exact:
            self._recheck_exact(samples, where, moved)
        return moved

    def _recheck_exact(self, samples: LaneSamples, where: Where, moved: BoolArray) -> None:
        """Decide anew where a double would round; loops over such whole numbers only, which are few."""
        kept = self._reported.value[where]
        deviation = self._deviation[where]
        large = np.minimum(np.abs(samples.value), np.abs(kept)) >= EXACT_LIMIT
        large &= np.isfinite(samples.value) & np.isfinite(kept) & ~np.isnan(deviation)
        for row in np.flatnonzero(large).tolist():
            new = samples.exact.get(row)
            old = self._reported.exact.get(int(samples.lane[row]))
            if new is None and old is None:
                continue
            distance = (int(samples.value[row]) if new is None else new) - (int(kept[row]) if old is None else old)
            moved[row] = abs(distance) > Fraction(float(deviation[row]))

    def pending(self) -> LaneSamples:
        """The last scan of each lane where that was not reported."""
        return self._last.get(np.flatnonzero(self._last.filled & ~self._last_reported))

    def last(self) -> LaneSamples:
        """The last scan of each lane that had one."""
        return self._last.all()

    def restart(self, lanes: IndexArray) -> None:
        """Forget ``lanes``: their next scan is reported as the first."""
        self._last.clear(lanes)
        self._reported.clear(lanes)
        self._last_reported[lanes] = False
