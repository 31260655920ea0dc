"""What compression knows between two blocks, by tag, as the store keeps it; and what is left to store of it.

So a run that ended without notice is finished by the next start with the rules and the settings it had, as if it had
been stopped in order at its last commit.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from historian.compression.lanes import LaneSettings, SampleSlots
from historian.compression.reports import MarkArray
from historian.compression.series import LaneSeries
from historian.compression.stream import Compression, OpenLanes
from historian.model.commit import OpenDoor
from historian.model.samples import IndexArray, Int32Array, Samples, concatenate

_SETTINGS = tuple(field.name for field in fields(LaneSettings))


def open_door(known: OpenLanes, settings: LaneSettings, tag_ids: Int32Array) -> OpenDoor:
    """``known`` by tag; ``tag_ids`` int32[lanes].  Shares nothing that changes later."""
    is_stored = known.series.begins()
    held, stored = np.flatnonzero(~is_stored), np.flatnonzero(is_stored)
    lanes = {name: getattr(settings, name) for name in _SETTINGS}
    return OpenDoor(
        known.series.take(held).to_samples(tag_ids),
        known.marks[held],
        known.series.take(stored).to_samples(tag_ids),
        known.marks[stored],
        known.reported.all().to_samples(tag_ids),
        {
            "tag_id": tag_ids, **lanes,
            "passed": known.passed.astype(np.int64), "low": known.low.copy(), "high": known.high.copy(),
        },
    )  # fmt: skip


def remainder(door: OpenDoor, fresh: Samples) -> Samples:
    """What is to be stored when no more samples follow ``fresh``, which came behind what the door holds."""
    tag_ids: Int32Array = door.lanes["tag_id"]
    settings = LaneSettings(*(door.lanes[name] for name in _SETTINGS))
    compression = Compression(settings, _open_lanes(door, tag_ids))
    return compression.drain(_series_of(fresh, tag_ids)[0]).to_samples(tag_ids)


def _open_lanes(door: OpenDoor, tag_ids: Int32Array) -> OpenLanes:
    both = concatenate([door.stored, door.held])
    series, order = _series_of(both, tag_ids)
    marks: MarkArray = np.concatenate([door.stored_mark, door.held_mark])[order]
    reported = SampleSlots(len(tag_ids))
    last, _ = _series_of(door.reported, tag_ids)
    reported.put_rows(last, np.flatnonzero(np.diff(last.starts)), np.arange(len(last)))
    passed = door.lanes["passed"].astype(np.intp)
    return OpenLanes(series, marks, passed, door.lanes["low"].copy(), door.lanes["high"].copy(), reported)


def _series_of(samples: Samples, tag_ids: Int32Array) -> tuple[LaneSeries, IndexArray]:
    """The samples as series of the lanes of ``tag_ids``, and the row that each came from."""
    by_tag = np.argsort(tag_ids, kind="stable")
    lane = by_tag[np.searchsorted(tag_ids, samples.tag_id, sorter=by_tag)]
    order = np.lexsort((samples.time_us, lane))
    sorted_ = samples.take(order)
    starts = np.concatenate([[0], np.cumsum(np.bincount(lane, minlength=len(tag_ids)))])
    return LaneSeries(starts, sorted_.time_us, sorted_.value, sorted_.status, sorted_.exact, sorted_.text), order
