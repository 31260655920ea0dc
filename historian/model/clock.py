"""The clocks of the collecting side: injected, so that tests turn them by hand.

A sample's time comes from a wall clock that is anchored to the monotonic clock, so that a step of the system's clock is
noticed and never gives two samples of a tag the same or a smaller time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Protocol

US_PER_S: Final = 1_000_000

STEP_US: Final = 500_000
"""A difference to the system clock from here on is a step worth an event; a smaller one is drift, followed quietly."""


class Clock(Protocol):
    """The two readings everything here needs."""

    def wall_us(self) -> int:
        """Time of day, microseconds since 1970 UTC."""

    def monotonic_us(self) -> int:
        """Microseconds since some start; never steps."""


class SystemClock:
    """The machine's own clocks; the wall clock may step."""

    def wall_us(self) -> int:
        """System time, microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """The machine's monotonic clock in microseconds."""
        return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The system clock jumped by ``by_us`` (negative: back) against the monotonic clock, seen at ``at_us``."""

    at_us: int
    by_us: int

    def __str__(self) -> str:
        way = "forward" if self.by_us > 0 else "back"
        return f"the system clock stepped {way} by {abs(self.by_us) / US_PER_S:.3f} s"


class AnchoredClock:
    """Time of day that never goes back: the system's time, carried on by the monotonic clock.

    ``check``, called about once a second, compares it with the system clock.  A clock found ahead is followed at once.
    One found behind is met by running at half speed until both agree, so that times stay distinct and in order.
    """

    def __init__(self, system: Clock) -> None:
        self._system = system
        self._anchor_wall_us = system.wall_us()
        self._anchor_monotonic_us = system.monotonic_us()
        self._ahead_us = 0

    def monotonic_us(self) -> int:
        """The monotonic clock underneath."""
        return self._system.monotonic_us()

    def wall_us(self) -> int:
        """Time of day in microseconds since 1970 UTC; never smaller than an earlier reading."""
        return self._at(self._system.monotonic_us())

    def _at(self, monotonic_us: int) -> int:
        elapsed = monotonic_us - self._anchor_monotonic_us
        return self._anchor_wall_us + elapsed - min(elapsed // 2, self._ahead_us)

    def check(self) -> ClockStep | None:
        """Follow the system clock; the step when it jumped since the last check, else None."""
        monotonic = self._system.monotonic_us()
        now = self._at(monotonic)
        difference = self._system.wall_us() - now
        paid_back = min((monotonic - self._anchor_monotonic_us) // 2, self._ahead_us)
        step = difference - (paid_back - self._ahead_us)
        self._anchor_monotonic_us = monotonic
        self._anchor_wall_us = now + max(difference, 0)
        self._ahead_us = max(-difference, 0)
        return ClockStep(now, step) if abs(step) >= STEP_US else None
