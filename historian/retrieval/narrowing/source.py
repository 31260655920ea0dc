"""What DuckDB reads for ``samples`` in one query: rows that were read for it, or a few files of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import duckdb
import pyarrow as pa

from historian.model.samples import Int32Array
from historian.retrieval.connection import register
from historian.retrieval.described import described
from historian.retrieval.functions.reading import Reading
from historian.retrieval.history import FIRST_US, LAST_US, sql_time
from historian.retrieval.narrowing.extent import Extent
from historian.retrieval.views import SAMPLES_COLUMNS, OneTag, literal, samples_select
from storage.arrays import column
from storage.columns import TIME_TYPE

OWN_ROWS: Final = 500_000
"""Up to so many rows are read here: DuckDB takes 3 ms to find its way into files, and a row takes 0.1 us then.  More
rows are read by DuckDB from the files that can have some, with all processors and only the columns it needs."""

NAMED_TAGS: Final = 1000
"""So many tags stand in the text of a query at most."""

_ROWS: Final = "_touched_rows"
_FILES: Final = "_touched_files"


def provide(
    connection: duckdb.DuckDBPyConnection, reading: Reading, extent: Extent, names: frozenset[str] | None
) -> str | None:
    """A query for what of ``samples`` is in ``extent``; None where that is no gain.

    ``names`` are those of the columns that the query can use, None for all.  Raises CorruptionError.
    """
    tag_id = reading.tags.tag_id if extent.rows is None else reading.tags.tag_id[extent.rows]
    if reading.ranges.is_quick(reading.snapshot, tag_id, extent.start_us, extent.end_us, OWN_ROWS):
        table, constants = _rows(reading, tag_id, extent, names)
        register(connection, _ROWS, table)
        wanted = [f"{constants[name]} as {name}" if name in constants else name for name in _wanted(names)]
        return f"select {', '.join(wanted)} from {_ROWS}"  # noqa: S608 - our own columns, and names as literals
    files = reading.ranges.files(reading.snapshot, tag_id, extent.start_us, extent.end_us)
    if extent.rows is None and len(files) == len(reading.snapshot.files):
        return None
    only = _one_tag(reading, extent)
    text = samples_select(replace(reading.snapshot, files=files), _where(tag_id, extent), only)
    connection.execute(f"create or replace temp view {_FILES} as {text}")
    return f"from {_FILES}"


def _wanted(names: frozenset[str] | None) -> list[str]:
    return [name for name in SAMPLES_COLUMNS if names is None or name in names] or ["time"]


def _one_tag(reading: Reading, extent: Extent) -> OneTag | None:
    """The only tag there is, unless it has an enumeration."""
    if extent.rows is None or len(extent.rows) != 1 or int(extent.rows[0]) in reading.tags.states:
        return None
    row = int(extent.rows[0])
    return OneTag(reading.tags.names[row], bool(reading.tags.is_whole[row]))


def _rows(
    reading: Reading, tag_id: Int32Array, extent: Extent, names: frozenset[str] | None
) -> tuple[pa.Table, Mapping[str, str]]:
    """The rows, without the name of the tag where there is one tag, which is the other answer: literals by column.

    DuckDB works out conditions on a literal while it plans; to make and compare 20,000 equal texts takes 1 ms.
    """
    samples = reading.ranges.between(reading.snapshot, tag_id, extent.start_us, extent.end_us)
    rows = reading.tags.rows_of(samples.tag_id)
    wanted = _wanted(names)
    columns = described(samples, rows, reading.tags, wanted)
    columns["time"] = column(samples.time_us, TIME_TYPE)
    constants = {}
    if len(tag_id) == 1:
        constants["tag"] = literal(reading.tags.names[int(reading.tags.rows_of(tag_id)[0])])
    elif "tag" in wanted:
        columns["tag"] = reading.tags.names_of(rows)
    kept = [name for name in wanted if name in columns] or ["time"]
    return pa.table({name: columns[name] for name in kept}), constants


def _where(tag_id: Int32Array, extent: Extent) -> str:
    """The conditions are repeated where the rows are read: they do not find their way through all joins."""
    parts = []
    if extent.rows is not None and len(tag_id) <= NAMED_TAGS:
        parts.append(f"tag_id in ({', '.join(map(str, tag_id.tolist())) or 'null'})")
    if extent.start_us > FIRST_US:
        parts.append(f"time >= '{sql_time(extent.start_us)}'")
    if extent.end_us < LAST_US:
        parts.append(f"time < '{sql_time(extent.end_us)}'")
    return " and ".join(parts) or "true"
