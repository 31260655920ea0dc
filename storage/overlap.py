"""Samples that are there twice: the same tag and time in two places whose ranges overlap.

Works on keys only, one row group against another, so that memory does not grow with the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.model.samples import BoolArray, Int32Array, Int64Array
from storage.arrays import numpy_of
from storage.columns import times_us


class Keys(NamedTuple):
    """Tag and time of samples, int32[n] and int64[n]."""

    tag_id: Int32Array
    time_us: Int64Array


class Chunk(NamedTuple):
    """A part of a place that is read at once: its ranges (inclusive), and how its keys are read."""

    number: int
    rows: int
    first_tag: int
    last_tag: int
    first_us: int
    last_us: int
    load: Callable[[], Keys]


@dataclass(frozen=True, slots=True)
class Holding:
    """A place with samples: a file, or the buffer."""

    name: str
    chunks: tuple[Chunk, ...]

    @property
    def first_us(self) -> int:
        """Time of its oldest sample."""
        return min(chunk.first_us for chunk in self.chunks)

    @property
    def last_us(self) -> int:
        """Time of its newest sample."""
        return max(chunk.last_us for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Double:
    """``count`` samples of chunk ``chunk`` of ``here`` that are in ``there`` too; the first of them."""

    here: str
    chunk: int
    there: str
    count: int
    tag_id: int
    time_us: int


Pair: TypeAlias = tuple[Holding, Holding]


def keys_of(table: pa.Table) -> Keys:
    """The keys of a table of samples."""
    return Keys(numpy_of(table.column("tag_id"), np.int32), times_us(table))


def chunk_of(number: int, keys: Keys) -> Chunk:
    """Keys (at least one) that are in memory anyway."""
    return Chunk(
        number, len(keys.tag_id), int(keys.tag_id.min()), int(keys.tag_id.max()), int(keys.time_us.min()),
        int(keys.time_us.max()), lambda: keys,
    )  # fmt: skip


@lru_cache(maxsize=16)
def read_keys(path: Path, row_group: int) -> Keys:
    """The keys of one row group of a file that never changes; the last few are kept."""
    with pq.ParquetFile(path) as file:
        return keys_of(file.read_row_group(row_group, columns=["tag_id", "time"], use_threads=False))


def find_doubles(holdings: Sequence[Holding], compared: Callable[[], None] = lambda: None) -> Iterator[Double]:
    """Every pair of chunks of different holdings that share samples.  ``compared`` is called after each holding."""
    active: list[Holding] = []
    for holding in sorted((each for each in holdings if each.chunks), key=lambda each: each.first_us):
        active = [each for each in active if each.last_us >= holding.first_us]
        for earlier in active:
            yield from _doubles(earlier, holding)
        active.append(holding)
        compared()


def _doubles(one: Holding, other: Holding) -> Iterator[Double]:
    for chunk in one.chunks:
        for second in other.chunks:
            if _may_share(chunk, second):
                both = _shared(chunk, second)
                if len(both.tag_id):
                    yield Double(
                        one.name, chunk.number, other.name, len(both.tag_id), int(both.tag_id[0]), int(both.time_us[0])
                    )


def _may_share(one: Chunk, other: Chunk) -> bool:
    return (
        one.first_tag <= other.last_tag
        and other.first_tag <= one.last_tag
        and one.first_us <= other.last_us
        and other.first_us <= one.last_us
    )


def _shared(one: Chunk, other: Chunk) -> Keys:
    """The keys that both have, by tag and time."""
    mine, theirs = _inside(one, other), _inside(other, one)
    tag_id = np.concatenate([mine.tag_id, theirs.tag_id])
    time_us = np.concatenate([mine.time_us, theirs.time_us])
    origin = np.repeat([False, True], [len(mine.tag_id), len(theirs.tag_id)])
    order = np.lexsort((origin, time_us, tag_id))
    tag_id, time_us, origin = tag_id[order], time_us[order], origin[order]
    twice = (tag_id[1:] == tag_id[:-1]) & (time_us[1:] == time_us[:-1]) & (origin[1:] != origin[:-1])
    return Keys(tag_id[1:][twice], time_us[1:][twice])


def _inside(chunk: Chunk, bounds: Chunk) -> Keys:
    keys = chunk.load()
    rows: BoolArray = (
        (keys.time_us >= bounds.first_us)
        & (keys.time_us <= bounds.last_us)
        & (keys.tag_id >= bounds.first_tag)
        & (keys.tag_id <= bounds.last_tag)
    )
    return Keys(keys.tag_id[rows], keys.time_us[rows])


def known_before(keys: Keys, holdings: Sequence[Holding]) -> BoolArray:
    """bool[n]: this sample is in one of ``holdings`` already."""
    known = np.zeros(len(keys.tag_id), np.bool_)
    if not len(known):
        return known
    mine = chunk_of(0, keys)
    for holding in holdings:
        for chunk in holding.chunks:
            if _may_share(chunk, mine):
                known |= _is_among(keys, _inside(chunk, mine))
    return known


def _is_among(keys: Keys, others: Keys) -> BoolArray:
    tag_id = np.concatenate([others.tag_id, keys.tag_id])
    time_us = np.concatenate([others.time_us, keys.time_us])
    own = np.repeat([False, True], [len(others.tag_id), len(keys.tag_id)])
    order = np.lexsort((own, time_us, tag_id))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(tag_id[order]) != 0) | (np.diff(time_us[order]) != 0)
    # The first of each run of equal keys is one of the others, where there is one.
    run = np.cumsum(begins) - 1
    has_other = ~own[order][begins]
    among = np.empty(len(order), np.bool_)
    among[order] = has_other[run]
    return among[len(others.tag_id) :]
