"""A timer that tests turn by hand: waiting costs no time, and everything happens in the order of its due times."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from support.fake_clock import FakeClock

TURNS = 50
"""Turns of the event loop after which every task that can run has run; the chains of awaits here are far shorter."""


class FakeTimer:
    """A :class:`collectors.schedule.Timer` over a :class:`FakeClock`; each moment has so many turns of the loop."""

    def __init__(self, clock: FakeClock, turns: int = TURNS) -> None:
        self.clock = clock
        self._turns = turns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def sleep_until(self, monotonic_us: int) -> None:
        if monotonic_us <= self.clock.monotonic_us():
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (monotonic_us, next(self._numbers), future))
        await future

    async def run_until(self, monotonic_us: int) -> None:
        """Let time pass up to this moment, waking every sleeper when it is due."""
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= monotonic_us:
            due_us = self._sleepers[0][0]
            self.clock.advance(max(0, due_us - self.clock.monotonic_us()))
            if self._wake(due_us):
                await self._settle()
        self.clock.advance(max(0, monotonic_us - self.clock.monotonic_us()))

    def _wake(self, due_us: int) -> int:
        """Wake all that are due at this moment, in the order in which they went to sleep; how many."""
        woken = 0
        while self._sleepers and self._sleepers[0][0] <= due_us:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                woken += 1
        return woken

    async def _settle(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
