"""The sink of all collectors: what they deliver, on its way to the next commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from historian.config.settings import Configuration
from historian.model.clock import Clock
from historian.model.commit import AuditEvent, Commit, QuarantinedSample
from historian.model.samples import Samples, concatenate
from historian.model.scan import LateValues, Scan, ScanGroup
from historian.model.status import BAD_RESOURCE_UNAVAILABLE, BAD_SHUTDOWN
from historian.model.tag import ValueType
from historian.pipeline.group import Counts, GroupPipeline
from historian.pipeline.shadow import shadowed

WHO = "collect"
NO_ROOM = 2**31


@dataclass(slots=True)
class Pending:
    """What waits for the next commit."""

    stored: list[Samples]
    quarantined: list[QuarantinedSample]
    events: list[AuditEvent]
    touched: set[int]
    late: list[Samples]
    notes: dict[tuple[str, str], str]

    @classmethod
    def nothing(cls) -> Pending:
        """Nothing waits."""
        return cls([], [], [], set(), [], {})


class Pipeline:
    """Implements :class:`collectors.sink.Sink`.  Runs in the event loop's thread only; never waits for a disk.

    ``tag_ids`` maps tag names to the store's identifiers; ``newest`` is the newest sample of each tag from before.
    """

    def __init__(
        self,
        configuration: Configuration,
        groups: Sequence[ScanGroup],
        tag_ids: Mapping[str, int],
        newest: Samples,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._tag_ids = tag_ids
        self._suspended = False
        self._late_waiting = 0
        self._types: dict[int, ValueType] = {}
        self._pending = Pending.nothing()
        self._group_of_tag = {tag.name: group.number for group in groups for tag in group.tags}
        shadow = shadowed(configuration.tags, configuration.shadow)
        self._groups = [
            GroupPipeline(
                group,
                np.array([tag_ids[tag.name] for tag in group.tags], np.int32),
                newest,
                started_us=clock.wall_us(),
                future_us=configuration.future_limit_us,
                past_us=configuration.past_limit_us,
                shadowed=shadow,
            )
            for group in groups
        ]
        self._pending.touched.update(range(len(groups)))

    # -- the sink ------------------------------------------------------------------------------------------------

    def accept(self, scan: Scan) -> None:
        """Take one scan through all stages; what is final waits for the next commit."""
        if self._suspended:
            return
        stored, quarantined = self._groups[scan.group].accept(scan)
        self._pending.quarantined.extend(quarantined)
        self._add(scan.group, stored)

    def _add(self, group: int, stored: Samples) -> None:
        self._pending.touched.add(group)
        if len(stored):
            self._pending.stored.append(stored)

    def accept_late(self, late: LateValues) -> None:
        """Take values of the past past all stages; they wait for the next commit."""
        samples, quarantined = self._groups[late.group].accept_late(late, self._clock.wall_us())
        self._pending.quarantined.extend(quarantined)
        if len(samples):
            self._pending.late.append(samples)
            self._late_waiting += len(samples)

    @property
    def late_waiting(self) -> int:
        """So many of those are not stored yet; more than anybody waits for while there is no room at all."""
        return NO_ROOM if self._suspended else self._late_waiting

    def late_stored(self, count: int) -> None:
        """So many of those are in the store now."""
        self._late_waiting -= count

    def types_resolved(self, types: Mapping[str, ValueType]) -> None:
        """Types that a source has told, by tag name."""
        by_group: dict[int, dict[str, ValueType]] = {}
        for name, value_type in types.items():
            by_group.setdefault(self._group_of_tag[name], {})[name] = value_type
        for number, members in by_group.items():
            news, stored = self._groups[number].resolve(members)
            self._types.update(news)
            self._add(number, stored)

    def event(self, kind: str, object_: str, text: str) -> None:
        """Something for the audit."""
        self._pending.events.append(AuditEvent(self._clock.wall_us(), WHO, kind, object_, new=text))

    def remember(self, source: str, key: str, note: str) -> None:
        """Something that a source's driver wants to know again after a restart."""
        self._pending.notes[source, key] = note

    def known_until_us(self, groups: Iterable[int]) -> int | None:
        """The newest time that is known of the tags of these groups; None when nothing is."""
        times = [time_us for number in groups if (time_us := self._groups[number].known_until_us()) is not None]
        return max(times, default=None)

    # -- the way to the store ------------------------------------------------------------------------------------

    def take(self, health: Mapping[str, Mapping[str, object]]) -> Commit:
        """Everything since the last call, with these health figures, as one commit."""
        pending, self._pending = self._pending, Pending.nothing()
        groups = {number: self._groups[number] for number in sorted(pending.touched)}
        return Commit(
            time_us=self._clock.wall_us(),
            stored=concatenate(pending.stored),
            current={number: group.current() for number, group in groups.items()},
            quarantined=tuple(pending.quarantined),
            events=tuple(pending.events),
            health=health,
            held={door: news for group in groups.values() for door, news in group.take_held().items()},
            notes=pending.notes,
            late=concatenate(pending.late),
            shadow=concatenate([group.take_shadow() for group in self._groups]),
        )

    def take_types(self) -> dict[int, ValueType]:
        """Types told since the last call, by tag identifier."""
        types, self._types = self._types, {}
        return types

    def suspend(self) -> None:
        """Take no more scans: there is no room to keep them.  The gap is marked in every tag where it begins."""
        if not self._suspended:
            self._interrupt(BAD_RESOURCE_UNAVAILABLE)
            self._suspended = True

    def resume(self) -> None:
        """Take scans again."""
        self._suspended = False

    def finish(self) -> None:
        """Orderly stop: store what was held back, and BadShutdown for every tag that was read."""
        if not self._suspended:
            self._interrupt(BAD_SHUTDOWN)

    def _interrupt(self, status: int) -> None:
        now_us = self._clock.wall_us()
        for number, group in enumerate(self._groups):
            self._add(number, group.interrupt(now_us, status))

    def counts(self) -> Counts:
        """Samples since the start, over all groups."""
        total = Counts()
        for group in self._groups:
            total.add(group.counts)
        return total
