"""All that it takes to collect from one source, in whatever process that is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collectors.backfill import Backfill, Gaps
from collectors.drivers import Drivers
from collectors.health import SourceHealth
from collectors.memory import SinkMemory
from collectors.runner import SourceRunner
from collectors.schedule import Timer
from collectors.sink import Sink
from historian.config.settings import OpcUaSource, SourceSettings
from historian.model.scan import ScanGroup


@dataclass(frozen=True, slots=True)
class SourceTask:
    """Collect these ``groups`` from a source; plain data, that another process can be given.

    ``notes`` are what earlier drivers of the source noted, by key.  ``known_until_us`` is the newest time that is known
    of its tags, from where on its history may be asked for; None when nothing is known.  ``figures`` are the health
    figures that go on, by name, where another process had the task before.
    """

    settings: SourceSettings
    groups: Sequence[ScanGroup]
    notes: Mapping[str, str] = field(default_factory=dict)
    known_until_us: int | None = None
    figures: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.settings.name

    def new_health(self) -> SourceHealth:
        """The figures with which the task begins."""
        return SourceHealth.going_on(self.settings.protocol, self.settings.url, self.figures)


def runner_of(task: SourceTask, drivers: Drivers, sink: Sink, timer: Timer) -> SourceRunner:
    """What collects from the source; it is not started."""
    settings, health = task.settings, task.new_health()
    memory = SinkMemory(task.name, dict(task.notes), sink)
    drivers.make(settings)  # loads the protocol's library now: it takes as long as several scans
    gaps = _gaps(task, memory)
    return SourceRunner(
        task.name,
        task.groups,
        make_driver=lambda: drivers.make(settings, memory),
        sink=sink,
        timer=timer,
        health=health,
        backfill=None if gaps is None else Backfill(gaps, task.groups, sink, timer, health),
    )


def _gaps(task: SourceTask, memory: SinkMemory) -> Gaps | None:
    """The gaps of a source that is asked for its history; the first begins where the last run ended."""
    if not isinstance(task.settings, OpcUaSource) or not task.settings.backfill:
        return None
    gaps = Gaps(memory, task.settings.backfill_limit_us)
    if task.known_until_us is not None:
        gaps.begin(task.known_until_us)
    return gaps
