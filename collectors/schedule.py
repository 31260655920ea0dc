"""When a scan class is due: a grid on the monotonic clock, so that no scan drifts however long it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from historian.model.clock import US_PER_S, Clock


@dataclass(frozen=True, slots=True)
class ScanGrid:
    """The due times ``origin_us + k * rate_us`` of a scan class on the monotonic clock."""

    origin_us: int
    rate_us: int

    @classmethod
    def anchored(cls, clock: Clock, rate_us: int, phase_us: int) -> ScanGrid:
        """The grid whose times of day are whole multiples of the rate after 1970 UTC, plus the phase.

        The place is taken from the wall clock once; from then on the monotonic clock alone decides.
        """
        monotonic = clock.monotonic_us()
        into_period = (clock.wall_us() - phase_us) % rate_us
        return cls(monotonic - into_period, rate_us)

    def due_us(self, index: int) -> int:
        """Monotonic time of scan ``index``."""
        return self.origin_us + index * self.rate_us

    def index_after(self, monotonic_us: int) -> int:
        """The first scan whose due time is later than ``monotonic_us``."""
        return (monotonic_us - self.origin_us) // self.rate_us + 1


class Timer(Protocol):
    """A clock that can also wait; tests give one that is turned by hand."""

    @property
    def clock(self) -> Clock:
        """The clock it waits by."""

    async def sleep_until(self, monotonic_us: int) -> None:
        """Return at or after that monotonic time; at once (but after other tasks had a turn) if it has passed."""


class SystemTimer:
    """Waits with asyncio."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def clock(self) -> Clock:
        """The clock it waits by."""
        return self._clock

    async def sleep_until(self, monotonic_us: int) -> None:
        """Return at or after that monotonic time."""
        await asyncio.sleep(max(0, monotonic_us - self._clock.monotonic_us()) / US_PER_S)
