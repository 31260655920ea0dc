"""Exception reporting and compression on the way in, with each tag's own settings, as if a device sent the samples.

The stages take one sample of each lane at a time, so the n-th samples of all tags go through them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from historian.compression.exception import ExceptionFilter
from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.swinging_door import SwingingDoor
from historian.importing.arrow import distinct
from historian.importing.file_samples import FileSamples
from historian.model.samples import BoolArray, IndexArray, Int64Array, Samples, take_extras
from historian.model.tag import Tag


def compress(found: FileSamples, tags: Mapping[int, Tag]) -> FileSamples:
    """The samples that stay; ``found`` strictly increasing by tag and time, ``tags`` by identifier.

    The first and the last sample of each tag stay, so that chunks can be compressed one by one.
    """
    series = distinct(found.samples.tag_id)
    lossy = np.array([_is_lossy(tags[one]) for one in series.tolist()], np.bool_)
    rows = np.flatnonzero(np.isin(found.samples.tag_id, series[lossy]))
    if not len(rows):
        return found
    keep = np.ones(len(found), np.bool_)
    keep[rows] = _kept(found.samples, rows, [tags[one] for one in series[lossy].tolist()])
    return found.take(np.flatnonzero(keep))


def _is_lossy(tag: Tag) -> bool:
    return tag.exception.deviation is not None or tag.compression.deviation is not None or tag.is_step


def _kept(samples: Samples, rows: IndexArray, tags: Sequence[Tag]) -> BoolArray:
    """bool[m]: the row stays.  Samples are recognised by lane and time, which no two have in common."""
    settings = LaneSettings.of(tags)
    exception, door = ExceptionFilter(settings), SwingingDoor(settings)
    begins = np.append(0, np.flatnonzero(np.diff(samples.tag_id[rows])) + 1)
    kept: list[tuple[IndexArray, Int64Array]] = []
    # A loop over the longest tag's samples: what is stored depends on what was stored before.
    for scan in _scans(samples, rows, begins):
        for reported in exception.push(scan):
            kept.extend((part.lane, part.time_us) for part in door.push(reported))
    kept.extend((part.lane, part.time_us) for part in [*door.push(exception.pending()), *door.drain()])
    lanes = np.concatenate([lane for lane, _ in kept])
    times = np.concatenate([time_us for _, time_us in kept])
    return _marked(samples.time_us[rows], begins, lanes, times)


def _scans(samples: Samples, rows: IndexArray, begins: IndexArray) -> Iterator[LaneSamples]:
    lengths = np.diff(np.append(begins, len(rows)))
    for place in range(int(lengths.max())):
        lanes = np.flatnonzero(lengths > place)
        chosen = rows[begins[lanes] + place]
        yield LaneSamples(
            lanes, samples.time_us[chosen], samples.value[chosen], samples.status[chosen],
            take_extras(samples.exact, chosen), take_extras(samples.text, chosen),
        )  # fmt: skip


def _marked(time_us: Int64Array, begins: IndexArray, lanes: IndexArray, times: Int64Array) -> BoolArray:
    """bool[m]: this row's lane and time are among those given; ``time_us`` increases within each lane."""
    marked = np.zeros(len(time_us), np.bool_)
    ends = np.append(begins[1:], len(time_us))
    for lane, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        marked[begin + np.searchsorted(time_us[begin:end], times[lanes == lane])] = True
    marked[begins] = True
    marked[ends - 1] = True
    return marked
