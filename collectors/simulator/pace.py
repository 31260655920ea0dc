"""The process in real time: how many steps are due, and what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from collectors.simulator.process import STEP_S, STEP_US, Process

LONGEST_CATCH_UP_STEPS = 3_000


def now_us() -> int:
    """System time, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Pace:
    """Keeps a process at the steps that are due since ``start_us``, so that two servers stay together."""

    def __init__(self, process: Process, start_us: int) -> None:
        self.process = process
        self.start_us = start_us

    @property
    def time_us(self) -> int:
        """The instant of the process' last step."""
        return self.start_us + self.process.steps * STEP_US

    def catch_up(self, time_us: int) -> bool:
        """Take the steps that are due at ``time_us``; False when there are none.

        After a long sleep of the machine, or a step of its clock, the process goes on from where it was.
        """
        due = (time_us - self.start_us) // STEP_US - self.process.steps
        if abs(due) > LONGEST_CATCH_UP_STEPS:
            self.start_us, due = time_us - (self.process.steps + 1) * STEP_US, 1
        if due > 0:
            self.process.advance(due)
        return due > 0

    async def run(self, show: Callable[[], Awaitable[None]]) -> None:
        """Step for ever and call ``show`` after each time something happened."""
        while True:
            if self.catch_up(now_us()):
                await show()
            await asyncio.sleep(STEP_S - (now_us() - self.start_us) % STEP_US / 1_000_000)
