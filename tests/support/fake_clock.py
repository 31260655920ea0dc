"""A clock that tests turn by hand; it is a :class:`historian.model.clock.Clock`."""

from __future__ import annotations

US_PER_S = 1_000_000
START_US = 1_790_000_000 * US_PER_S
"""2026-09-21 14:13:20 UTC: any full second will do, and one that is easy to read in a failure is better."""


class FakeClock:
    """Both readings move with ``advance``; ``step_wall`` moves the wall clock alone, as an operator or NTP does."""

    def __init__(self, wall_us: int = START_US, monotonic_us: int = 0) -> None:
        self._wall_us = wall_us
        self._monotonic_us = monotonic_us

    def wall_us(self) -> int:
        return self._wall_us

    def monotonic_us(self) -> int:
        return self._monotonic_us

    def advance(self, us: int = 0, *, seconds: float = 0.0) -> None:
        """Let time pass, given in microseconds or in seconds; never backwards."""
        passed = us + round(seconds * US_PER_S)
        if passed < 0:
            raise ValueError(f"cannot let {passed} us pass, time only goes forwards; step_wall steps the wall clock")
        self._wall_us += passed
        self._monotonic_us += passed

    def step_wall(self, us: int = 0, *, seconds: float = 0.0) -> None:
        """Step the wall clock, forwards or backwards, while the monotonic clock goes on."""
        self._wall_us += us + round(seconds * US_PER_S)
