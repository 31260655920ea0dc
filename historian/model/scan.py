"""What a collector delivers: one reading of every tag of a scan group.

A scan group is the tags of one source that are read at one rate; each tag has a fixed place in it, its lane.  A
collector knows lanes, the pipeline turns them into tag identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from historian.model.samples import FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.tag import Tag


@dataclass(frozen=True, slots=True)
class ScanGroup:
    """The tags of one source read at one rate.  ``number`` is its place in the running configuration."""

    number: int
    source: str
    scan_class: str
    rate_us: int
    phase_us: int
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """One reading of all lanes of a group, as the device gave it: raw values, before scaling.

    ``time_us`` int64[n], ``value`` float64[n] (NaN for text and where there is no value), ``status`` uint32[n];
    ``exact`` and ``text`` by lane, as in :class:`~historian.model.samples.Samples`.
    ``arrival_us`` is when the reading was complete by our own clock; ``answered`` is False when the source gave no
    answer at all, so that the scan says nothing but that.
    """

    group: int
    arrival_us: int
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)
    answered: bool = True

    @classmethod
    def unanswered(cls, group: int, count: int, now_us: int, status: int) -> Scan:
        """Nothing but that there was no answer for ``count`` lanes, with this status."""
        times, statuses = np.full(count, now_us, np.int64), np.full(count, status, np.uint32)
        return cls(group, now_us, times, np.full(count, np.nan), statuses, answered=False)

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class LateValues:
    """Values of the past that a device has kept, of some lanes of a group: several of one among them, in any order.

    Raw, before scaling.  ``lane`` intp[m], ``time_us`` int64[m], ``value`` float64[m], ``status`` uint32[m]; ``exact``
    and ``text`` by row.
    """

    group: int
    lane: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lane)
