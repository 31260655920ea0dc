"""Which tags are shadowed: their scans are kept as they came, beside what compression keeps of them, as a proof.

What is kept is taken behind :mod:`.scaling` and :mod:`.time_guard` and before exception reporting; it goes to the store
with the commit that has its compressed samples (:mod:`storage.shadow`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

from historian.compression.lanes import LaneSamples
from historian.config.settings import ShadowSettings
from historian.model.samples import BoolArray, Int32Array, Samples, concatenate
from historian.model.tag import Tag


class GroupShadow:
    """The raw samples of one group's shadowed lanes since the last commit.

    ``lanes`` bool[n] says which these are, ``tag_ids`` int32[n] are the store's identifiers.
    """

    def __init__(self, lanes: BoolArray, tag_ids: Int32Array) -> None:
        self._lanes = lanes
        self._tag_ids = tag_ids
        self._is_off = not lanes.any()
        self._parts: list[Samples] = []

    def note(self, fresh: LaneSamples) -> None:
        """Keep what has just been scanned of these lanes."""
        if self._is_off:
            return
        mine = fresh.where(self._lanes[fresh.lane])
        if len(mine):
            self._parts.append(mine.to_samples(self._tag_ids))

    def take(self) -> Samples:
        """What was kept since the last call."""
        parts, self._parts = self._parts, []
        return concatenate(parts)


def shadowed(tags: Sequence[Tag], settings: ShadowSettings) -> frozenset[str]:
    """The names of the tags to shadow: those named, and a share of the others that leave anything out.

    The share is chosen by a hash of the names: as good as chance, and the same after a restart.  A tag of which nothing
    is left out, or nothing but repeats of a state, has nothing to prove.
    """
    if not (settings.share or settings.patterns):
        return frozenset()
    lossy = [tag.name for tag in tags if _leaves_out(tag)]
    named = {name for name in lossy if any(fnmatchcase(name, pattern) for pattern in settings.patterns)}
    count = math.ceil(settings.share * len(lossy))
    return frozenset(named.union(sorted(lossy, key=_place)[:count]))


def _leaves_out(tag: Tag) -> bool:
    bounds = (tag.exception.deviation, tag.compression.deviation)
    return not tag.is_step and any(bound is not None for bound in bounds)


def _place(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
