"""The stages of one scan group, and what is known of its tags now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from historian.compression.exception import ExceptionFilter
from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.swinging_door import SwingingDoor
from historian.model.commit import CurrentSamples, QuarantinedSample
from historian.model.samples import Int32Array, Int64Array, Samples, concatenate
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA
from historian.model.tag import ValueType
from historian.pipeline.scaling import Scaling
from historian.pipeline.shadow import GroupShadow
from historian.pipeline.time_guard import TimeGuard


@dataclass(slots=True)
class Counts:
    """Samples since the start of collecting.

    ``received`` = ``unchanged`` + ``quarantined`` + fresh ones; ``restamped`` of these were recorded at their arrival.
    ``quarantined`` counts all that were refused, also those beyond what the quarantine keeps of a tag in a day.
    ``reported`` passed exception reporting, ``stored`` passed compression too, both with earlier ones released by them.
    """

    received: int = 0
    unchanged: int = 0
    restamped: int = 0
    quarantined: int = 0
    reported: int = 0
    stored: int = 0

    def add(self, other: Counts) -> None:
        """Add another group's counts."""
        self.received += other.received
        self.unchanged += other.unchanged
        self.restamped += other.restamped
        self.quarantined += other.quarantined
        self.reported += other.reported
        self.stored += other.stored


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
        self._scaling = Scaling(group.tags)
        settings = LaneSettings.of(group.tags)
        self._exception = ExceptionFilter(settings)
        self._door = SwingingDoor(settings)
        self._guard = TimeGuard(len(group.tags), future_us, past_us)
        known = _lanes_of(tag_ids, newest)
        self._guard.remember(known)
        self._waiting = np.ones(len(group.tags), np.bool_)
        self._waiting[known.lane] = False
        self._last_scan_us: Int64Array = np.zeros(len(group.tags), np.int64)
        self.counts = Counts()

    def take_shadow(self) -> Samples:
        """The raw samples of shadowed lanes since the last call."""
        return self._shadow.take()

    @property
    def tag_ids(self) -> Int32Array:
        """The store's identifiers, lane by lane."""
        return self._tag_ids

    def accept(self, scan: Scan) -> tuple[Samples, Sequence[QuarantinedSample]]:
        """Take one scan; the samples that are final now, and those refused."""
        guarded = self._guard.admit(self._scaling.apply(scan))
        if scan.answered:
            self._last_scan_us[guarded.believed] = scan.arrival_us
        self._shadow.note(guarded.fresh)
        previous, current = self._exception.push(guarded.fresh)
        stored = [part for reported in (previous, current) if len(reported) for part in self._door.push(reported)]
        self.counts.received += len(scan)
        self.counts.unchanged += guarded.unchanged
        self.counts.restamped += guarded.restamped
        self.counts.quarantined += len(guarded.refused) + guarded.only_counted
        self.counts.reported += len(previous) + len(current)
        return self._final(stored), self._quarantined(guarded.refused, guarded.reasons, scan.arrival_us)

    def _final(self, parts: Sequence[LaneSamples]) -> Samples:
        stored = concatenate([part.to_samples(self._tag_ids) for part in parts])
        self.counts.stored += len(stored)
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
        """The newest sample of each lane and all that are not stored yet."""
        unreported = self._exception.pending()
        newest = self._exception.last()
        is_pending = np.isin(newest.lane, unreported.lane)
        parts, pendings = [newest], [is_pending]
        for held in self._door.held():
            is_newest = held.time_us == _times_of(newest, len(self._tags))[held.lane]
            is_pending[np.isin(newest.lane, held.lane[is_newest])] = True
            older = held.take(np.flatnonzero(~is_newest))
            parts.append(older)
            pendings.append(np.ones(len(older), np.bool_))
        waiting = self._waiting_samples(newest)
        parts.append(waiting)
        pendings.append(np.zeros(len(waiting), np.bool_))
        samples = concatenate([part.to_samples(self._tag_ids) for part in parts])
        is_newest_row = np.zeros(len(samples), np.bool_)
        is_newest_row[: len(newest)] = True
        is_newest_row[len(samples) - len(waiting) :] = True
        scans = np.concatenate([self._last_scan_us[part.lane] for part in parts])
        return CurrentSamples(samples, is_newest_row, np.concatenate(pendings), scans)

    def _waiting_samples(self, newest: LaneSamples) -> LaneSamples:
        """What a tag shows that was never read: BadWaitingForInitialData since the start.  It is never stored."""
        waiting = self._waiting.copy()
        waiting[newest.lane] = False
        return _bad(np.flatnonzero(waiting), self._started_us, BAD_WAITING_FOR_INITIAL_DATA)

    def interrupt(self, time_us: int, status: int) -> Samples:
        """Close what is open, then a Bad sample of this status for each lane read so far: history ends here for now."""
        stored = self._door.push(unreported) if len(unreported := self._exception.pending()) else []
        stored = [*stored, *self._door.drain()]
        newest = self._exception.last()
        final = _bad(newest.lane, time_us, status)
        final = replace(final, time_us=np.maximum(newest.time_us + 1, time_us))
        self._guard.remember(final)
        self._exception.restart(newest.lane)
        self._door.restart(newest.lane)
        self._exception.push(final)
        return self._final([*stored, *self._door.push(final)])

    def resolve(self, types: dict[str, ValueType]) -> dict[int, ValueType]:
        """Types told by the source, by tag name; those that are news, by tag identifier."""
        news: dict[int, ValueType] = {}
        for lane, tag in enumerate(self._tags):
            value_type = types.get(tag.name)
            if value_type is not None and value_type != tag.value_type:
                self._tags[lane] = replace(tag, value_type=value_type)
                news[int(self._tag_ids[lane])] = value_type
        if news:
            settings = LaneSettings.of(self._tags)
            self._exception.set_settings(settings)
            self._door.set_settings(settings)
        return news


def _times_of(samples: LaneSamples, lanes: int) -> Int64Array:
    times: Int64Array = np.zeros(lanes, np.int64)
    times[samples.lane] = samples.time_us
    return times


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
