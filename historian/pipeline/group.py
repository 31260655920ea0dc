"""The stages of one scan group, and what is known of its tags now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from historian.compression.lanes import LaneSamples, LaneSettings
from historian.model.commit import CurrentSamples, HeldSamples, QuarantinedSample
from historian.model.samples import BoolArray, IndexArray, Int32Array, Int64Array, Samples, concatenate
from historian.model.scan import LateValues, Scan, ScanGroup
from historian.model.status import BAD_SHUTDOWN, BAD_WAITING_FOR_INITIAL_DATA
from historian.model.tag import ValueType
from historian.pipeline.part import Parts, gone
from historian.pipeline.scaling import Scaling
from historian.pipeline.shadow import GroupShadow
from historian.pipeline.time_guard import IMPLAUSIBLE, TimeGuard


@dataclass(slots=True)
class Counts:
    """Samples since the start of collecting.

    ``received`` = ``unchanged`` + ``quarantined`` + fresh ones; ``restamped`` of these were recorded at their arrival.
    ``quarantined`` counts all that were refused, also those beyond what the quarantine keeps of a tag in a day.
    ``reported`` passed exception reporting and ``suppressed`` did not, ``stored`` passed compression too; all three
    with earlier ones released by them and without those that compression has not settled yet.  In the end, when all are
    settled, ``reported`` + ``suppressed`` are the fresh ones.
    """

    received: int = 0
    unchanged: int = 0
    restamped: int = 0
    quarantined: int = 0
    reported: int = 0
    suppressed: int = 0
    stored: int = 0

    def add(self, other: Counts) -> None:
        """Add another group's counts."""
        self.received += other.received
        self.unchanged += other.unchanged
        self.restamped += other.restamped
        self.quarantined += other.quarantined
        self.reported += other.reported
        self.suppressed += other.suppressed
        self.stored += other.stored


DOORS_OF_A_GROUP: Final = 10_000
"""Doors are numbered through all groups: so many for each, which is more than a group has."""


