"""Time in which a group was not read though nothing had failed: where it is, and the scan that marks it.

The process or its machine stood still (a virtual machine was suspended), or its clock was set forward.  The supervision
of a source (:mod:`collectors.runner`) looks for it with every reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from collectors.driver import Reading
from historian.model.clock import US_PER_S
from historian.model.samples import BoolArray
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_DATA_LOST

LEAST_US: Final = 60 * US_PER_S
MISSED_SCANS: Final = 3
"""A hole is longer than both: so many scans, and so long.  What is shorter is an overrun, which is counted."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Nothing was read after ``since_us`` for ``length_us``; ``scan`` says so from the first missing scan on."""

    since_us: int
    length_us: int
    scan: Scan


class Holes:
    """What is known of the groups of one source: their last readings."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, Reading]] = {}

    def note(self, group: ScanGroup, reading: Reading, arrival_us: int) -> None:
        """The group was read."""
        self._last[group.number] = arrival_us, replace(reading, before=()) if reading.before else reading

    def forget(self, group: ScanGroup) -> None:
        """What comes next follows on nothing."""
        self._last.pop(group.number, None)

    def before(self, group: ScanGroup, until_us: int, reading: Reading | None = None) -> Hole | None:
        """The hole before ``reading``, which began at ``until_us``; before a loss where there is none."""
        since_us, last = self._last.get(group.number, (until_us, None))
        limit_us = max(MISSED_SCANS * group.rate_us, LEAST_US)
        if last is None or until_us - since_us <= limit_us:
            return None
        lanes = np.ones(len(group.tags), np.bool_)
        if reading is not None:
            # A device with times of its own says itself that nothing is missing: by a time that follows on the last
            # one though our clock was set, or by the old one, of a value that has not changed since.
            lanes = reading.time_us - np.maximum(last.time_us, since_us) > limit_us
        return Hole(since_us, until_us - since_us, _mark(group, since_us, last, lanes)) if lanes.any() else None


def _mark(group: ScanGroup, since_us: int, last: Reading, lanes: BoolArray) -> Scan:
    """Nothing is known of these lanes from the first missing scan on; of the others the last reading is repeated."""
    missing_us = since_us + group.rate_us
    others = set(np.flatnonzero(~lanes).tolist())
    return Scan(
        group.number, missing_us,
        np.where(lanes, missing_us, last.time_us),
        np.where(lanes, np.nan, last.value),
        np.where(lanes, np.uint32(BAD_DATA_LOST), last.status),
        {lane: exact for lane, exact in last.exact.items() if lane in others},
        {lane: text for lane, text in last.text.items() if lane in others},
        answered=False,
    )  # fmt: skip
