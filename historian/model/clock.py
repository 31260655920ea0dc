"""The clocks of the collecting side: injected, so that tests turn them by hand.

A sample's time comes from a wall clock that is anchored to the monotonic clock, so that a step of the system's clock is
noticed and never gives two samples of a tag the same or a smaller time.
"""

from __future__ import annotations

import time
from typing import Protocol

US_PER_S = 1_000_000


class Clock(Protocol):
    """The two readings everything here needs."""

    def wall_us(self) -> int:
        """System time, microseconds since 1970 UTC; may step."""

    def monotonic_us(self) -> int:
        """Microseconds since some start; never steps."""


class SystemClock:
    """The machine's own clocks."""

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000
