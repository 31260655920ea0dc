"""The sample of each tag next to an instant: what holds when a month begins, and where its last line leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from historian.model.samples import BoolArray, FloatArray, Int32Array, Int64Array
from storage.arrays import numpy_of, present
from storage.catalogue import CatalogueEntry
from storage.columns import times_us
from storage.compaction_input import Group, Inputs, opened
from storage.files import ArchiveFolder

Neighbours: TypeAlias = Mapping[int, tuple[int, float]]
"""Time and value (NaN for none) by tag_id."""

_NONE = -(1 << 63)


class Edge(NamedTuple):
    """Before ``time_us`` the newest sample is looked for, else the oldest from ``time_us`` on."""

    time_us: int
    is_before: bool

    def nearness(self, time_us: Int64Array) -> Int64Array:
        """int64[n]: larger is nearer; times on the other side are not asked for."""
        return time_us if self.is_before else -time_us

    def best_of(self, first_us: int, last_us: int) -> int:
        """The nearest that a sample of a range can be, _NONE when the range lies on the other side."""
        if self.is_before:
            return _NONE if first_us >= self.time_us else min(last_us, self.time_us - 1)
        return _NONE if last_us < self.time_us else -max(first_us, self.time_us)


def find(folder: ArchiveFolder, files: Sequence[CatalogueEntry], wanted: Sequence[int], edge: Edge) -> Neighbours:
    """The nearest sample of each of the tags ``wanted``, nearest files first, reading no more than is needed."""
    size = max(wanted, default=0) + 1
    best: Int64Array = np.full(size, _NONE, np.int64)
    value: FloatArray = np.full(size, np.nan)
    is_wanted: BoolArray = np.zeros(size, np.bool_)
    is_wanted[list(wanted)] = True
    by_nearness = sorted(((edge.best_of(file.first_us, file.last_us), file) for file in files), reverse=True)
    for nearness, file in by_nearness:
        some = slice(file.first_tag, file.last_tag + 1)
        if nearness == _NONE or not (is_wanted[some] & (best[some] < nearness)).any():
            continue
        with opened(folder, [file.path]) as inputs:
            for group in sorted(inputs.groups, key=lambda one: -edge.best_of(one.first_us, one.last_us)):
                _look(inputs, group, edge, best, value)
    return {tag: (abs(int(best[tag])), float(value[tag])) for tag in wanted if best[tag] != _NONE}


def _look(inputs: Inputs, group: Group, edge: Edge, best: Int64Array, value: FloatArray) -> None:
    nearness = edge.best_of(group.first_us, group.last_us)
    if nearness == _NONE or not (best[group.first_tag : group.last_tag + 1] < nearness).any():
        return
    table = inputs.read(group, ("tag_id", "time", "value"))
    tag_id: Int32Array = numpy_of(table.column("tag_id"), np.int32)
    times = times_us(table)
    values = np.where(present(table.column("value")), numpy_of(table.column("value"), np.float64), np.nan)
    rows = np.flatnonzero((times < edge.time_us) == edge.is_before)
    rows = rows[tag_id[rows] < len(best)]
    # Sorted by tag and time, so that the nearest of a tag is its last row, or its first.
    ends = (
        np.append(np.diff(tag_id[rows]) != 0, True) if edge.is_before else np.append(True, np.diff(tag_id[rows]) != 0)
    )
    rows = rows[ends[: len(rows)]]
    near = edge.nearness(times[rows])
    better = near > best[tag_id[rows]]
    best[tag_id[rows[better]]] = near[better]
    value[tag_id[rows[better]]] = values[rows[better]]
