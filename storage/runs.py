"""Samples by tag and time: where each tag begins and ends, found without looking at every time."""

from __future__ import annotations

import numpy as np

from historian.model.samples import IndexArray, Int32Array, Int64Array


def run_ends(tag_id: Int32Array) -> IndexArray:
    """intp[k]: the row behind the last of each tag; ``tag_id`` int32[n] is sorted, n at least one."""
    return np.append(np.flatnonzero(tag_id[1:] != tag_id[:-1]) + 1, len(tag_id))


def reach_us(tag_id: Int32Array, time_us: Int64Array) -> tuple[int, int]:
    """The oldest and the newest time of samples (at least one) by tag and time."""
    if tag_id[0] == tag_id[-1]:
        return int(time_us[0]), int(time_us[-1])
    ends = run_ends(tag_id)
    return int(time_us[np.append(0, ends[:-1])].min()), int(time_us[ends - 1].max())
