"""The driver of the historian's own figures: what it knows of itself, read like a device.

A tag's address is the name of a figure.  There is no connection and nothing to wait for; schedule, status changes and
all that follows are those of every other source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from collectors.driver import Reading, ReadPlan
from historian.model.clock import Clock
from historian.model.samples import FloatArray
from historian.model.scan import ScanGroup
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA, GOOD
from historian.model.tag import ValueType


@dataclass(frozen=True, slots=True)
class FiguresPlan:
    """Nothing to ask for."""

    requests: int = 0
    is_complete: bool = True


class FiguresDriver:
    """Implements :class:`collectors.driver.Driver`.  ``figures`` gives all there are now, None for an unknown one."""

    def __init__(self, figures: Callable[[], Mapping[str, float | None]], clock: Clock) -> None:
        self._figures = figures
        self._clock = clock

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def resolve(self, groups: Sequence[ScanGroup]) -> Mapping[str, ValueType]:  # noqa: ARG002 - the interface's
        """Nothing: the tags come with their types."""
        return {}

    async def plan(self, group: ScanGroup) -> ReadPlan:  # noqa: ARG002 - the interface's
        """There is nothing to prepare."""
        return FiguresPlan()

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:  # noqa: ARG002 - the interface's
        """Every figure as it is now; BadWaitingForInitialData for one that is not known yet."""
        figures = self._figures()
        found = [figures.get(tag.address) for tag in group.tags]
        value: FloatArray = np.array([np.nan if each is None else each for each in found], np.float64)
        status = np.where(np.isnan(value), np.uint32(BAD_WAITING_FOR_INITIAL_DATA), np.uint32(GOOD))
        return Reading(np.full(len(value), self._clock.wall_us(), np.int64), value, status)

    async def forget(self, group: ScanGroup) -> None:
        """There is nothing to let go of."""

    async def close(self) -> None:
        """There is nothing to close."""
