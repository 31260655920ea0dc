"""The sink of all collectors: what they deliver, on its way to the next commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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

    stored: list[Samples] = field(default_factory=list)
    quarantined: list[QuarantinedSample] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    retired: dict[int, GroupPipeline] = field(default_factory=dict)
    late: list[Samples] = field(default_factory=list)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownTags:
    """What the pipeline must know of the tags when groups are exchanged.

    ``tag_ids``: the store's identifiers by name; ``ended``: identifiers of the tags whose history ends here, for now;
    ``shadowed``: the names of those of which raw samples are kept.
    """

    tag_ids: Mapping[str, int]
    ended: Collection[int] = ()
    shadowed: Collection[str] = ()


class Pipeline:
    """Implements :class:`collectors.sink.Sink`.  Runs in the event loop's thread only; never waits for a disk.

    ``tag_ids`` maps tag names to the store's identifiers; ``newest`` is the newest sample of each tag from before, and
    ``notes`` are what the drivers of sources noted, by source and key.
    """

    def __init__(
        self,
        configuration: Configuration,
        groups: Sequence[ScanGroup],
        tag_ids: Mapping[str, int],
        newest: Samples,
        clock: Clock,
        *,
        notes: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self._clock = clock
        self._notes = dict(notes or {})
        self._configuration = configuration
        self._suspended = False
        self._late_waiting = 0
        self._types: dict[int, ValueType] = {}
        self._pending = Pending()
        self._group_of_tag: dict[str, int] = {}
        self._groups: dict[int, GroupPipeline] = {}
        self._before = Counts()
        self._newest = newest
        self._read_before: dict[int, int] = {}
        self._add_groups(groups, tag_ids, shadowed(configuration.tags, configuration.shadow))

    def _add_groups(self, groups: Sequence[ScanGroup], tag_ids: Mapping[str, int], shadow: Collection[str]) -> None:
        for group in groups:
            self._groups[group.number] = GroupPipeline(
                group,
                np.array([tag_ids[tag.name] for tag in group.tags], np.int32),
                self._newest,
                started_us=self._clock.wall_us(),
                future_us=self._configuration.future_limit_us,
                past_us=self._configuration.past_limit_us,
                shadowed=shadow,
            )
            self._groups[group.number].go_on(self._read_before)
            self._group_of_tag.update(dict.fromkeys((tag.name for tag in group.tags), group.number))
            self._pending.touched.add(group.number)

    def exchange(self, gone: Collection[int], groups: Sequence[ScanGroup], known: KnownTags) -> None:
        """Let ``groups`` take the place of those numbered ``gone``, none of which has a scan under way.

        Numbers are never used twice.  Tags of both go on without a gap, but for those that ``known`` says have ended.
        """
        now_us = self._clock.wall_us()
        newest = [self._newest]
        for number in gone:
            group = self._groups.pop(number)
            self._add(number, group.retire(now_us, known.ended))
            newest.append(group.newest())
            self._read_before.update(group.read_so_far())
            self._pending.retired[number] = group
            self._before.add(group.counts)
        self._group_of_tag = {name: number for name, number in self._group_of_tag.items() if number in self._groups}
        self._newest = latest(newest)
        for tag_id in known.ended:
            self._read_before.pop(tag_id, None)
        self._add_groups(groups, known.tag_ids, known.shadowed)

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
        if late.group not in self._groups:
            return  # a page that was on its way when the group was exchanged
        samples, quarantined = self._groups[late.group].accept_late(late, self._clock.wall_us())
        self._pending.quarantined.extend(quarantined)
        if len(samples):
            self._pending.late.append(samples)
            self._late_waiting += len(samples)

    @property
    def late_waiting(self) -> int:
        """So many of those are not stored yet; more than anybody waits for while there is no room at all."""
        return NO_ROOM if self._suspended else self._late_waiting

    @property
    def late_rows(self) -> int:
        """So many of those are not stored yet."""
        return self._late_waiting

    def late_stored(self, count: int) -> None:
        """So many of those are in the store now."""
        self._late_waiting -= count

    def types_resolved(self, types: Mapping[str, ValueType]) -> None:
        """Types that a source has told, by tag name."""
        by_group: dict[int, dict[str, ValueType]] = {}
        for name, value_type in types.items():
            # A source may still tell the type of a tag that has just been taken out of the configuration.
            if name in self._group_of_tag:
                by_group.setdefault(self._group_of_tag[name], {})[name] = value_type
        for number, members in by_group.items():
            news, stored = self._groups[number].resolve(members)
            self._types.update(news)
            self._add(number, stored)

    def event(self, kind: str, object_: str, text: str, why: str = "") -> None:
        """Something for the audit."""
        self._pending.events.append(AuditEvent(self._clock.wall_us(), WHO, kind, object_, new=text, why=why))

    def remember(self, source: str, key: str, note: str) -> None:
        """Something that a source's driver wants to know again after a restart."""
        self._notes[source, key] = note
        self._pending.notes[source, key] = note

    def notes_of(self, source: str) -> dict[str, str]:
        """What was noted of a source, by key."""
        return {key: note for (name, key), note in self._notes.items() if name == source}

    def known_until_us(self, groups: Iterable[int]) -> int | None:
        """The newest time that is known of the tags of these groups; None when nothing is."""
        times = [time_us for number in groups if (time_us := self._groups[number].known_until_us()) is not None]
        return max(times, default=None)

    # -- the way to the store ------------------------------------------------------------------------------------

    def take(self, health: Mapping[str, Mapping[str, object]]) -> Commit:
        """Everything since the last call, with these health figures, as one commit."""
        pending, self._pending = self._pending, Pending()
        everything = {**pending.retired, **self._groups}
        groups = {number: everything[number] for number in sorted(pending.touched)}
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
            shadow=concatenate([group.take_shadow() for group in everything.values()]),
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
        for number, group in self._groups.items():
            self._add(number, group.interrupt(now_us, status))

    def counts(self) -> Counts:
        """Samples since the start, over all groups."""
        total = replace(self._before)
        for group in self._groups.values():
            total.add(group.counts)
        return total


def latest(parts: Sequence[Samples]) -> Samples:
    """One sample a tag, by tag_id: that of the last of ``parts`` that has one."""
    samples = concatenate(parts)
    order = np.argsort(samples.tag_id, kind="stable")
    is_last = np.append(samples.tag_id[order][1:] != samples.tag_id[order][:-1], [True] * bool(len(order)))
    return samples.take(order[is_last.astype(np.bool_)])
