"""Lanes without lines between their samples: every change is stored, and repeats are held back.

States (step lanes) hold their value until the next sample; all other lanes without deviations store everything but the
middle of runs of Bad samples.  Each scan is settled as it comes.
"""

from __future__ import annotations

import numpy as np

from historian.compression.lanes import (
    LaneSamples,
    LaneSettings,
    SampleSlots,
    Where,
    require_newer,
    where_of,
)
from historian.model.samples import BoolArray
from historian.model.status import is_bad


class Repeats:
    """What is stored of lanes without a door, and the last repeat of each.

    Of a run of equal Bad samples the first and the last are stored; of equal values of a step lane the first, the last
    when its status changes, and one ``comp_max`` after the last stored one.
    """

    def __init__(self, settings: LaneSettings) -> None:
        self._settings = settings
        self._stored = SampleSlots(len(settings))
        self._held = SampleSlots(len(settings))
        self._any_step = bool(settings.step.any())

    def push(self, samples: LaneSamples) -> list[LaneSamples]:
        """Take the next sample of some lanes; what is to be stored, in order of time for each lane.

        Raises ValueError when a sample is not newer than the one before it in its lane.
        """
        if not len(samples):
            return []
        where = where_of(samples.lane)
        require_newer(samples, self._held.time_us[where])
        bad = is_bad(samples.status)
        if not (self._any_step or bad.any() or self._held.filled.any()):
            return self._all_of(samples, where)
        repeats = self._repeat(samples, where, bad)
        due = samples.time_us - self._stored.time_us[where] >= self._settings.comp_max_us[where]
        before = self._held.get(samples.lane[~repeats & self._says_something(samples, where)])
        now = samples.where(~repeats | due)
        self._stored.put(now)
        self._held.put(samples, where)
        self._held.filled[where] = repeats & ~due
        return [part for part in (before, now) if len(part)]

    def _all_of(self, samples: LaneSamples, where: Where) -> list[LaneSamples]:
        self._stored.put(samples, where)
        self._held.time_us[where] = samples.time_us
        return [samples]

    def _repeat(self, samples: LaneSamples, where: Where, bad: BoolArray) -> BoolArray:
        """bool[m]: nothing but a repeat of the stored sample."""
        repeats = ~self._stored.unlike(samples, where)
        repeats &= self._stored.filled[where] & (samples.status == self._stored.status[where])
        repeats &= bad | self._settings.step[where]
        return repeats

    def _says_something(self, samples: LaneSamples, where: Where) -> BoolArray:
        """bool[m]: the held sample is to be stored, if a sample comes that is no repeat.

        The repeat of a state says nothing that the state did not say: it holds until the next sample.
        """
        same_state = self._settings.step[where] & (samples.status == self._stored.status[where])
        speaks: BoolArray = self._held.filled[where] & ~same_state
        return speaks

    def held(self) -> LaneSamples:
        """The last repeat of each lane that is neither stored nor left out yet."""
        return self._held.all()

    def drain(self) -> LaneSamples:
        """What is to be stored when no more samples follow.  The next sample of a lane is its first again."""
        held = self._held.all()
        lanes = np.arange(len(self._settings))
        self._stored.clear(lanes)
        self._held.clear(lanes)
        return held
