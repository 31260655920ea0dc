"""The sources that are collected from now: one runner each, and their scan groups by number.

Between the configuration and :mod:`collectors`; what a new configuration changes is exchanged here, source by source,
so that everything else goes on as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from cli import health_tags
from cli.process_figures import ProcessFigures
from cli.source_notes import SourceNotes
from collectors.backfill import Backfill, Gaps
from collectors.drivers import Drivers, make_driver
from collectors.figures_driver import FiguresDriver
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.schedule import Timer
from collectors.supervisor import Supervisor
from historian.config.settings import Configuration, ModbusSource, OpcUaSource, SourceSettings
from historian.model.scan import ScanGroup
from historian.model.tag import Tag
from historian.pipeline.pipeline import KnownTags, Pipeline

OWN: Final = ""
"""The historian's own figures: no source of a configuration has this name."""


def wanted_groups(configuration: Configuration) -> tuple[ScanGroup, ...]:
    """All groups of a configuration, those of the historian's own tags last; numbered from 0."""
    groups = configuration.groups()
    own = health_tags.health_tags(configuration)
    return (*groups, replace(health_tags.health_group(own, len(groups)), source=OWN)) if own else groups


def wanted_tags(configuration: Configuration) -> tuple[Tag, ...]:
    """The tags that are configured, and the historian's own."""
    return (*configuration.tags, *health_tags.health_tags(configuration))


