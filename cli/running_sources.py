"""The sources that are collected from now, and their scan groups by number.

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
from collectors.figures_driver import FiguresDriver
from collectors.health import SourceHealth
from collectors.local_sources import LocalSources
from collectors.runner import SourceRunner
from collectors.schedule import Timer
from collectors.source_task import SourceTask
from collectors.sources import Sources
from collectors.workers.placement import load_of
from historian.config.settings import Configuration, SourceSettings
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
    """Collects from all sources of a configuration into ``pipeline``: from its own figures here, from all else there.

    ``there`` is what collects from the sources; None stands for this process.
    """

    def __init__(
        self, pipeline: Pipeline, timer: Timer, process: ProcessFigures, there: Sources | None = None
    ) -> None:
        self._pipeline = pipeline
        self._timer = timer
        self._process = process
        self._here = LocalSources(pipeline, timer)
        self._there = there or self._here
        self._settings: dict[str, SourceSettings] = {}
        self._groups: dict[int, ScanGroup] = {}
        self._next_number = 0

    @property
    def count(self) -> int:
        """How many sources there are, besides the historian itself."""
        return len(self._settings)

    def prepare(self, configuration: Configuration, groups: Sequence[ScanGroup]) -> None:
        """Make ready the sources that have tags; their ``groups`` are in the pipeline."""
        self._groups = {group.number: group for group in groups}
        self._next_number = len(groups)
        sources = configuration.sources
        mine = by_source(groups)
        # The busiest first: where they are spread over workers, those then have about as much to do as one another.
        for name in sorted(mine, key=lambda name: -load_of(sources[name], mine[name]) if name in sources else 0.0):
            self._add(name, sources.get(name), mine[name])

    def start(self) -> None:
        """Begin to collect."""
        for each in self._places():
            each.start()

    async def close(self) -> None:
        """Collect no more, and close every connection."""
        await asyncio.gather(*(each.close() for each in self._places()))

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name."""
        return {name: figures for name, figures in self._there.figures().items() if name != OWN}

    def _places(self) -> list[Sources]:
        return [self._here] if self._there is self._here else [self._there, self._here]

    # -- another configuration -----------------------------------------------------------------------------------

    async def change(self, configuration: Configuration, wanted: Sequence[ScanGroup], known: KnownTags) -> list[str]:
        """Collect as ``configuration`` says from now on; the names of the sources that are gone.

        Groups that are the same go on as they are, with their schedules and all that is known of their tags.
        """
        for settings in configuration.sources.values():
            await self._there.prepare(settings)
        groups = self._numbered(wanted)
        for name in self._losing(wanted):
            # Before another source begins with them, so that what ends here does not end behind what begins there.
            await self._let_go(name, {group.number for mine in groups.values() for group in mine}, known)
        gone = [name for name in (*self._settings, OWN) if name not in groups]
        for name in gone:
            await self._remove(name, known)
        for name, mine in groups.items():
            await self._change_source(name, configuration.sources.get(name), mine, known)
        return [name for name in gone if name != OWN]

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
        before = self._groups_of(name)
        exchange = partial(self._exchange, before, groups, known)
        place = self._place_of(name)
        if place.has(name) and self._settings.get(name) == settings:
            if before != groups:
                await place.change(name, groups, exchange)
            return
        if place.has(name):
            await place.remove(name)
        exchange()
        self._add(name, settings, groups)

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
        before = self._groups_of(name)
        now = [group for group in before if group.number in kept]
        await self._place_of(name).change(name, now, partial(self._exchange, before, now, known))

    async def _remove(self, name: str, known: KnownTags) -> None:
        before = self._groups_of(name)
        if self._place_of(name).has(name):
            await self._place_of(name).remove(name)
        self._settings.pop(name, None)
        self._exchange(before, [], known)

    def _exchange(self, before: Sequence[ScanGroup], now: Sequence[ScanGroup], known: KnownTags) -> None:
        kept = {group.number for group in now}
        gone = [group.number for group in before if group.number not in kept]
        new = [group for group in now if group.number not in self._groups]
        self._pipeline.exchange(gone, new, known)
        for number in gone:
            del self._groups[number]
        self._groups.update({group.number: group for group in new})

    # -- sources -------------------------------------------------------------------------------------------------

    def _groups_of(self, name: str) -> list[ScanGroup]:
        return [group for group in self._groups.values() if group.source == name]

    def _place_of(self, name: str) -> Sources:
        return self._here if name == OWN else self._there

    def _add(self, name: str, settings: SourceSettings | None, groups: Sequence[ScanGroup]) -> None:
        if settings is None:
            self._here.add_runner(name, self._own_runner(groups))
            return
        self._settings[name] = settings
        known_us = self._pipeline.known_until_us(group.number for group in groups)
        self._there.add(SourceTask(settings, groups, self._pipeline.notes_of(name), known_us))

    def _own_runner(self, groups: Sequence[ScanGroup]) -> SourceRunner:
        return SourceRunner(
            health_tags.SOURCE,
            groups,
            make_driver=lambda: FiguresDriver(self._own_figures, self._timer.clock),
            sink=self._pipeline,
            timer=self._timer,
            health=SourceHealth("historian", ""),
        )

    def _own_figures(self) -> dict[str, float | None]:
        return health_tags.figures_now(self.figures(), self._process.last, self._timer.clock.wall_us())


def by_source(groups: Iterable[ScanGroup]) -> dict[str, list[ScanGroup]]:
    """The groups of each source, in their order."""
    found: dict[str, list[ScanGroup]] = {}
    for group in groups:
        found.setdefault(group.source, []).append(group)
    return found
