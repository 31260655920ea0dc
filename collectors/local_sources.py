"""The sources that this process collects from itself, each with a runner of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from collectors.drivers import Drivers, make_driver
from collectors.runner import SourceRunner
from collectors.schedule import Timer
from collectors.sink import Sink
from collectors.source_task import SourceTask, runner_of
from collectors.supervisor import Supervisor
from historian.config.settings import SourceSettings
from historian.model.scan import ScanGroup


class LocalSources:
    """Collects into ``sink``.  To be used in one event loop; implements :class:`collectors.sources.Sources`."""

    def __init__(self, sink: Sink, timer: Timer) -> None:
        self._sink = sink
        self._timer = timer
        self._drivers = Drivers(timer.clock)
        self._supervisor = Supervisor(timer)
        self._runners: dict[str, SourceRunner] = {}
        self._is_started = False

    def start(self) -> None:
        """Begin with those that were added so far; others begin when they are added."""
        self._is_started = True
        for runner in self._runners.values():
            self._supervisor.start(runner)

    async def close(self) -> None:
        """Collect no more, and close every connection."""
        await self._supervisor.close()

    async def prepare(self, settings: SourceSettings) -> None:
        """Load the protocol's library in a thread: it takes as long as several scans of the other sources."""
        await asyncio.to_thread(make_driver, settings, self._timer.clock)

    def has(self, name: str) -> bool:
        """Whether it collects from this source."""
        return name in self._runners

    def add(self, task: SourceTask) -> None:
        """Collect from one more source."""
        self.add_runner(task.name, runner_of(task, self._drivers, self._sink, self._timer))

    def add_runner(self, name: str, runner: SourceRunner) -> None:
        """Keep one more runner going, under a name that no other has."""
        self._runners[name] = runner
        if self._is_started:
            self._supervisor.start(runner)

    async def change(self, name: str, groups: Sequence[ScanGroup], exchange: Callable[[], None]) -> None:
        """Collect these groups from the source; as :meth:`collectors.runner.SourceRunner.change`."""
        await self._runners[name].change(groups, exchange)

    async def remove(self, name: str) -> None:
        """Collect no more from a source."""
        await self._supervisor.end([self._runners.pop(name)])

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name."""
        return {name: runner.health.as_mapping() for name, runner in self._runners.items()}
