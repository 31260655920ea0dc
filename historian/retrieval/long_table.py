"""The stored samples of some tags as a table in long form: what ``history`` gives.

The columns are those of :data:`historian.retrieval.history.LONG_SCHEMA`, made from arrays, without asking DuckDB: of
an hour of one tag its planning would take ten times as long as the rest.  A test compares both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.samples import IndexArray, Int64Array, Samples
from historian.retrieval.described import TagTexts, described, runs_of
from historian.retrieval.history import LONG_SCHEMA
from historian.retrieval.time_range import TimeRange
from storage.arrays import chosen_texts, column, numpy_of
from storage.parts import starts_of
from storage.ranges import RangeReader
from storage.reader import StoreSnapshot

VersionsOf: TypeAlias = Callable[[Sequence[int]], pa.Table]
"""As :meth:`storage.reader.StoreReader.tag_versions`."""


def read_history(
    reading: RangeReader, snapshot: StoreSnapshot, tags: TagTexts, rows: IndexArray, span: TimeRange
) -> tuple[Samples, IndexArray]:
    """The samples of the tags at ``rows`` in ``span``: by tag, in that order, and time; and the row of each's tag."""
    tag_id = tags.tag_id[rows]
    samples = reading.between(snapshot, tag_id, span.start_us, span.end_us)
    return samples, np.repeat(rows, np.diff(starts_of(samples, tag_id)))


def long_table(samples: Samples, rows: IndexArray, tags: TagTexts, versions_of: VersionsOf, time_zone: str) -> pa.Table:
    """``samples`` in long form, in their order; ``rows`` intp[n] are those of their tags in ``tags``."""
    columns = described(samples, rows, tags)
    columns["tag"] = tags.names_of(rows)
    columns["time"] = column(samples.time_us, pa.timestamp("us", tz=time_zone))
    columns["units"] = _units(samples.time_us, runs_of(rows), tags, versions_of)
    return pa.table({name: columns[name] for name in LONG_SCHEMA.names})


def _units(
    time_us: Int64Array, used: tuple[IndexArray, IndexArray], tags: TagTexts, versions_of: VersionsOf
) -> pa.Array:
    """The units that the tag of each sample had at its time; before its first version those of the first."""
    rows, place = used
    table = tags.table
    units = table.column("units").take(column(rows.astype(np.int64), pa.int64())).to_pylist()
    changed = rows[numpy_of(table.column("version"), np.int32)[rows] > 1]
    if not len(changed):
        return chosen_texts(units, place)
    versions = versions_of(tags.tag_id[changed].tolist())
    chosen = place.copy()
    holders = numpy_of(versions.column("tag_id"), np.int32)
    since_us, texts = numpy_of(versions.column("valid_from"), np.int64), versions.column("units").to_pylist()
    for each in np.flatnonzero(np.isin(rows, changed)).tolist():
        mine = np.flatnonzero(holders == tags.tag_id[rows[each]])
        samples = np.flatnonzero(place == each)
        version = since_us[mine[1:]].searchsorted(time_us[samples], side="right")
        chosen[samples] = len(units) + version
        units += [texts[row] for row in mine.tolist()]
    return chosen_texts(units, chosen)
