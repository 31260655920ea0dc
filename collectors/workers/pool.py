"""The workers of the main process; implements :class:`collectors.sources.Sources`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

from collectors.schedule import Timer
from collectors.sink import Sink
from collectors.source_task import SourceTask
from collectors.workers.placement import connection_of, load_of
from collectors.workers.remote_worker import RemoteWorker
from historian.config.settings import SourceSettings
from historian.model.clock import US_PER_S, AnchoredClock
from historian.model.scan import ScanGroup

BEAT_S: Final = 0.25
"""So often is looked whether the workers are alive."""

CLOSE_S: Final = 2.5
"""The time they have to end; an orderly stop takes 5 s at most."""


class WorkerPool:
    """Spreads sources over ``count`` workers, each of them run by ``command``; they collect into ``sink``.

    A worker is started when there is a source for it.  To be used in one event loop.
    """

    def __init__(self, count: int, command: Sequence[str], sink: Sink, timer: Timer, clock: AnchoredClock) -> None:
        self._count = count
        self._command = command
        self._sink = sink
        self._timer = timer
        self._clock = clock
        self._workers: list[RemoteWorker] = []
        self._is_started = self._is_closed = False
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the sources that were added so far; others begin when they are added."""
        self._is_started = True
        for worker in self._workers:
            worker.start()
        self._beating = asyncio.create_task(self._beat(), name="workers")

    async def close(self) -> None:
        """Collect no more, and let all workers end."""
        self._is_closed = True
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await asyncio.gather(*(worker.close(CLOSE_S) for worker in self._workers))

    async def _beat(self) -> None:
        while True:
            await self._timer.sleep_until(self._clock.monotonic_us() + round(BEAT_S * US_PER_S))
            for worker in self._workers:
                # Not by the clock: a machine that was asleep has workers that were asleep.
                worker.beat(BEAT_S)

    async def prepare(self, settings: SourceSettings) -> None:
        """Nothing: what a source takes is loaded by its worker."""

    def has(self, name: str) -> bool:
        """Whether a worker collects from this source."""
        return any(worker.sources.has(name) for worker in self._workers)

    def add(self, task: SourceTask) -> None:
        """Collect from one more source."""
        self._place_for(task.settings).add(task)

    def _place_for(self, settings: SourceSettings) -> RemoteWorker:
        """The worker that has the same connection, or one without a source, or the one with the least to do."""
        wanted: Hashable = connection_of(settings)
        for worker in self._workers:
            if any(connection_of(task.settings) == wanted for task in worker.sources.tasks):
                return worker
        has_idle = any(not worker.sources.tasks for worker in self._workers)
        if len(self._workers) < self._count and not has_idle:
            return self._new_worker()
        return min(self._workers, key=_load)

    def _new_worker(self) -> RemoteWorker:
        number = len(self._workers) + 1
        worker = RemoteWorker(number, self._command, self._sink, self._timer, self._clock)
        if not self._is_closed:  # a change of the configuration may still be under way
            worker.launch()
        if self._is_started:
            worker.start()
        self._workers.append(worker)
        return worker

    async def change(self, name: str, groups: Sequence[ScanGroup], exchange: Callable[[], None]) -> None:
        """As :meth:`collectors.sources.Sources.change`."""
        await self._worker_of(name).change(name, groups, exchange)

    async def remove(self, name: str) -> None:
        """Collect no more from a source."""
        await self._worker_of(name).remove(name)

    def _worker_of(self, name: str) -> RemoteWorker:
        return next(worker for worker in self._workers if worker.sources.has(name))

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name, with the number of its worker."""
        return {
            name: {**figures, "worker": worker.number}
            for worker in self._workers
            for name, figures in worker.sources.figures().items()
        }

    def workers(self) -> dict[int, Mapping[str, object]]:
        """The figures of the workers themselves, by number."""
        return {worker.number: worker.figures() for worker in self._workers}


def _load(worker: RemoteWorker) -> float:
    return sum(load_of(task.settings, task.groups) for task in worker.sources.tasks)
