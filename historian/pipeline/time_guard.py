"""Which samples of a scan are new, and at what time: strictly later than the tag's last one, and plausible.

A polled read says what is true now, whatever its time stamp says.  A server that keeps the source time of an unchanged
value repeats a sample that is known already; one that gives a changed value or status an old time (a restarted
server, a clock that went back, a value from before a gap we recorded) says something new, and that is recorded at the
moment we learned it.  Where the tag's newest sample is ahead even of that, a value is refused, but not the news that
there is no value any more: it comes right behind the newest sample, so that a value never outlives its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from historian.compression.lanes import LaneSamples, SampleSlots
from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.model.scan import Scan
from historian.model.status import is_bad

KEPT_A_DAY: Final = 100
"""So many refused samples of each tag go to quarantine in a day (UTC), the others are only counted: a server in a wrong
time zone would else fill the disk, at 160 bytes for each value of each scan."""

IMPLAUSIBLE: Final = "time stamp too far from the time of arrival"

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Guarded:
    """A scan after the guard.

    ``fresh`` samples go on; ``refused`` go to quarantine with the ``reason`` of each row; ``unchanged`` counts
    samples known already, also as refused; ``restamped`` those recorded at their arrival.  ``believed`` bool[n]: the
    lanes of which the scan was not refused, now or before, so that what is known of them holds up to its arrival.
    ``only_counted`` refused samples are too many to go to quarantine.
    """

    fresh: LaneSamples
    refused: LaneSamples
    reasons: Sequence[str]
    believed: BoolArray
    only_counted: int = 0
    unchanged: int = 0
    restamped: int = 0


class TimeGuard:
    """Guards the lanes of one group.  ``future_us`` and ``past_us`` limit the distance of a time from its arrival."""

    def __init__(self, lanes: int, future_us: int, past_us: int) -> None:
        self._future_us = future_us
        self._past_us = past_us
        self._last = SampleSlots(lanes)
        self._refused = SampleSlots(lanes)
        self._kept: Int64Array = np.zeros(lanes, np.int64)
        self._kept_day = 0
        self._lanes: IndexArray = np.arange(lanes)

    def remember(self, newest: LaneSamples) -> None:
        """What is known of these lanes from before: nothing older or equal is fresh."""
        self._last.put(newest)

    def last(self, lanes: IndexArray) -> LaneSamples:
        """The newest sample of each of ``lanes`` (increasing), which all had one."""
        return self._last.get(lanes)

    def newest_us(self) -> int | None:
        """The newest time of all lanes; None when nothing is known of any."""
        times = self._last.time_us[self._last.filled]
        return int(times.max()) if len(times) else None

    def is_plausible(self, time_us: Int64Array, now_us: int) -> BoolArray:
        """bool[m]: these times are not further from now than the limits allow."""
        return (time_us <= now_us + self._future_us) & (time_us >= now_us - self._past_us)

    def known(self) -> LaneSamples:
        """The newest sample of each lane that has one."""
        return self._last.all()

    def admit(self, scan: Scan) -> Guarded:
        """Sort the lanes of a scan into fresh, unchanged and refused ones."""
        samples = LaneSamples(self._lanes, scan.time_us, scan.value, scan.status, scan.exact, scan.text)
        plausible = self.is_plausible(scan.time_us, scan.arrival_us)
        later = scan.time_us > self._last.time_us
        if (plausible & later).all():
            self.remember(samples)
            return Guarded(samples, LaneSamples.empty(), (), plausible)
        return self._sort(scan.arrival_us, samples, plausible, later)

    def _sort(self, arrival_us: int, samples: LaneSamples, plausible: BoolArray, later: BoolArray) -> Guarded:
        changed = self._last.unlike(samples, _ALL) | (samples.status != self._last.status)
        changed_behind = plausible & ~later & changed
        stamp_us = self._stamp_us(arrival_us, samples)
        restamped = changed_behind & (stamp_us > self._last.time_us)
        stamped = replace(samples, time_us=np.where(restamped, stamp_us, samples.time_us))
        fresh = stamped.where((plausible & later) | restamped)
        self.remember(fresh)
        believed = plausible & (later | restamped | ~changed)
        news = self._news(samples.where(~believed))
        refused = self._to_keep(arrival_us, news)
        return Guarded(
            fresh,
            refused,
            [_reason(bool(plausible[lane])) for lane in refused.lane.tolist()],
            believed,
            only_counted=len(news) - len(refused),
            unchanged=len(samples) - len(fresh) - len(news),
            restamped=int(np.count_nonzero(restamped)),
        )

    def _stamp_us(self, arrival_us: int, samples: LaneSamples) -> Int64Array:
        """int64[n]: when we learned of each sample; of one without a value, in any case after the newest of its tag."""
        behind_newest = np.maximum(self._last.time_us + 1, arrival_us)
        return np.where(is_bad(samples.status), behind_newest, arrival_us)

    def _news(self, refused: LaneSamples) -> LaneSamples:
        """Those not refused before in the same words: a frozen wrong time is one refused sample, not one a scan."""
        lane = refused.lane
        again = self._refused.filled[lane] & (self._refused.time_us[lane] == refused.time_us)
        again &= (self._refused.status[lane] == refused.status) & ~self._refused.unlike(refused, lane)
        self._refused.put(refused)
        return refused.where(~again)

    def _to_keep(self, arrival_us: int, refused: LaneSamples) -> LaneSamples:
        """Those that go to quarantine, until their tags have had their share of the day."""
        day = arrival_us // _DAY_US
        if day != self._kept_day:
            self._kept_day = day
            self._kept[:] = 0
        kept = refused.where(self._kept[refused.lane] < KEPT_A_DAY)
        self._kept[kept.lane] += 1
        return kept


_ALL = slice(None)


def _reason(plausible: bool) -> str:
    if plausible:
        return "changed, but not newer than the newest sample, and our own clock is behind that too"
    return IMPLAUSIBLE
