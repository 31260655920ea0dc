"""For each time of a grid, the samples next to it: what the values on the grid are made of.

Works along the grid, a part at a time.  Beyond a part's ends it looks for the nearest sample of each tag in windows
that grow, and remembers what it found, so that a tag with one sample a day is not searched for in every part.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, FloatArray, Int32Array, Int64Array
from historian.retrieval.connection import quoted
from historian.retrieval.history import Scope, sql_time
from historian.retrieval.query import ask
from storage.arrays import column, empty_table, numpy_of, present
from storage.columns import INT_TYPE

if TYPE_CHECKING:
    from historian.retrieval.wide_columns import WideColumn

GROWTH: Final = 16
"""How much wider the next window is when some tag had no sample in the last."""

_SPAN: Final = "select epoch_us(min(time)) as first_us, epoch_us(max(time)) as last_us from samples"

_NEAREST: Final = """
select place, {wanted}
from (select place, s.time, epoch_us(s.time) as time_us, value, value_int, value_text,
             quality = 'Bad' or (value is null and value_text is null) as bad, {cell} as cell
      from samples s join (select distinct tag, place from _versions) using (tag)
      where s.time >= '{start}' and s.time < '{end}' {only})
group by place, cell"""

_POINT: Final = pa.schema(
    [
        ("place", pa.int32()),
        ("time_us", pa.int64()),
        ("value", pa.float64()),
        ("bad", pa.bool_()),
        ("value_int", INT_TYPE),
        ("value_text", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Points:
    """Samples by tag and time, no two alike.

    ``place`` int32[n] of the tag among the scope's; ``time_us`` int64[n]; ``value`` float64[n], NaN without one;
    ``bad`` bool[n]: no value, because the status is Bad.  ``whole`` and ``text``: exact numbers and texts.
    """

    place: Int32Array
    time_us: Int64Array
    value: FloatArray
    bad: BoolArray
    whole: pa.Array
    text: pa.Array

    @classmethod
    def of(cls, table: pa.Table) -> Points:
        """The rows of ``table`` (columns as _POINT), sorted, each once."""
        place, time_us = numpy_of(table.column("place"), np.int32), numpy_of(table.column("time_us"), np.int64)
        order = np.lexsort((time_us, place))
        same = (np.diff(place[order]) == 0) & (np.diff(time_us[order]) == 0)
        rows = order[np.concatenate([np.ones(min(len(order), 1), np.bool_), ~same])]
        chosen = table.take(column(rows, pa.int64())).combine_chunks()
        value = np.where(present(chosen.column("value")), numpy_of(chosen.column("value"), np.float64), np.nan)
        whole, text = (_one_piece(chosen.column(name)) for name in ("value_int", "value_text"))
        return cls(place[rows], time_us[rows], value, numpy_of(chosen.column("bad"), np.bool_), whole, text)


def _one_piece(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks else pa.nulls(0, values.type)


class Reducer:
    """Reads what matters of a scope's samples for one part of a grid after the other, in the order of time."""

    def __init__(self, scope: Scope, columns: Sequence[WideColumn]) -> None:
        self._scope = scope
        self._first_us, self._last_us = sample_span(scope)
        self._before: pa.Table | None = None
        self._after = empty_table(_POINT)
        self._ended: set[int] = set()
        whole = any(pa.types.is_integer(wide.field.type) for wide in columns)
        text = any(pa.types.is_string(wide.field.type) for wide in columns)
        self._parts = ["time_us", "value", "bad"] + ["value_int"] * whole + ["value_text"] * text

    def around(self, start_us: int, step_us: int, rows: int) -> Points:
        """The samples that the values at ``start_us + k * step_us``, k below ``rows``, are made of."""
        end_us, width_us = start_us + rows * step_us, rows * step_us
        if self._before is None:
            self._before = self._backwards(start_us, width_us)
        inside = self._cells(start_us, end_us, step_us)
        self._after = _rows_where(self._after, numpy_of(self._after.column("time_us"), np.int64) >= end_us)
        self._after = pa.concat_tables([self._after, *self._forwards(end_us, width_us, inside, end_us - step_us)])
        points = pa.concat_tables([self._before, inside, self._after])
        self._before = _newest(points, end_us)
        return Points.of(points)

    def _cells(self, start_us: int, end_us: int, step_us: int) -> pa.Table:
        """The first and the last sample of each tag up to each grid time, after the grid time before it."""
        cell = f"(epoch_us(time) - ({start_us}) + {step_us - 1}) // {step_us}"
        return self._read(("min", "max"), start_us, end_us, cell=cell)

    def _backwards(self, start_us: int, width_us: int) -> pa.Table:
        """The newest sample of each tag before ``start_us``."""
        found: list[pa.Table] = []
        missing = set(range(len(self._scope.tags)))
        while missing and self._first_us is not None and start_us > self._first_us:
            begin_us = max(start_us - width_us, self._first_us)
            found.append(self._read(("max",), begin_us, start_us, missing))
            missing -= _places(found[-1])
            start_us, width_us = begin_us, width_us * GROWTH
        return pa.concat_tables([empty_table(_POINT), *found])

    def _forwards(self, end_us: int, width_us: int, inside: pa.Table, last_time_us: int) -> list[pa.Table]:
        """The oldest sample at or after ``end_us`` of each tag that has none yet behind the last grid time."""
        found: list[pa.Table] = []
        late = _rows_where(inside, numpy_of(inside.column("time_us"), np.int64) > last_time_us)
        missing = set(range(len(self._scope.tags))) - self._ended - _places(self._after) - _places(late)
        while missing and self._last_us is not None and end_us <= self._last_us:
            found.append(self._read(("min",), end_us, end_us + width_us, missing))
            missing -= _places(found[-1])
            end_us, width_us = end_us + width_us, width_us * GROWTH
        self._ended |= missing
        return found

    def _read(
        self,
        which: Sequence[str],
        start_us: int,
        end_us: int,
        places: AbstractSet[int] | None = None,
        *,
        cell: str = "0",
    ) -> pa.Table:
        """The oldest (min) and newest (max) samples of each tag and ``cell``, columns as _POINT."""
        wanted = [f"arg_{one}_null({part}, time) as {one}_{part}" for one in which for part in self._parts]
        some = places is not None and len(places) < len(self._scope.tags)
        only = (
            f"and tag in ({', '.join(quoted(self._scope.tags[place]) for place in sorted(places or ()))})"
            if some
            else ""
        )
        sql = _NEAREST.format(
            wanted=", ".join(wanted), cell=cell, start=sql_time(start_us), end=sql_time(end_us), only=only
        )
        rows = ask(self._scope.connection, sql).table()
        return pa.concat_tables([self._points(rows, one) for one in which])

    def _points(self, rows: pa.Table, which: str) -> pa.Table:
        columns = {"place": rows.column("place")} | {part: rows.column(f"{which}_{part}") for part in self._parts}
        filled = [
            columns[name].cast(type_) if name in columns else pa.chunked_array([pa.nulls(len(rows), type_)])
            for name, type_ in zip(_POINT.names, _POINT.types, strict=True)
        ]
        return pa.Table.from_arrays(filled, schema=_POINT)


def sample_span(scope: Scope) -> tuple[int | None, int | None]:
    """The times of the first and the last sample of the scope, microseconds; None without any."""
    (row,) = ask(scope.connection, _SPAN).table().to_pylist()
    return row["first_us"], row["last_us"]


def _rows_where(table: pa.Table, wanted: BoolArray) -> pa.Table:
    return table.take(column(np.flatnonzero(wanted), pa.int64()))


def _places(table: pa.Table) -> set[int]:
    return set(np.unique(numpy_of(table.column("place"), np.int32)).tolist())


def _newest(points: pa.Table, before_us: int) -> pa.Table:
    """Of each tag the newest row before ``before_us``."""
    earlier = _rows_where(points, numpy_of(points.column("time_us"), np.int64) < before_us)
    place = numpy_of(earlier.column("place"), np.int32)
    order = np.lexsort((numpy_of(earlier.column("time_us"), np.int64), place))
    is_last = np.concatenate([np.diff(place[order]) != 0, np.ones(min(len(order), 1), np.bool_)])
    return earlier.take(column(order[is_last], pa.int64()))
