"""Scans put together into series of lanes, and series put behind one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from historian.compression.lanes import LaneSamples, where_of
from historian.compression.series import LaneSeries
from historian.model.samples import ExtraT, IndexArray


def nothing(lanes: int) -> LaneSeries:
    """No samples of so many lanes."""
    return LaneSeries(
        np.zeros(lanes + 1, np.intp),
        np.empty(0, np.int64),
        np.empty(0, np.float64),
        np.empty(0, np.uint32),
    )


def stacked(scans: Sequence[LaneSamples], lanes: int) -> LaneSeries:
    """The samples of ``scans``, each later than those before it in its lanes, lane by lane."""
    if all(len(scan) == lanes for scan in scans):
        return _stacked_whole(scans, lanes)
    counts = np.zeros(lanes, np.intp)
    for scan in scans:
        counts[where_of(scan.lane)] += 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    free = starts[:-1].copy()
    places = []
    # A loop over scans, each of many samples.
    for scan in scans:
        where = where_of(scan.lane)
        places.append(free[where].copy())
        free[where] += 1
    return _placed(starts, [(scan, rows) for scan, rows in zip(scans, places, strict=True)])


def _stacked_whole(scans: Sequence[LaneSamples], lanes: int) -> LaneSeries:
    """Of scans of all lanes: columns side by side."""
    if not scans:
        return nothing(lanes)
    count = len(scans)
    first = np.arange(lanes) * count
    return LaneSeries(
        np.arange(lanes + 1) * count,
        np.stack([scan.time_us for scan in scans], axis=1).reshape(-1),
        np.stack([scan.value for scan in scans], axis=1).reshape(-1),
        np.stack([scan.status for scan in scans], axis=1).reshape(-1),
        _moved([(scan.exact, first + place) for place, scan in enumerate(scans) if scan.exact]),
        _moved([(scan.text, first + place) for place, scan in enumerate(scans) if scan.text]),
    )


def joined(before: LaneSeries, after: LaneSeries) -> tuple[LaneSeries, IndexArray, IndexArray]:
    """Lane by lane what ``before`` has and then what ``after`` has; the rows that each of the two got."""
    old = np.arange(len(before)) + np.repeat(after.starts[:-1], np.diff(before.starts))
    new = np.arange(len(after)) + np.repeat(before.starts[1:], np.diff(after.starts))
    return _placed(before.starts + after.starts, [(before, old), (after, new)]), old, new


def _placed(starts: IndexArray, parts: Sequence[tuple[LaneSamples | LaneSeries, IndexArray]]) -> LaneSeries:
    """Samples put at their rows."""
    count = int(starts[-1])
    made = LaneSeries(
        starts, np.empty(count, np.int64), np.empty(count, np.float64), np.empty(count, np.uint32),
        _moved([(part.exact, rows) for part, rows in parts if part.exact]),
        _moved([(part.text, rows) for part, rows in parts if part.text]),
    )  # fmt: skip
    for part, rows in parts:
        made.time_us[rows] = part.time_us
        made.value[rows] = part.value
        made.status[rows] = part.status
    return made


def _moved(parts: Sequence[tuple[Mapping[int, ExtraT], IndexArray]]) -> dict[int, ExtraT]:
    return {int(rows[row]): extra for extras, rows in parts for row, extra in extras.items()}