class RunningSources:
    """Collects from all sources of a configuration into ``pipeline``.  ``notes`` are kept for drivers."""

    def __init__(
        self, pipeline: Pipeline, timer: Timer, process: ProcessFigures, notes: dict[tuple[str, str], str]
    ) -> None:
        self._pipeline = pipeline
        self._timer = timer
        self._process = process
        self._notes = notes
        self._drivers = Drivers(timer.clock)
        self._supervisor = Supervisor(timer)
        self._settings: dict[str, SourceSettings] = {}
        self._runners: dict[str, SourceRunner] = {}
        self._groups: dict[int, ScanGroup] = {}
        self._next_number = 0

    @property
    def count(self) -> int:
        """How many sources there are, besides the historian itself."""
        return len(self._settings)

    def prepare(self, configuration: Configuration, groups: Sequence[ScanGroup]) -> None:
        """Make the runners of the sources that have tags; their ``groups`` are in the pipeline."""
        self._groups = {group.number: group for group in groups}
        self._next_number = len(groups)
        for name, mine in by_source(groups).items():
            self._make(name, configuration.sources.get(name), mine)

    def start(self) -> None:
        """Begin to collect."""
        for runner in self._runners.values():
            self._supervisor.start(runner)

    async def close(self) -> None:
        """Collect no more, and close every connection."""
        await self._supervisor.close()

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name."""
        return {name: runner.health.as_mapping() for name, runner in self._runners.items() if name != OWN}

    # -- another configuration -----------------------------------------------------------------------------------

    async def change(self, configuration: Configuration, wanted: Sequence[ScanGroup], known: KnownTags) -> list[str]:
        """Collect as ``configuration`` says from now on; the names of the sources that are gone.

        Groups that are the same go on as they are, with their schedules and all that is known of their tags.
        """
        for settings in configuration.sources.values():
            # Loads the protocol's library in a thread: it takes as long as several scans of the other sources.
            await asyncio.to_thread(make_driver, settings, self._timer.clock)
        groups = self._numbered(wanted)
        for name in self._losing(wanted):
            # Before another source begins with them, so that what ends here does not end behind what begins there.
            await self._let_go(name, {group.number for mine in groups.values() for group in mine}, known)
        gone = [name for name in self._runners if name not in groups]
        for name in gone:
            await self._remove(name, known)
        for name, mine in groups.items():
            await self._change_source(name, configuration.sources.get(name), mine, known)
        return gone

    def _numbered(self, wanted: Iterable[ScanGroup]) -> dict[str, list[ScanGroup]]:
        """By source; those that run already with their numbers, the others with new ones."""
        running = {(group.source, group.scan_class): group for group in self._groups.values()}
        found: list[ScanGroup] = []
        for group in wanted:
            same = running.get((group.source, group.scan_class))
            if same is None or replace(same, number=group.number) != group:
                same = replace(group, number=self._next_number)
                self._next_number += 1
            found.append(same)
        return by_source(found)

    async def _change_source(
        self, name: str, settings: SourceSettings | None, groups: list[ScanGroup], known: KnownTags
    ) -> None:
        before = [group for group in self._groups.values() if group.source == name]
        exchange = partial(self._exchange, before, groups, known)
        runner = self._runners.get(name)
        if runner is not None and self._settings.get(name) == settings:
            if before != groups:
                await runner.change(groups, exchange)
            return
        if runner is not None:
            await self._supervisor.end([runner])
        exchange()
        self._supervisor.start(self._make(name, settings, groups))

    def _losing(self, wanted: Iterable[ScanGroup]) -> list[str]:
        """The sources some of whose tags are to be read from another one."""
        source = {tag.name: group.source for group in wanted for tag in group.tags}
        lost = {
            group.source
            for group in self._groups.values()
            for tag in group.tags
            if source.get(tag.name, group.source) != group.source
        }
        return sorted(lost)

    async def _let_go(self, name: str, kept: Container[int], known: KnownTags) -> None:
        before = [group for group in self._groups.values() if group.source == name]
        now = [group for group in before if group.number in kept]
        await self._runners[name].change(now, partial(self._exchange, before, now, known))

    async def _remove(self, name: str, known: KnownTags) -> None:
        await self._supervisor.end([self._runners.pop(name)])
        self._settings.pop(name, None)
        self._exchange([group for group in self._groups.values() if group.source == name], [], known)

    def _exchange(self, before: Sequence[ScanGroup], now: Sequence[ScanGroup], known: KnownTags) -> None:
        kept = {group.number for group in now}
        gone = [group.number for group in before if group.number not in kept]
        new = [group for group in now if group.number not in self._groups]
        self._pipeline.exchange(gone, new, known)
        for number in gone:
            del self._groups[number]
        self._groups.update({group.number: group for group in new})

    # -- runners -------------------------------------------------------------------------------------------------

    def _make(self, name: str, settings: SourceSettings | None, groups: Sequence[ScanGroup]) -> SourceRunner:
        if settings is None:
            return self._make_own(groups)
        notes = SourceNotes(name, self._notes, self._pipeline)
        self._drivers.make(settings)  # loads the protocol's library now: it takes as long as several scans
        protocol = "modbus" if isinstance(settings, ModbusSource) else "opcua"
        health = SourceHealth(protocol, settings.url)
        gaps = _gaps(settings, groups, self._pipeline, notes)
        self._settings[name] = settings
        self._runners[name] = SourceRunner(
            name,
            groups,
            make_driver=lambda: self._drivers.make(settings, notes),
            sink=self._pipeline,
            timer=self._timer,
            health=health,
            backfill=None if gaps is None else Backfill(gaps, groups, self._pipeline, self._timer, health),
        )
        return self._runners[name]

    def _make_own(self, groups: Sequence[ScanGroup]) -> SourceRunner:
        self._runners[OWN] = SourceRunner(
            health_tags.SOURCE,
            groups,
            make_driver=lambda: FiguresDriver(self._own_figures, self._timer.clock),
            sink=self._pipeline,
            timer=self._timer,
            health=SourceHealth("historian", ""),
        )
        return self._runners[OWN]

    def _own_figures(self) -> dict[str, float | None]:
        return health_tags.figures_now(self.figures(), self._process.last, self._timer.clock.wall_us())


def _gaps(
    settings: SourceSettings, groups: Sequence[ScanGroup], pipeline: Pipeline, notes: SourceNotes
) -> Gaps | None:
    """The gaps of a source that is asked for its history; the first begins where the last run ended."""
    if not isinstance(settings, OpcUaSource) or not settings.backfill:
        return None
    gaps = Gaps(notes, settings.backfill_limit_us)
    known_us = pipeline.known_until_us(group.number for group in groups)
    if known_us is not None:
        gaps.begin(known_us)
    return gaps


def by_source(groups: Iterable[ScanGroup]) -> dict[str, list[ScanGroup]]:
    """The groups of each source, in their order."""
    found: dict[str, list[ScanGroup]] = {}
    for group in groups:
        found.setdefault(group.source, []).append(group)
    return found
