"""From the store to a :class:`~historian.retrieval.series.Series`: samples of some tags with all their answers need.

Many tags over a long time are read in blocks, so that memory is bounded by the samples of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int32Array, Int64Array, Samples
from historian.retrieval.series import Series
from historian.retrieval.time_range import TimeRange
from storage.arrays import numpy_of, present
from storage.columns import times_us
from storage.ranges import RangeReader
from storage.reader import StoreSnapshot

BLOCK_SAMPLES: Final = 4_000_000
"""Samples that are read at once: some 150 MB while they are put together."""

_NEVER_US: Final = int(np.iinfo(np.int64).min)


def read_series(
    reading: RangeReader,
    snapshot: StoreSnapshot,
    rows: IndexArray,
    span: TimeRange,
    *,
    uncertain_as_bad: bool = False,
) -> Series:
    """The series of the tags at ``rows`` of ``snapshot.tags``, in that order, for ``span``.

    With ``uncertain_as_bad`` it is for a question that takes Uncertain samples for Bad ones: the neighbours of the
    range that are not Bad are Good ones then.

    Raises CorruptionError, which names the file of the archive.
    """
    tag_id = numpy_of(snapshot.tags.column("tag_id"), np.int32)[rows]
    ids = np.sort(tag_id)
    samples = reading.around(snapshot, ids, span.start_us, span.end_us, uncertain_as_bad=uncertain_as_bad)
    starts, samples = by_place(samples, tag_id)
    return Series(
        starts,
        samples.time_us,
        samples.value,
        samples.status,
        _stepped(snapshot, rows),
        _known_us(snapshot, tag_id, starts, samples.time_us),
        samples.exact,
        samples.text,
    )


def read_blocks(
    reading: RangeReader,
    snapshot: StoreSnapshot,
    rows: IndexArray,
    span: TimeRange,
    samples: int = BLOCK_SAMPLES,
    *,
    uncertain_as_bad: bool = False,
) -> Iterator[tuple[IndexArray, Series]]:
    """The same in blocks of about ``samples`` samples, or of one tag that has more; with each the rows of its tags."""
    tag_id = numpy_of(snapshot.tags.column("tag_id"), np.int32)[rows]
    order = np.argsort(tag_id, kind="stable")
    estimate = np.empty(len(rows))
    estimate[order] = reading.estimate(snapshot, tag_id[order], span.start_us, span.end_us)
    for first, end in _cuts(estimate, samples):
        mine = rows[first:end]
        yield mine, read_series(reading, snapshot, mine, span, uncertain_as_bad=uncertain_as_bad)


def _cuts(estimate: FloatArray, limit: int) -> Iterator[tuple[int, int]]:
    """First and end of runs whose sums are at most ``limit``, or of one that is larger by itself."""
    sums = np.cumsum(estimate)
    first = 0
    while first < len(sums):
        before = sums[first - 1] if first else 0.0
        end = max(int(sums.searchsorted(before + limit, side="right")), first + 1)
        yield first, end
        first = end


def by_place(samples: Samples, tag_id: Int32Array) -> tuple[IndexArray, Samples]:
    """``samples``, which are by tag, in the order of ``tag_id``; where the rows of each begin, and the end."""
    firsts, ends = samples.tag_id.searchsorted(tag_id), samples.tag_id.searchsorted(tag_id, side="right")
    starts = np.append(0, np.cumsum(ends - firsts))
    if (np.diff(tag_id) > 0).all():
        return starts, samples
    order = np.arange(len(samples)) + np.repeat(firsts - starts[:-1], ends - firsts)
    return starts, samples.take(order)


def _stepped(snapshot: StoreSnapshot, rows: IndexArray) -> BoolArray:
    """bool[k]: as configured; what is not known is not stepped."""
    column = snapshot.tags.column("is_step")
    stepped: BoolArray = (numpy_of(column, np.bool_) & present(column))[rows]
    return stepped


def _known_us(snapshot: StoreSnapshot, tag_id: Int32Array, starts: IndexArray, time_us: Int64Array) -> Int64Array:
    """int64[k]: when the source of each tag last answered, or its newest sample where that is later."""
    current = snapshot.current
    scans = current.column("last_scan")
    last_us = np.maximum(times_us(current), np.where(present(scans), numpy_of(scans, np.int64), _NEVER_US))
    known_us = np.full(len(tag_id), _NEVER_US)
    holders = numpy_of(current.column("tag_id"), np.int32)
    there = np.isin(tag_id, holders)
    known_us[there] = last_us[holders.searchsorted(tag_id[there])]
    has_rows = np.diff(starts) > 0
    known_us[has_rows] = np.maximum(known_us[has_rows], time_us[starts[1:][has_rows] - 1])
    return known_us
