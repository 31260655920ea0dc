"""Keeps the runners of sources alive: each is a task of its own that is started again when a fault of ours ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from collectors.backoff import Backoff
from collectors.cancellation import is_being_cancelled
from collectors.runner import SourceRunner
from collectors.schedule import Timer
from collectors.source_log import log
from historian.model.clock import US_PER_S

FIRST_PAUSE_S: Final = 1.0
LAST_PAUSE_S: Final = 60.0
"""Pauses before a runner that ended by a fault of our own is started again: twice as long each time, up to a minute."""

SOUND_US: Final = 300 * US_PER_S
"""A runner that went on for so long had got over its last fault."""


class Supervisor:
    """Runs sources until they are ended.  To be used in one event loop, whose tasks it owns."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._tasks: dict[SourceRunner, asyncio.Task[None]] = {}

    def start(self, runner: SourceRunner) -> None:
        """Begin to collect from a source."""
        self._tasks[runner] = asyncio.create_task(self._keep_alive(runner), name=runner.name)

    async def end(self, runners: Iterable[SourceRunner]) -> None:
        """Collect no more from these sources, and close their connections."""
        tasks = [self._tasks.pop(runner) for runner in runners]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End all."""
        await self.end(list(self._tasks))

    async def _keep_alive(self, runner: SourceRunner) -> None:
        """Start a runner again that ended by a fault of our own; the other sources go on meanwhile."""
        backoff = Backoff(FIRST_PAUSE_S, LAST_PAUSE_S)
        while True:
            started_us = self._timer.clock.monotonic_us()
            error = await _fault_of(runner)
            log.error("%s: a fault in the collector itself; the source is started again", runner.name, exc_info=error)
            runner.note_fault(error)
            if self._timer.clock.monotonic_us() - started_us > SOUND_US:
                backoff.reset()
            pause_us = round(max(backoff.next_s(), FIRST_PAUSE_S) * US_PER_S)
            await self._timer.sleep_until(self._timer.clock.monotonic_us() + pause_us)


async def _fault_of(runner: SourceRunner) -> BaseException:
    """How the runner ended, which it never does by itself."""
    try:
        await runner.run()
    except asyncio.CancelledError as error:
        if is_being_cancelled():
            raise
        return error  # of a library's inside: nobody has asked this task to end
    except Exception as error:  # noqa: BLE001 - last line of defence: no task of a source may die in silence
        return error
    return RuntimeError("it ended without a word")


async def run_sources(runners: Sequence[SourceRunner], stop: asyncio.Event, timer: Timer) -> None:
    """Collect from all sources until ``stop`` is set, then close every connection."""
    supervisor = Supervisor(timer)
    for runner in runners:
        supervisor.start(runner)
    try:
        await stop.wait()
    finally:
        await supervisor.close()
