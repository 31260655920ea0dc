"""What is known now of each tag beyond what was stored: its newest sample, and the samples held back.

One row of ``current_group`` for each scan group of the running configuration, replaced with every commit.  Group -1
holds the newest samples from before this run, when other groups may have had the numbers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.commit import CurrentSamples
from historian.model.samples import BoolArray, IndexArray, Samples, concatenate
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA
from storage import buffer
from storage.arrays import column, numpy_of
from storage.columns import SAMPLE_SCHEMA, TIME_TYPE, complete, to_batch, to_samples

NO_GROUP: Final = -1

CURRENT_SCHEMA: Final = pa.schema(
    [
        *SAMPLE_SCHEMA,
        pa.field("last_scan", TIME_TYPE),
    ]
)
"""Of the newest sample of each tag, as readers get it; ``last_scan`` is null for a tag that never answered."""


def encode(current: CurrentSamples) -> bytes:
    """A group as an Arrow IPC stream: the columns of the archive, and ``newest``, ``pending``, ``last_scan_us``."""
    batch = to_batch(current.samples)
    batch = batch.append_column("newest", column(current.newest, pa.bool_()))
    batch = batch.append_column("pending", column(current.pending, pa.bool_()))
    return buffer.encode(batch.append_column("last_scan_us", column(current.last_scan_us, pa.int64())))


def decode(group: int, blob: bytes) -> CurrentSamples:
    """The way back.  Raises CorruptionError, which names the group."""
    table = buffer.decode(blob, f"what is known of group {group}")
    return CurrentSamples(
        to_samples(table),
        numpy_of(table.column("newest"), np.bool_),
        numpy_of(table.column("pending"), np.bool_),
        numpy_of(table.column("last_scan_us"), np.int64),
    )


def replace(connection: sqlite3.Connection, groups: Iterable[tuple[int, bytes]]) -> None:
    """Put new samples in the place of those of the same groups."""
    connection.executemany("insert or replace into current_group (group_number, samples) values (?, ?)", groups)


def collapse(connection: sqlite3.Connection, newest: CurrentSamples) -> None:
    """Leave one row, group -1, so that the numbers of all groups are free for the next run."""
    connection.execute("delete from current_group")
    replace(connection, [(NO_GROUP, encode(newest))])


def read(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    """All groups, NO_GROUP first."""
    return connection.execute("select group_number, samples from current_group order by group_number").fetchall()


def merge(groups: Sequence[CurrentSamples]) -> CurrentSamples:
    """The rows of all groups one after the other."""
    if not groups:
        empty = np.empty(0, np.bool_)
        return CurrentSamples(Samples.empty(), empty, empty.copy(), np.empty(0, np.int64))
    return CurrentSamples(
        concatenate([group.samples for group in groups]),
        np.concatenate([group.newest for group in groups]),
        np.concatenate([group.pending for group in groups]),
        np.concatenate([group.last_scan_us for group in groups]),
    )


def take(current: CurrentSamples, rows: IndexArray) -> CurrentSamples:
    """The rows ``rows``, in that order."""
    return CurrentSamples(
        current.samples.take(rows), current.newest[rows], current.pending[rows], current.last_scan_us[rows]
    )


def pending(current: CurrentSamples) -> Samples:
    """The samples that are not stored yet."""
    return current.samples.take(np.flatnonzero(current.pending))


def newest(current: CurrentSamples) -> CurrentSamples:
    """One row a tag, by tag_id: its newest sample over all groups; of equal times that of the later group.

    ``last_scan_us`` is the latest of all the tag's rows.
    """
    rows = np.flatnonzero(current.newest)
    tag_id, time_us = current.samples.tag_id[rows], current.samples.time_us[rows]
    # A tag that waits for its first answer knows less than any sample of it from before.
    order = np.lexsort((rows, time_us, ~never_sampled(current)[rows], tag_id))
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = tag_id[order][1:] != tag_id[order][:-1]
    chosen = take(current, rows[order[is_last]])
    scans = chosen.last_scan_us.copy()
    np.maximum.at(scans, np.searchsorted(chosen.samples.tag_id, tag_id), current.last_scan_us[rows])
    return CurrentSamples(chosen.samples, chosen.newest, chosen.pending, scans)


def never_sampled(current: CurrentSamples) -> BoolArray:
    """True for rows that only say that a tag waits for its first answer: shown to people, never stored."""
    waiting: BoolArray = current.samples.status == BAD_WAITING_FOR_INITIAL_DATA
    never_answered: BoolArray = current.last_scan_us == 0
    return waiting & never_answered & ~current.pending


def to_table(current: CurrentSamples) -> pa.Table:
    """The columns of CURRENT_SCHEMA."""
    table = complete(pa.Table.from_batches([to_batch(current.samples)]))
    never = current.last_scan_us == 0
    scans = column(current.last_scan_us, TIME_TYPE, missing=never)
    return table.append_column(CURRENT_SCHEMA.field("last_scan"), scans)
