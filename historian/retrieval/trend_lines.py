"""What a plot draws: of each pixel column the first, last, smallest and largest value (M4), broken where Bad.

Those four with their times give the same pixels as all samples would (Jugel et al., "M4: A Visualization-Oriented Time
Series Data Aggregation", PVLDB 7, 2014), so a year is drawn from as few points as an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.retrieval.functions.reading import Reading
from historian.retrieval.questions.interpolated import interpolated
from historian.retrieval.questions.plot import plot
from historian.retrieval.series import Series
from historian.retrieval.time_range import TimeRange


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


def read_trend(reading: Reading, rows: IndexArray, span: TimeRange, columns: int) -> list[TrendLine]:
    """The lines of the tags at ``rows`` over ``span``, for a picture ``columns`` pixels wide."""
    lines: list[TrendLine] = []
    for some, series in reading.blocks(rows, span.start_us, span.end_us):
        told = reading.tag_rows(some)
        pieces = _lines(series, span, columns)
        lines += [
            TrendLine(str(tag["tag"]), str(tag["units"] or ""), bool(stepped), parts)
            for tag, stepped, parts in zip(told, series.stepped.tolist(), pieces, strict=True)
        ]
    return lines


def _lines(series: Series, span: TimeRange, columns: int) -> list[tuple[Piece, ...]]:
    points = plot(series, span.start_us, span.end_us, columns)
    last_us = max(span.end_us - 1, span.start_us)
    edges = interpolated(series, np.array([span.start_us, last_us], np.int64)).value.reshape(-1, 2).tolist()
    inside = (points.time_us >= span.start_us) & (points.time_us < span.end_us)
    lines = []
    for place, (first, last) in enumerate(edges):
        mine = inside & (points.tag == place)
        drawn = points.time_us[mine], points.value[mine], np.isnan(points.value[mine])
        known_us = int(series.known_us[place])
        lines.append(tuple(_pieces(*_with_edges(drawn, (first, last), span, known_us))))
    return lines


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
