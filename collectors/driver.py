"""The interface between the supervision of a source and its protocol: one driver, one connection.

A driver connects, says what the points are, reads them, closes.  It keeps no schedule, no back-off and no state of the
tags: :mod:`collectors.runner` does that for every protocol alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from historian.model.samples import FloatArray, Int64Array, UInt32Array
from historian.model.scan import ScanGroup
from historian.model.tag import ValueType


@dataclass(frozen=True, slots=True)
class Reading:
    """Every lane of one group as the device gave it; the columns of :class:`historian.model.scan.Scan`.

    A lane that the device refused or answered with rubbish has a Bad status and NaN; it never fails the other lanes.
    ``skewed`` counts values whose time lies further ahead of our clock than the source allows.  ``finding`` is what was
    learned about the device, for the audit; mostly nothing.

    Of a device that reports by itself several values of a lane may have come since the last reading: then ``before``
    has the earlier ones, the oldest first, each a reading of all lanes, and ``tells_all`` says that these are all that
    there were.  ``lost`` counts values that are known to be missing.
    """

    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)
    skewed: int = 0
    finding: str = ""
    before: tuple[Reading, ...] = ()
    lost: int = 0
    tells_all: bool = False


class ReadPlan(Protocol):
    """What a driver prepared for one group: its requests, already cut to the device's limits."""

    @property
    def requests(self) -> int:
        """How many requests one reading takes."""

    @property
    def is_complete(self) -> bool:
        """False when the device does not know some points that a later ``resolve`` and ``plan`` may find."""


class Driver(Protocol):
    """One source's connection.  Every method may be cancelled; after a failure ``close`` and ``connect`` again.

    Raises :class:`historian.errors.SourceUnavailableError` when there is no connection or no answer in time (the whole
    reading is lost), never for a single point.
    """

    async def connect(self) -> None:
        """Connect within the source's time-out."""

    async def resolve(self, groups: Sequence[ScanGroup]) -> Mapping[str, ValueType]:
        """Types the device tells by itself, by tag name, for tags whose configuration leaves them open.

        Called after every ``connect``, and again for groups whose plan is not complete.
        """

    async def plan(self, group: ScanGroup) -> ReadPlan:
        """Prepare the group's requests; called after every ``resolve``."""

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:
        """Read every lane once.  Several groups take turns: one request at a time on the connection."""

    async def forget(self, group: ScanGroup) -> None:
        """The group is not read any more: let go of what ``plan`` made for it at the device."""

    async def close(self) -> None:
        """Let go of the connection; never raises, may be called twice."""
