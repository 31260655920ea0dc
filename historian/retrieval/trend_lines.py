"""What a plot draws: of each pixel column the first, last, smallest and largest value (M4), broken where Bad.

Those four with their times give the same pixels as all samples would (Jugel et al., "M4: A Visualization-Oriented Time
Series Data Aggregation", PVLDB 7, 2014), so a year is drawn from as few points as an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, FloatArray, Int64Array
from historian.retrieval.history import Scope, sql_time
from historian.retrieval.query import ask
from historian.retrieval.time_range import TimeRange
from historian.retrieval.wide import Grid, data_ends, read_wide
from historian.retrieval.wide_columns import WideColumn, wide_columns
from storage.arrays import numpy_of, present

_M4: Final = """
with points as (
    select place, s.time, value, quality = 'Bad' or value is null as bad,
           (epoch_us(s.time) - ({start_us})) // {width_us} as cell
    from samples s join (select distinct tag, place from _versions) using (tag)
    where s.time >= '{start}' and s.time < '{end}'),
cells as (
    select place, bad, min(time) as t1, max(time) as t2, arg_min(time, value) as t3, arg_max(time, value) as t4,
           arg_min_null(value, time) as v1, arg_max_null(value, time) as v2, min(value) as v3, max(value) as v4
    from points group by place, cell, bad)
select distinct place, bad, epoch_us(time) as time_us, value
from (select place, bad, unnest([t1, t2, t3, t4]) as time, unnest([v1, v2, v3, v4]) as value from cells)
where time is not null
order by place, time_us, bad"""


@dataclass(frozen=True, slots=True)
class Piece:
    """One unbroken part of a line: ``time_us`` int64[n] ascending, ``value`` float64[n]."""

    time_us: Int64Array
    value: FloatArray


@dataclass(frozen=True, slots=True)
class TrendLine:
    """A tag as it is drawn.  ``is_step``: its value holds until the next point."""

    tag: str
    units: str
    is_step: bool
    pieces: tuple[Piece, ...]

    @property
    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest value; None when nothing is drawn."""
        if not self.pieces:
            return None
        return min(float(piece.value.min()) for piece in self.pieces), max(
            float(piece.value.max()) for piece in self.pieces
        )


def read_trend(scope: Scope, span: TimeRange, columns: int) -> list[TrendLine]:
    """The lines of the scope's tags over ``span``, for a picture ``columns`` pixels wide."""
    width_us = max(-(-(span.end_us - span.start_us) // columns), 1)
    sql = _M4.format(
        start=sql_time(span.start_us), end=sql_time(span.end_us), start_us=span.start_us, width_us=width_us
    )
    rows = ask(scope.connection, sql).table()
    place, bad = numpy_of(rows.column("place"), np.int32), numpy_of(rows.column("bad"), np.bool_)
    time_us = numpy_of(rows.column("time_us"), np.int64)
    value = np.where(present(rows.column("value")), numpy_of(rows.column("value"), np.float64), np.nan)
    wides, edges = wide_columns(scope.metadata), _edges(scope, span)
    lines = []
    for number, wide in enumerate(wides):
        low, high = np.searchsorted(place, [number, number + 1])
        inside = time_us[low:high], value[low:high], bad[low:high]
        times, values, breaks = _with_edges(inside, edges[number], span, _known_until(scope, wide, time_us[low:high]))
        units = str((wide.field.metadata or {}).get(b"units", b"").decode())
        lines.append(TrendLine(wide.tag, units, not wide.is_line, tuple(_pieces(times, values, breaks))))
    return lines


def _edges(scope: Scope, span: TimeRange) -> list[tuple[float, float]]:
    """Of each tag the values at the start and at the very end of the range; NaN for none."""
    grid = Grid(span.start_us, max(span.end_us - span.start_us - 1, 1), 2)
    batch = pa.Table.from_batches(list(read_wide(scope, wide_columns(scope.metadata), grid)))
    return [_two_numbers(values) for values in batch.columns[1:]]


def _two_numbers(values: pa.ChunkedArray) -> tuple[float, float]:
    first, last = (np.nan if value is None or isinstance(value, str) else float(value) for value in values.to_pylist())
    return first, last


def _known_until(scope: Scope, wide: WideColumn, times: Int64Array) -> int:
    return max(data_ends(scope).get(wide.tag_id, 0), int(times[-1]) if len(times) else 0)


def _with_edges(
    inside: tuple[Int64Array, FloatArray, BoolArray], edge: tuple[float, float], span: TimeRange, known_us: int
) -> tuple[Int64Array, FloatArray, BoolArray]:
    """The points with those on the edges of the range: on the line there, or held as far as the value is known."""
    times, values, bad = inside
    if not np.isnan(edge[0]) and not (len(times) and times[0] == span.start_us):
        times, values, bad = (
            np.insert(times, 0, span.start_us),
            np.insert(values, 0, edge[0]),
            np.insert(bad, 0, values=False),
        )
    if not len(times) or bad[-1]:
        return times, values, bad
    end_us = span.end_us - 1 if not np.isnan(edge[1]) else min(known_us, span.end_us - 1)
    last = edge[1] if not np.isnan(edge[1]) else values[-1]
    if end_us > times[-1]:
        times, values, bad = np.append(times, end_us), np.append(values, last), np.append(bad, values=False)
    return times, values, bad


def _pieces(times: Int64Array, values: FloatArray, bad: BoolArray) -> list[Piece]:
    """The runs between Bad points; each holds its last value up to the Bad one, as a simple bounding value does."""
    pieces = []
    for run in np.split(np.arange(len(times)), np.flatnonzero(np.diff(bad.astype(np.int8))) + 1):
        if len(run) and not bad[run[0]]:
            until = run[-1] + 1
            held = until < len(times)
            pieces.append(
                Piece(
                    np.append(times[run], times[until]) if held else times[run],
                    np.append(values[run], values[run[-1]]) if held else values[run],
                )
            )
    return pieces
