"""The lanes of a scan group that are compressed together, and when they are settled.

Lanes with a door wait for a block of scans, because a block costs little more than a single scan; what they hold
meanwhile goes to the store with each commit.  Lanes without one are settled with every scan: they hold back repeats of
states and of Bad samples only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.open_door import open_door
from historian.compression.repeats import Repeats
from historian.compression.series import LaneSeries
from historian.compression.stream import Compression
from historian.model.commit import HeldSamples, OpenDoor
from historian.model.samples import IndexArray, Int32Array, Samples, concatenate

MOST_LANES: Final = 4096
"""Lanes of one part.  A block of so many is settled in some 10 ms, during which no scan begins; parts of one group take
turns."""

MOST_SCANS: Final = 64
BLOCK_SAMPLES: Final = 65_536
"""A block is so many scans, or fewer when those have so many samples.  Twice as many of either gain a tenth."""

LEAST_SCANS: Final = 8

GOLDEN: Final = 0.618034
"""Multiples of it, without what is before the point, lie as far from one another as numbers below 1 can."""

LONGEST_BLOCK_US: Final = 60_000_000
"""After this time a block is settled whatever its size, so that slow scans are not held for hours."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Some lanes of a group.

    ``lanes`` intp[m] of the group, increasing; ``place`` intp[n]: where each lane of the group is among them, or -1.
    """

    lanes: IndexArray
    place: IndexArray

    @classmethod
    def of(cls, lanes: IndexArray, count: int) -> Lanes:
        """``lanes`` out of ``count``."""
        place = np.full(count, -1, np.intp)
        place[lanes] = np.arange(len(lanes))
        return cls(lanes, place)

    def pick(self, samples: LaneSamples) -> LaneSamples:
        """Those of ``samples`` that are of these lanes, by their place among them."""
        if len(self.lanes) == len(self.place):
            return samples
        if len(samples) == len(self.place):
            return replace(samples.take(self.lanes), lane=np.arange(len(self.lanes)))
        place = self.place[samples.lane]
        rows = np.flatnonzero(place >= 0)
        return replace(samples.take(rows), lane=place[rows])


class RepeatPart:
    """Lanes without a door: what is stored of a scan is known at once."""

    def __init__(self, lanes: IndexArray, settings: LaneSettings, tag_ids: Int32Array) -> None:
        self._lanes = Lanes.of(lanes, len(settings))
        self._tag_ids = tag_ids[lanes]
        self._are_steps = bool(settings.step[lanes].all())
        self._repeats = Repeats(settings.take(lanes))
        self.reported = self.suppressed = 0
        """Samples that say something: all of tags that are no states, and of these every change; and the others."""

    def accept(self, samples: LaneSamples) -> Samples:
        """Take one scan of the group; what is final."""
        mine = self._lanes.pick(samples)
        stored = concatenate([part.to_samples(self._tag_ids) for part in self._repeats.push(mine)])
        told = len(stored) if self._are_steps else len(mine)
        self.reported += told
        self.suppressed += len(mine) - told
        return stored

    def drain(self) -> Samples:
        """Everything that is to be stored when no more scans follow."""
        return self._repeats.drain().to_samples(self._tag_ids)

    def held(self) -> Samples:
        """The repeats that are neither stored nor left out yet."""
        return self._repeats.held().to_samples(self._tag_ids)


class DoorPart:
    """Lanes with a door.  ``first_share``: the first block has this part of the scans of others."""

    def __init__(
        self, lanes: IndexArray, settings: LaneSettings, tag_ids: Int32Array, *, first_share: float = 1.0
    ) -> None:
        self._lanes = Lanes.of(lanes, len(settings))
        self._tag_ids = tag_ids[lanes]
        self._compression = Compression(settings.take(lanes))
        self._block = min(max(BLOCK_SAMPLES // len(lanes), LEAST_SCANS), MOST_SCANS) * len(lanes)
        self._due = max(round(first_share * self._block), 1)
        self._waiting = 0
        self._since_us = 0
        self._told = 0
        self._is_told = False

    @property
    def reported(self) -> int:
        """Samples that exception reporting let pass, of those that were settled."""
        return self._compression.reported

    @property
    def suppressed(self) -> int:
        """Those that it did not."""
        return self._compression.suppressed

    def accept(self, samples: LaneSamples, arrival_us: int) -> Samples:
        """Take one scan of the group; what is final."""
        mine = self._lanes.pick(samples)
        if not len(mine):
            return Samples.empty()
        if not self._waiting:
            self._since_us = arrival_us
        self._compression.push(mine)
        self._waiting += len(mine)
        is_due = self._waiting >= self._due or arrival_us - self._since_us >= LONGEST_BLOCK_US
        return self._settled(self._compression.settle()) if is_due else Samples.empty()

    def drain(self) -> Samples:
        """Everything that is to be stored when no more scans follow."""
        return self._settled(self._compression.drain())

    def _settled(self, stored: LaneSeries) -> Samples:
        self._waiting, self._due = 0, self._block
        self._told, self._is_told = 0, False
        return stored.to_samples(self._tag_ids)

    def take_held(self) -> HeldSamples | None:
        """What the door holds more than when this was last called; None when nothing is new."""
        news = self._compression.waiting[self._told :]
        if self._is_told and not news:
            return None
        known = self._compression.known
        if not news and not len(known.series):
            return gone()
        settled = None if self._is_told else open_door(known, self._compression.settings, self._tag_ids)
        self._told, self._is_told = len(self._compression.waiting), True
        return HeldSamples(concatenate([scan.to_samples(self._tag_ids) for scan in news]), settled)


def gone() -> HeldSamples:
    """Of a door that there is no more."""
    return HeldSamples(Samples.empty(), OpenDoor.gone())


@dataclass(frozen=True, slots=True)
class Parts:
    """The lanes of a group, divided: those without a door, and the others, a limited number each."""

    repeats: Sequence[RepeatPart]
    doors: Sequence[DoorPart]

    @classmethod
    def of(cls, settings: LaneSettings, tag_ids: Int32Array, group: int = 0) -> Parts:
        """Divide the lanes with these settings; ``tag_ids`` int32[lanes], ``group`` is the number of theirs."""
        doors = np.flatnonzero(settings.has_door)
        pieces = np.array_split(doors, -(-len(doors) // MOST_LANES)) if len(doors) else []
        return cls(
            # States and others apart: with nothing to compare, a scan of the others is stored as it is.
            [
                RepeatPart(np.flatnonzero(lanes), settings, tag_ids)
                for lanes in (settings.step, ~settings.step & ~settings.has_door)
                if lanes.any()
            ],
            # The first blocks differ in length, so that later on each is settled at a time of its own: those of one
            # group, and those of groups of the same size and rate.
            [
                DoorPart(lanes, settings, tag_ids, first_share=((place + 1) / len(pieces) + group * GOLDEN) % 1 or 1.0)
                for place, lanes in enumerate(pieces)
            ],
        )

    def accept(self, samples: LaneSamples, arrival_us: int) -> list[Samples]:
        """Take one scan of the group; what is final."""
        return [
            *(part.accept(samples) for part in self.repeats),
            *(part.accept(samples, arrival_us) for part in self.doors),
        ]

    def drain(self) -> list[Samples]:
        """Everything that is to be stored when no more scans follow."""
        return [*(part.drain() for part in self.repeats), *(part.drain() for part in self.doors)]

    def reported(self) -> int:
        """Samples that exception reporting let pass, of those that were settled."""
        return sum(part.reported for part in self.repeats) + sum(part.reported for part in self.doors)

    def suppressed(self) -> int:
        """Those that it did not."""
        return sum(part.suppressed for part in self.repeats) + sum(part.suppressed for part in self.doors)
