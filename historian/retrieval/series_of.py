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
from storage.parts import starts_of
from storage.ranges import RangeReader
from storage.reader import StoreSnapshot

BLOCK_SAMPLES: Final = 4_000_000
"""Samples that are read at once: some 150 MB while they are put together."""

GAP_SAMPLES: Final = 16_384
"""Samples of a tag that are read rather than looked for again behind them: a row group."""

LEFT_OUT: Final = 10

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
    samples = reading.around(snapshot, tag_id, span.start_us, span.end_us, uncertain_as_bad=uncertain_as_bad)
    return _series(snapshot, rows, samples)


def _series(snapshot: StoreSnapshot, rows: IndexArray, samples: Samples) -> Series:
    tag_id = numpy_of(snapshot.tags.column("tag_id"), np.int32)[rows]
    starts = starts_of(samples, tag_id)
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


def read_instants(
    reading: RangeReader, snapshot: StoreSnapshot, rows: IndexArray, instants: Int64Array, *, with_lines: bool
) -> Iterator[tuple[Int64Array, Series]]:
    """The series that answers at ``instants`` (int64[q], strictly increasing) need, in parts, each with its instants.

    What lies between instants that are far apart is not read: a few batch starts of a year are a few looks into it.
    Without ``with_lines`` an answer is a sample next to its instant, and most others are left out.
    """
    tag_id = numpy_of(snapshot.tags.column("tag_id"), np.int32)[rows]
    low_us, high_us = int(instants[0]), int(instants[-1]) + 1
    per_us = reading.roughly(snapshot, np.sort(tag_id), low_us, high_us) / (high_us - low_us)
    # What is left out takes no memory.
    block = BLOCK_SAMPLES if with_lines else BLOCK_SAMPLES * LEFT_OUT
    for first, end in _runs(instants, per_us, (len(rows) * GAP_SAMPLES, block)):
        mine = instants[first:end]
        thin = None if with_lines else mine
        samples = reading.around(snapshot, tag_id, int(mine[0]), int(mine[-1]) + 1, next_to_us=thin)
        yield mine, _series(snapshot, rows, samples)


def _runs(instants: Int64Array, per_us: float, limits: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First and end of runs of instants; ``limits`` are the most samples in one gap and in one run."""
    sums = (instants - instants[0]) * per_us
    is_far = np.diff(sums, prepend=sums[:1]) > limits[0]
    is_full = np.diff(sums // limits[1], prepend=0.0) > 0
    firsts = np.union1d(np.flatnonzero(is_far | is_full), [0]).tolist()
    yield from zip(firsts, [*firsts[1:], len(instants)], strict=True)


def _cuts(estimate: FloatArray, limit: int) -> Iterator[tuple[int, int]]:
    """First and end of runs whose sums are at most ``limit``, or of one that is larger by itself."""
    sums = np.cumsum(estimate)
    first = 0
    while first < len(sums):
        before = sums[first - 1] if first else 0.0
        end = max(int(sums.searchsorted(before + limit, side="right")), first + 1)
        yield first, end
        first = end


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
