"""``interpolated``: values on a grid, where each tag has one; ``value_at``: at any instants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, IndexArray, Int64Array, Samples, concatenate
from historian.model.status import BAD_NO_DATA, INTERPOLATED
from historian.retrieval.described import described
from historian.retrieval.functions.arguments import choice
from historian.retrieval.functions.columns import AT_COLUMNS, INTERPOLATED_COLUMNS, TIME
from historian.retrieval.functions.reading import Reading, concatenated, times
from historian.retrieval.questions import interpolated as on_grid
from historian.retrieval.questions import value_at as at_instants
from historian.retrieval.questions.bounding import ValuesAt
from historian.retrieval.questions.lookup import every_tag
from historian.retrieval.series import Series
from storage.arrays import column

_NO_SAMPLE: Final = Samples(
    np.zeros(1, np.int32), np.zeros(1, np.int64), np.full(1, np.nan), np.full(1, BAD_NO_DATA, np.uint32)
)


def interpolated(reading: Reading, tags: object, start: object, end: object, step: object) -> pa.Table:
    """The value of each tag at the beginning of each step; columns as INTERPOLATED_COLUMNS, by tag and time.

    See :func:`historian.retrieval.questions.bounding.values_at` for what the value is.  Raises UsageError.
    """
    intervals = reading.intervals(start, end, step)
    grid = intervals.end_us if intervals.reverse else intervals.start_us
    low_us, high_us = int(grid.min()), int(grid.max()) + 1
    parts = [
        rows_on_grid(reading, series, rows, grid)
        for rows, series in reading.blocks(reading.rows(tags), low_us, high_us)
    ]
    return concatenated(parts, INTERPOLATED_COLUMNS)


def rows_on_grid(reading: Reading, series: Series, rows: IndexArray, grid_us: Int64Array) -> pa.Table:
    """The values of the tags at ``rows``, whose samples ``series`` are, at each of ``grid_us``; by tag and time."""
    found = on_grid.interpolated(series, grid_us)
    columns = {"tag": reading.names(rows[found.tag]), "time": times(found.time_us)}
    columns |= reading.values(series, rows, found)
    return pa.table(columns | {"interpolated": _is_interpolated(found)})


def _is_interpolated(found: ValuesAt) -> pa.Array:
    return column((found.status & np.uint32(INTERPOLATED)) == INTERPOLATED, pa.bool_())


def value_at(reading: Reading, calls: Sequence[Mapping[str, Any]]) -> list[pa.Table]:
    """What each tag was at instants, a table a call; columns as AT_COLUMNS, by tag and instant as they were given.

    Calls that ask for the same tags in the same way, as those of a join do, are answered together.  Raises UsageError.
    """
    asked = [(_key(call), _instants(reading, call["times"])) for call in calls]
    together: dict[str, list[int]] = {}
    for place, (key, _) in enumerate(asked):
        together.setdefault(key, []).append(place)
    answers: list[pa.Table] = [AT_COLUMNS.empty_table()] * len(calls)
    for places in together.values():
        first = calls[places[0]]
        tables = _at(reading, first["tags"], first.get("mode"), [asked[place][1] for place in places])
        for place, table in zip(places, tables, strict=True):
            answers[place] = table
    return answers


def _key(call: Mapping[str, Any]) -> str:
    return repr((call["tags"], call.get("mode")))


def _instants(reading: Reading, moments: object) -> Int64Array:
    """int64[q] of one time or of a list of them; without any, none."""
    many = moments if isinstance(moments, list | tuple) else [] if moments is None else [moments]
    return np.array([reading.instant_us("times", each) for each in many if each is not None], np.int64)


def _at(reading: Reading, tags: object, mode: object, asked: Sequence[Int64Array]) -> list[pa.Table]:
    """A table for each array of instants, all of the same tags."""
    way = choice("mode", "at_or_before" if mode is None else mode, at_instants.MODES)
    instants = np.unique(np.concatenate(asked)) if asked else np.empty(0, np.int64)
    rows = reading.rows(tags)
    if not len(instants):
        return [AT_COLUMNS.empty_table()] * len(asked)
    if len(instants) == 1 and way == "at_or_before":
        return [_newest(reading, rows, int(instants[0]))] * len(asked)
    parts, sizes = [], []
    for mine, series in reading.instants(rows, instants, with_lines=way == "interpolated"):
        parts.append(_values_at(reading, rows, series, mine, way))
        sizes.append(len(mine))
    table = pa.concat_tables(parts)
    if len(parts) == len(asked) == 1 and np.array_equal(asked[0], instants):
        return [table]
    return [table.take(_places(len(rows), sizes, instants.searchsorted(wanted))) for wanted in asked]


def _values_at(
    reading: Reading, rows: IndexArray, series: Series, instants: Int64Array, mode: at_instants.Mode
) -> pa.Table:
    """By tag and instant; columns as AT_COLUMNS."""
    place, at_us = every_tag(series, instants)
    found = at_instants.value_at(series, place, at_us, mode)
    missing: BoolArray = (found.row < 0) & (found.status == BAD_NO_DATA)
    columns = {
        "tag": reading.names(rows[found.tag]),
        "at": times(at_us),
        "time": column(found.time_us, TIME, missing=missing),
        **reading.values(series, rows, found),
        "interpolated": _is_interpolated(found),
    }
    return pa.table(columns).select(AT_COLUMNS.names)


def _newest(reading: Reading, rows: IndexArray, at_us: int) -> pa.Table:
    """The newest sample of each tag at or before one instant: found without what lies beside it."""
    tag_id = reading.tags.tag_id[rows]
    found = reading.ranges.at_or_before(reading.snapshot, np.sort(tag_id), at_us)
    place = found.tag_id.searchsorted(tag_id)
    known = np.isin(tag_id, found.tag_id)
    samples = concatenate([found, _NO_SAMPLE]).take(np.where(known, place, len(found)))
    columns = {
        "tag": reading.names(rows),
        "at": times(np.full(len(rows), at_us, np.int64)),
        "time": column(samples.time_us, TIME, missing=~known),
        **described(samples, rows, reading.tags),
        "interpolated": column(np.zeros(len(rows), np.bool_), pa.bool_()),
    }
    return pa.table(columns).select(AT_COLUMNS.names)


def _places(tags: int, sizes: Sequence[int], wanted: IndexArray) -> pa.Array:
    """Where the rows of instants stand, tag by tag; all are in parts of ``sizes`` instants, in each of them by tag."""
    size = np.repeat(sizes, sizes)
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = start * tags + np.arange(len(size)) - start
    rows = place[wanted] + np.arange(tags)[:, np.newaxis] * size[wanted]
    return column(rows.ravel().astype(np.int64), pa.int64())
