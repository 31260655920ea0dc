"""The stored samples of some tags in a range of time, in long form: what ``history`` gives and exports write.

A scope narrows the store first, by what the catalogue knows of each file, and by its list of tags; so the views over it
read only files that can hold an answer, and in those only the row groups of its tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from historian.model.samples import Int32Array
from historian.retrieval.connection import connect, quoted
from historian.retrieval.query import Answer, ask
from historian.retrieval.tag_selection import select_tags
from historian.retrieval.time_range import TimeRange, format_time
from storage.arrays import column, numpy_of
from storage.columns import INT_TYPE, TIME_TYPE
from storage.reader import StoreReader, StoreSnapshot

FIRST_US: Final = -62_135_596_800_000_000
LAST_US: Final = 253_402_300_799_000_000
"""The years 1 and 9999: before and after every sample."""

LONG_SCHEMA: Final = pa.schema(
    [
        ("tag", pa.string()),
        ("time", TIME_TYPE),
        ("value", pa.float64()),
        ("value_int", INT_TYPE),
        ("value_text", pa.string()),
        ("quality", pa.string()),
        ("status", pa.string()),
        ("units", pa.string()),
    ]
)
"""Samples in long form."""

EVER: Final = TimeRange(FIRST_US, LAST_US)

_COLUMNS: Final = "s.tag, s.time, s.value, s.value_int, s.value_text, s.quality, s.status, v.units"

_SAMPLES: Final = f"""
select {_COLUMNS}
from samples s join _versions v on s.tag = v.tag
     and (v.since is null or s.time >= v.since) and (v.until is null or s.time < v.until)
where s.time >= '{{start}}' and s.time < '{{end}}' {{only}}
order by v.place, s.time"""  # noqa: S608 - constants and times made from numbers


@dataclass(frozen=True, slots=True)
class Scope:
    """A connection whose views hold ``tags`` only; ``metadata`` are their rows of the tag list, in the same order."""

    connection: duckdb.DuckDBPyConnection
    tags: tuple[str, ...]
    metadata: pa.Table
    time_range: TimeRange
    current: pa.Table


@contextmanager
def open_scope(
    reader: StoreReader, wanted: Sequence[str], time_range: TimeRange = EVER, *, time_zone: str = "UTC"
) -> Iterator[Scope]:
    """A scope of the tags that ``wanted`` (names and patterns) means and the files that overlap ``time_range``.

    Raises UsageError when a name or a pattern means no tag.
    """
    snapshot = reader.snapshot()
    tags = select_tags(wanted, snapshot.tags.column("tag").to_pylist())
    narrow = narrowed(snapshot, tags, time_range)
    versions = _versions(reader.tag_versions(narrow.tags.column("tag_id").to_pylist()), narrow.tags)
    connection = connect(narrow, time_zone=time_zone, extra={"_versions": versions})
    try:
        yield Scope(connection, tuple(tags), narrow.tags, time_range, narrow.current)
    finally:
        connection.close()


def narrowed(snapshot: StoreSnapshot, tags: Sequence[str], time_range: TimeRange) -> StoreSnapshot:
    """``snapshot`` with these tags alone, in this order, and without the files that cannot hold their samples."""
    rows = {tag: row for row, tag in enumerate(snapshot.tags.column("tag").to_pylist())}
    chosen = snapshot.tags.take(column(np.array([rows[tag] for tag in tags], np.int64), pa.int64()))
    numbers = np.sort(numpy_of(chosen.column("tag_id"), np.int32))
    files = tuple(
        file
        for file in snapshot.files
        if file.first_us < time_range.end_us
        and file.last_us >= time_range.start_us
        and np.searchsorted(numbers, file.first_tag) < np.searchsorted(numbers, file.last_tag, side="right")
    )
    current, edits = _of_tags(snapshot.current, numbers), _of_tags(snapshot.edits, numbers)
    return replace(snapshot, tags=chosen, files=files, current=current, edits=edits)


def _of_tags(table: pa.Table, numbers: Int32Array) -> pa.Table:
    kept = np.flatnonzero(np.isin(numpy_of(table.column("tag_id"), np.int32), numbers))
    return table.take(column(kept, pa.int64())) if len(kept) < len(table) else table


def _versions(versions: pa.Table, tags: pa.Table) -> pa.Table:
    """Units of ``tags`` by time, from ``versions``: columns tag, place (in ``tags``), units, since, until (null: ever).

    By their numbers, because a tag may have had another name.
    """
    places = {tag_id: place for place, tag_id in enumerate(tags.column("tag_id").to_pylist())}
    place = np.array([places[tag_id] for tag_id in versions.column("tag_id").to_pylist()], np.int64)
    # Samples from before the first version (imported ones) have its units too.
    since = numpy_of(versions.column("valid_from"), np.int64)
    first = numpy_of(versions.column("version"), np.int32) == 1
    columns = [
        tags.column("tag").take(column(place, pa.int64())),
        column(place.astype(np.int32), pa.int32()),
        versions.column("units"),
        column(since, TIME_TYPE, missing=first),
        versions.column("valid_to"),
    ]
    return pa.Table.from_arrays(columns, names=["tag", "place", "units", "since", "until"])


def samples_in(scope: Scope) -> Answer:
    """The scope's samples as tag, time, value, value_int, value_text, quality, status, units; by tag and time."""
    return ask(scope.connection, samples_sql(scope.time_range))


def samples_sql(span: TimeRange, tags: Sequence[str] | None = None) -> str:
    """The query for the samples in ``span`` of all the scope's tags, or of ``tags`` among them."""
    only = "" if tags is None else f"and s.tag in ({', '.join(map(quoted, tags))})"
    return _SAMPLES.format(start=sql_time(span.start_us), end=sql_time(span.end_us), only=only)


def sql_time(time_us: int) -> str:
    """A time as the text of a literal of SQL, which is the same in every session's zone."""
    return format_time(time_us).replace("Z", "+00")