class GroupPipeline:
    """Scaling, time guard, exception reporting and compression of one group's lanes.

    ``tag_ids`` int32[n] are the store's identifiers, lane by lane; ``newest`` is what the store knows of these tags
    from before, in any order.  Of the tags named in ``shadowed`` raw samples are kept for :meth:`take_shadow`.
    """

    def __init__(
        self, group: ScanGroup, tag_ids: Int32Array, newest: Samples, *, started_us: int, future_us: int, past_us: int,
        shadowed: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._tags = list(group.tags)
        self._tag_ids = tag_ids
        self._shadow = GroupShadow(np.array([tag.name in shadowed for tag in group.tags], np.bool_), tag_ids)
        self._started_us = started_us
        self._number = group.number
        self._first_door = group.number * DOORS_OF_A_GROUP
        self._scaling = Scaling(group.tags)
        self._parts = Parts.of(LaneSettings.of(group.tags), tag_ids, group.number)
        self._gone: set[int] = set()
        self._guard = TimeGuard(len(group.tags), future_us, past_us)
        known = _lanes_of(tag_ids, newest)
        self._guard.remember(known)
        self._waiting = np.ones(len(group.tags), np.bool_)
        self._waiting[known.lane] = False
        self._read: BoolArray = np.zeros(len(group.tags), np.bool_)
        self._last_scan_us: Int64Array = np.zeros(len(group.tags), np.int64)
        self._counts = Counts()

    def take_shadow(self) -> Samples:
        """The raw samples of shadowed lanes since the last call."""
        return self._shadow.take()

    @property
    def tag_ids(self) -> Int32Array:
        """The store's identifiers, lane by lane."""
        return self._tag_ids

    @property
    def counts(self) -> Counts:
        """Samples since the start."""
        before, parts = self._counts, self._parts
        return replace(
            before, reported=before.reported + parts.reported(), suppressed=before.suppressed + parts.suppressed()
        )

    def accept(self, scan: Scan) -> tuple[Samples, Sequence[QuarantinedSample]]:
        """Take one scan; the samples that are final now, and those refused."""
        guarded = self._guard.admit(self._scaling.apply(scan))
        if scan.answered:
            self._last_scan_us[guarded.believed] = scan.arrival_us
        self._shadow.note(guarded.fresh)
        self._read[guarded.fresh.lane] = True
        stored = self._parts.accept(guarded.fresh, scan.arrival_us)
        self._counts.received += len(scan)
        self._counts.unchanged += guarded.unchanged
        self._counts.restamped += guarded.restamped
        self._counts.quarantined += len(guarded.refused) + guarded.only_counted
        return self._final(stored), self._quarantined(guarded.refused, guarded.reasons, scan.arrival_us)

    def known_until_us(self) -> int | None:
        """The newest time that is known of the group's tags; None when nothing is."""
        return self._guard.newest_us()

    def accept_late(self, late: LateValues, now_us: int) -> tuple[Samples, Sequence[QuarantinedSample]]:
        """Take values of the past: the samples they are, as they came, and those whose time no sample can have."""
        scaled = self._scaling.apply_late(late, now_us)
        samples = LaneSamples(late.lane, scaled.time_us, scaled.value, scaled.status, scaled.exact, scaled.text)
        plausible = self._guard.is_plausible(samples.time_us, now_us)
        refused = samples.where(~plausible)
        reasons = [IMPLAUSIBLE] * len(refused)
        return samples.where(plausible).to_samples(self._tag_ids), self._quarantined(refused, reasons, now_us)

    def _final(self, parts: Sequence[Samples]) -> Samples:
        stored = concatenate(parts)
        self._counts.stored += len(stored)
        return stored

    def _quarantined(self, refused: LaneSamples, reasons: Sequence[str], seen_us: int) -> Sequence[QuarantinedSample]:
        # A loop over refused samples only, which are the exception.
        return [
            QuarantinedSample(
                int(self._tag_ids[refused.lane[row]]),
                int(refused.time_us[row]),
                str(refused.text.get(row, refused.exact.get(row, float(refused.value[row])))),
                int(refused.status[row]),
                reason,
                seen_us,
            )
            for row, reason in enumerate(reasons)
        ]

    def current(self) -> CurrentSamples:
        """The newest sample of each lane, and what lanes without a door hold back."""
        read = np.flatnonzero(self._read)
        newest = self._guard.last(read).to_samples(self._tag_ids)
        held = concatenate([part.held() for part in self._parts.repeats])
        is_pending, is_newest = _common(newest, held)
        older = held.take(np.flatnonzero(~is_newest))
        # What was never read shows that it waits, since the start.  It is never stored.
        never = np.flatnonzero(self._waiting & ~self._read)
        waiting = _bad(never, self._started_us, BAD_WAITING_FOR_INITIAL_DATA)
        nothing = np.zeros(len(waiting), np.bool_)
        lanes = np.concatenate([read, _places_of(self._tag_ids, older.tag_id), never])
        return CurrentSamples(
            concatenate([newest, older, waiting.to_samples(self._tag_ids)]),
            np.concatenate([np.ones(len(newest), np.bool_), np.zeros(len(older), np.bool_), ~nothing]),
            np.concatenate([is_pending, np.ones(len(older), np.bool_), nothing]),
            self._last_scan_us[lanes],
        )

    def take_held(self) -> dict[int, HeldSamples]:
        """What doors hold more than when this was last called, by their numbers."""
        held = {number: gone() for number in self._gone}
        self._gone.clear()
        for number, door in enumerate(self._parts.doors, self._first_door):
            news = door.take_held()
            if news is not None:
                held[number] = news
        return held

    def interrupt(self, time_us: int, status: int) -> Samples:
        """Close what is open, then a Bad sample of this status for each lane read so far: history ends here for now."""
        stored = self._parts.drain()
        return self._final([*stored, self._end(np.flatnonzero(self._read), time_us, status)])

    def retire(self, time_us: int, ended: Collection[int]) -> Samples:
        """No more scans will come: close what is open; BadShutdown for the lanes of the tags ``ended`` that were read.

        ``ended`` are identifiers; the other tags go on in another group, without a gap.
        """
        stored = self._parts.drain()
        self._take_over(Parts([], []))
        is_ended = self._read & np.isin(self._tag_ids, list(ended))
        return self._final([*stored, self._end(np.flatnonzero(is_ended), time_us, BAD_SHUTDOWN)])

    def _end(self, lanes: IndexArray, time_us: int, status: int) -> Samples:
        newest = self._guard.last(lanes)
        final = _bad(newest.lane, time_us, status)
        final = replace(final, time_us=np.maximum(newest.time_us + 1, time_us))
        self._guard.remember(final)
        return final.to_samples(self._tag_ids)

    def read_so_far(self) -> dict[int, int]:
        """When the source answered last for each tag that was read, by identifier; 0 when it never did."""
        lanes = np.flatnonzero(self._read)
        return dict(zip(self._tag_ids[lanes].tolist(), self._last_scan_us[lanes].tolist(), strict=True))

    def go_on(self, read: Mapping[int, int]) -> None:
        """Tags that were ``read`` in groups which are gone have a history that goes on here, and ends where this does.

        They may have told nothing new since then.
        """
        # A loop over tags, which is done when a configuration has changed.
        for lane, tag_id in enumerate(self._tag_ids.tolist()):
            if tag_id in read:
                self._read[lane] = True
                self._last_scan_us[lane] = read[tag_id]

    def newest(self) -> Samples:
        """The newest sample of each tag that ever had one."""
        return self._guard.known().to_samples(self._tag_ids)

    def resolve(self, types: dict[str, ValueType]) -> tuple[dict[int, ValueType], Samples]:
        """Types told by the source, by tag name; those that are news, by tag identifier, and what became final."""
        news: dict[int, ValueType] = {}
        for lane, tag in enumerate(self._tags):
            value_type = types.get(tag.name)
            if value_type is not None and value_type != tag.value_type:
                self._tags[lane] = replace(tag, value_type=value_type)
                news[int(self._tag_ids[lane])] = value_type
        return news, self._divide_anew() if news else Samples.empty()

    def _divide_anew(self) -> Samples:
        """A tag that is a state after all is compressed as one from now on; what all held until now is stored."""
        stored = self._final(self._parts.drain())
        self._take_over(Parts.of(LaneSettings.of(self._tags), self._tag_ids, self._number))
        return stored

    def _take_over(self, parts: Parts) -> None:
        """Go on with other parts; the present ones are drained."""
        self._counts = self.counts
        self._gone |= set(range(self._first_door + len(parts.doors), self._first_door + len(self._parts.doors)))
        self._parts = parts


def _places_of(tag_ids: Int32Array, wanted: Int32Array) -> IndexArray:
    """intp[n]: the place of each of ``wanted``, which are all among ``tag_ids``."""
    if not len(wanted):
        return np.empty(0, np.intp)
    order = np.argsort(tag_ids, kind="stable")
    places: IndexArray = order[np.searchsorted(tag_ids, wanted, sorter=order)]
    return places


def _common(newest: Samples, held: Samples) -> tuple[BoolArray, BoolArray]:
    """bool[n]: the newest sample is held; bool[m]: the held sample is the newest of its tag.  One a tag is newest."""
    places = _places_of(newest.tag_id, held.tag_id)
    is_newest = newest.time_us[places] == held.time_us
    is_held = np.zeros(len(newest), np.bool_)
    is_held[places[is_newest]] = True
    return is_held, is_newest


def _bad(lanes: np.ndarray[tuple[int], np.dtype[np.intp]], time_us: int, status: int) -> LaneSamples:
    count = len(lanes)
    return LaneSamples(
        lanes, np.full(count, time_us, np.int64), np.full(count, np.nan), np.full(count, status, np.uint32), {}, {}
    )


def _lanes_of(tag_ids: Int32Array, newest: Samples) -> LaneSamples:
    """The samples of these tags, in the order of their lanes."""
    order = np.argsort(newest.tag_id, kind="stable")
    places = np.searchsorted(newest.tag_id, tag_ids, sorter=order)
    found = places < len(newest)
    found[found] = newest.tag_id[order[places[found]]] == tag_ids[found]
    lanes = np.flatnonzero(found)
    known = newest.take(order[places[lanes]])
    return LaneSamples(lanes, known.time_us, known.value, known.status, known.exact, known.text)
