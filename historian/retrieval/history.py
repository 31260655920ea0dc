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
import pyarrow.compute as pc

from historian.retrieval.connection import connect
from historian.retrieval.query import Answer, ask
from historian.retrieval.tag_selection import select_tags
from historian.retrieval.time_range import TimeRange, format_time
from storage.reader import StoreReader, StoreSnapshot

FIRST_US: Final = -62_135_596_800_000_000
LAST_US: Final = 253_402_300_799_000_000
"""The years 1 and 9999: before and after every sample."""

EVER: Final = TimeRange(FIRST_US, LAST_US)

_COLUMNS: Final = "s.tag, s.time, s.value, s.value_int, s.value_text, s.quality, s.status, v.units"

_SAMPLES: Final = f"""
select {_COLUMNS}
from samples s join _versions v on s.tag = v.tag
     and (v.since is null or s.time >= v.since) and (v.until is null or s.time < v.until)
where s.time >= '{{start}}' and s.time < '{{end}}'
order by v.place, s.time"""  # noqa: S608 - constants and times made from numbers


@dataclass(frozen=True, slots=True)
class Scope:
    """A connection whose views hold ``tags`` only.  ``metadata`` are their rows of the tag list, in the order of ``tags``."""

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
    connection = connect(narrow, time_zone=time_zone, extra={"_versions": _versions(reader.tag_versions(), tags)})
    try:
        yield Scope(connection, tuple(tags), narrow.tags, time_range, narrow.current)
    finally:
        connection.close()


def narrowed(snapshot: StoreSnapshot, tags: Sequence[str], time_range: TimeRange) -> StoreSnapshot:
    """``snapshot`` with these tags alone, in this order, and without the files that cannot hold their samples."""
    names = snapshot.tags.column("tag")
    rows = pc.index_in(pa.array(tags, pa.string()), value_set=names.combine_chunks())
    chosen = snapshot.tags.take(rows)
    numbers = np.sort(chosen.column("tag_id").to_numpy())
    files = tuple(
        file
        for file in snapshot.files
        if file.first_us < time_range.end_us
        and file.last_us >= time_range.start_us
        and np.searchsorted(numbers, file.first_tag) < np.searchsorted(numbers, file.last_tag, side="right")
    )
    current = snapshot.current.filter(pc.is_in(snapshot.current.column("tag_id"), value_set=pa.array(numbers)))
    return replace(snapshot, tags=chosen, files=files, current=current)


def _versions(versions: pa.Table, tags: Sequence[str]) -> pa.Table:
    """Units of each tag by time: columns tag, place (in ``tags``), units, since, until (null: for ever)."""
    place = pc.index_in(versions.column("tag"), value_set=pa.array(tags, pa.string()))
    chosen = versions.append_column("place", place).filter(pc.is_valid(place))
    # Samples from before the first version (imported ones) have its units too.
    first = pc.equal(chosen.column("version"), 1)
    since = pc.if_else(first, pa.scalar(None, chosen.schema.field("valid_from").type), chosen.column("valid_from"))
    columns = {name: chosen.column(name) for name in ("tag", "place", "units")}
    return pa.table({**columns, "since": since, "until": chosen.column("valid_to")})


def samples_in(scope: Scope, time_range: TimeRange | None = None) -> Answer:
    """The scope's samples as tag, time, value, value_int, value_text, quality, status, units; by tag and time."""
    span = time_range or scope.time_range
    return ask(scope.connection, _SAMPLES.format(start=sql_time(span.start_us), end=sql_time(span.end_us)))


def sql_time(time_us: int) -> str:
    """A time as the text of a literal of SQL, which is the same in every session's zone."""
    return format_time(time_us).replace("Z", "+00")
