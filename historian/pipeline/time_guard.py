"""Which samples of a scan are new, and at what time: strictly later than the tag's last one, and plausible.

A polled read says what is true now, whatever its time stamp says.  A server that keeps the source time of an unchanged
value repeats a sample that is known already; one that gives a changed value or status an old time (a restarted server, a
clock that went back, a value from before a gap we recorded) says something new, and that is recorded at the moment we
learned it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from historian.compression.lanes import LaneSamples, SampleSlots
from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.model.scan import Scan


@dataclass(frozen=True, slots=True)
class Guarded:
    """A scan after the guard.

    ``fresh`` samples go on; ``refused`` go to quarantine with the ``reason`` of each row; ``unchanged`` counts samples known
    already; ``restamped`` those recorded at their arrival.
    """

    fresh: LaneSamples
    refused: LaneSamples
    reasons: Sequence[str]
    unchanged: int = 0
    restamped: int = 0


class TimeGuard:
    """Guards the lanes of one group.  ``future_us`` and ``past_us`` limit the distance of a time from its arrival."""

    def __init__(self, lanes: int, future_us: int, past_us: int) -> None:
        self._future_us = future_us
        self._past_us = past_us
        self._last_us: Int64Array = np.full(lanes, np.iinfo(np.int64).min, np.int64)
        self._last = SampleSlots(lanes)
        self._refused = SampleSlots(lanes)

    def remember(self, newest: LaneSamples) -> None:
        """What is known of these lanes from before: nothing older or equal is fresh."""
        self._last_us[newest.lane] = newest.time_us
        self._last.put(newest)

    def admit(self, scan: Scan) -> Guarded:
        """Sort the lanes of a scan into fresh, unchanged and refused ones."""
        samples = _all_lanes(scan)
        plausible = (scan.time_us <= scan.arrival_us + self._future_us) & (
            scan.time_us >= scan.arrival_us - self._past_us
        )
        if plausible.all() and (scan.time_us > self._last_us).all():
            self.remember(samples)
            return Guarded(samples, _NOTHING, ())
        return self._sort(scan, samples, plausible)

    def _sort(self, scan: Scan, samples: LaneSamples, plausible: BoolArray) -> Guarded:
        later = scan.time_us > self._last_us
        known = _same(self._last, samples) & plausible & ~later
        behind = plausible & ~later & ~known
        restamp = behind & (scan.arrival_us > self._last_us)
        fresh = _stamped(samples, restamp, scan.arrival_us).take(np.flatnonzero((plausible & later) | restamp))
        self.remember(fresh)
        refused = samples.take(np.flatnonzero(~plausible | (behind & ~restamp)))
        refused, reasons = self._new_refusals(refused, plausible)
        return Guarded(fresh, refused, reasons, int(known.sum()), int(restamp.sum()))

    def _new_refusals(self, refused: LaneSamples, plausible: BoolArray) -> tuple[LaneSamples, list[str]]:
        """Those not refused in the same words at the scan before: a frozen wrong time is one refused sample, not one a scan."""
        if not len(refused):
            return refused, []
        before = self._refused.get(refused.lane[self._refused.filled[refused.lane]])
        repeated = np.isin(refused.lane, before.lane[_same_times(self._refused, before, refused)])
        self._refused.put(refused)
        fresh = refused.take(np.flatnonzero(~repeated & ~_same(self._refused, refused) | ~repeated))
        return fresh, [_reason(bool(plausible[lane])) for lane in fresh.lane]
