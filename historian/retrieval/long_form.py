"""Long exports: every sample of some tags, by tag and time, in slices that fit into memory.

Sorting all of it at once would need room for all of it.  So the samples are counted first, a cheap scan of two columns,
then fetched a slice at a time: some tags together, or a piece of one tag's time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from historian.retrieval.history import Scope, samples_sql, sql_time
from historian.retrieval.query import ask
from historian.retrieval.time_range import TimeRange

SLICE_ROWS: Final = 500_000
"""Rows sorted at once: about 100 MB with texts, and long enough that the planning of a slice does not show."""

_COUNTS: Final = """
select s.tag, count(*) as rows, epoch_us(min(s.time)) as first_us, epoch_us(max(s.time)) as last_us
from samples s where s.time >= '{start}' and s.time < '{end}' group by s.tag"""


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many samples a tag has, and the times of its first and last, both inclusive."""

    tag: str
    rows: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Some tags and a range of time: one sort."""

    tags: tuple[str, ...]
    time_range: TimeRange


def count_samples(scope: Scope) -> list[TagCount]:
    """The tags of ``scope`` that have samples in its range, in the scope's order."""
    span = scope.time_range
    rows = ask(scope.connection, _COUNTS.format(start=sql_time(span.start_us), end=sql_time(span.end_us))).table()
    found = {row["tag"]: TagCount(**row) for row in rows.to_pylist()}
    return [found[tag] for tag in scope.tags if tag in found]


def make_slices(counts: Sequence[TagCount], limit: int = SLICE_ROWS) -> Iterator[Slice]:
    """Slices of about ``limit`` rows, in the order of ``counts`` and of time."""
    waiting: list[TagCount] = []
    for count in counts:
        if waiting and sum(one.rows for one in waiting) + count.rows > limit:
            yield _together(waiting)
            waiting = []
        if count.rows > limit:
            yield from _pieces(count, limit)
        else:
            waiting.append(count)
    if waiting:
        yield _together(waiting)


def _together(counts: Sequence[TagCount]) -> Slice:
    span = TimeRange(min(one.first_us for one in counts), max(one.last_us for one in counts) + 1)
    return Slice(tuple(one.tag for one in counts), span)


def _pieces(count: TagCount, limit: int) -> Iterator[Slice]:
    """Equal pieces of time, as many as an even spread needs; a denser piece is only more to sort."""
    number = -(-count.rows // limit)
    width = max(-(-(count.last_us + 1 - count.first_us) // number), 1)
    for start_us in range(count.first_us, count.last_us + 1, width):
        yield Slice((count.tag,), TimeRange(start_us, min(start_us + width, count.last_us + 1)))


def read_slices(scope: Scope, slices: Iterator[Slice]) -> Iterator[pa.RecordBatch]:
    """The samples of all slices, columns as :func:`historian.retrieval.history.samples_in`."""
    for piece in slices:
        yield from ask(scope.connection, samples_sql(piece.time_range, piece.tags)).batches
