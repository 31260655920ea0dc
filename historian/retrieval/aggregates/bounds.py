"""Values at the edges of intervals: the interpolated and the simple bounding value (OPC 10000-13, 3.1.8 and 3.1.9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, UInt32Array
from historian.model.status import BAD, BAD_NO_DATA, GOOD, UNCERTAIN, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.aggregates.answer import NO_ROW
from historian.retrieval.aggregates.kinds import Kinds, RowList
from historian.retrieval.aggregates.pieces import Edges
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values at ``p`` edges: ``value`` float64[p] and ``status`` uint32[p], NaN and BadNoData where missing.

    ``raw`` bool[p]: the sample at the edge itself.  ``sample`` intp[p]: the row of the sample whose value it is, or
    NO_ROW.
    """

    value: FloatArray
    status: UInt32Array
    raw: BoolArray
    sample: IndexArray

    @property
    def missing(self) -> BoolArray:
        """True where there is none."""
        return self.status >= BAD

    @property
    def good(self) -> BoolArray:
        """True where there is one with a Good status."""
        return self.status < UNCERTAIN

    @property
    def interpolated(self) -> BoolArray:
        """True where there is one that is not a sample at the edge."""
        return ~self.raw & ~self.missing


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The samples that a bound is made of, by row: the one before and the one after an edge, where they count.

    ``held`` bool[p]: the value is that of the one before; else it lies on the line between them.
    """

    before: IndexArray
    after: IndexArray
    has_before: BoolArray
    held: BoolArray


def simple_bounds(series: Series, kinds: Kinds, edges: Edges, bad: RowList) -> Bounds:
    """Bounds of the immediate neighbours alone; none where the one before is in ``bad``, or past the end of data."""
    before, after = edges.at - 1, _row_in(series, edges.at)
    alive = edges.at < edges.tag_stop
    has_before = (before >= edges.tag_first) & (alive | (edges.time_us <= edges.known_us))
    has_before &= ~bad.holds(before)
    cut = alive & bad.holds(after)
    found = _Neighbours(_row_in(series, before), after, has_before, edges.stepped | ~alive | cut)
    doubtful = kinds.uncertain_status.holds(found.before)
    doubtful |= ~edges.stepped & alive & (cut | kinds.uncertain_status.holds(after))
    is_bad = bad.holds(edges.at)
    return _bounds(series, edges, found, doubtful=doubtful, raw=edges.hit & ~is_bad, blocked=edges.hit & is_bad)


def interpolated_bounds(series: Series, kinds: Kinds, edges: Edges, *, stepped: BoolArray, sloped_on: bool) -> Bounds:
    """Bounds of the nearest samples that are not bad, held or (with ``sloped_on``) continued past the last of them."""
    bad = kinds.bad
    before, after = bad.last_other(edges.at - 1), bad.next_other(edges.at)
    has_before, has_after = before >= edges.tag_first, after < edges.tag_stop
    # Between the last sample and the end of data the last one holds as if it stood there once more.
    holds_on = ~has_after & (before == edges.tag_stop - 1) & (edges.time_us <= edges.known_us)
    found = _Neighbours(_row_in(series, before), _row_in(series, after), has_before, stepped | ~has_after)
    known = stepped & (edges.time_us <= edges.known_us) & (edges.at - before == 1)
    known |= ~stepped & (holds_on | (has_after & (after - before == 1)))
    doubtful = ~known | kinds.uncertain.holds(found.before)
    doubtful |= ~stepped & has_after & kinds.uncertain.holds(after)
    raw = edges.hit & ~bad.holds(edges.at)
    bounds = _bounds(series, edges, found, doubtful=doubtful, raw=raw, blocked=np.zeros(len(raw), np.bool_))
    if not sloped_on:
        return bounds
    # A line needs two samples before the edge; where the last one held to the end of data it is level from there on.
    earlier = bad.last_other(before - 1)
    was_held = (before == edges.tag_stop - 1) & (edges.known_us > series.time_us[found.before])
    on = ~raw & ~stepped & ~has_after & (earlier >= edges.tag_first) & ~was_held
    return _continued(series, edges, bounds, where=on, start=_row_in(series, earlier), end=found.before)


def _row_in(series: Series, row: IndexArray) -> IndexArray:
    """``row``, moved to one that exists; what is computed from such a one is not used."""
    return np.clip(row, 0, len(series.time_us) - 1)


def _bounds(
    series: Series, edges: Edges, found: _Neighbours, *, doubtful: BoolArray, raw: BoolArray, blocked: BoolArray
) -> Bounds:
    """``raw``: the sample at the edge is the bound; ``blocked``: it forbids any."""
    missing = blocked | ~(raw | found.has_before)
    line = _on_the_line(series, edges, found)
    source = np.where(raw, _row_in(series, edges.at), found.before)
    # A level line is its first sample's value, exactly, also where a double cannot hold it.
    held = raw | found.held | np.isnan(line) | (series.value[found.before] == series.value[found.after])
    value = np.where(held, series.value[source], line)
    status = np.where(doubtful, np.uint32(UNCERTAIN_DATA_SUB_NORMAL), np.uint32(GOOD))
    status = np.where(raw, series.status[source], status)
    return Bounds(
        np.where(missing, np.nan, value),
        np.where(missing, np.uint32(BAD_NO_DATA), status),
        raw & ~missing,
        np.where(held & ~missing, source, NO_ROW),
    )


def _on_the_line(series: Series, edges: Edges, found: _Neighbours) -> FloatArray:
    """The value at each edge on the line between its neighbours; never outside of their values, NaN beside text."""
    start, end = series.value[found.before], series.value[found.after]
    begin_us = series.time_us[found.before]
    length = (series.time_us[found.after] - begin_us).astype(np.float64)
    line = start + (end - start) * (edges.time_us - begin_us) / np.where(length > 0, length, np.nan)
    return np.clip(line, np.minimum(start, end), np.maximum(start, end))


def _continued(
    series: Series, edges: Edges, bounds: Bounds, *, where: BoolArray, start: IndexArray, end: IndexArray
) -> Bounds:
    """Bounds that, where ``where``, lie on the line through the samples ``start`` and ``end`` before them."""
    if not where.any():
        return bounds
    start_us, rise = series.time_us[start], series.value[end] - series.value[start]
    length = np.where(where, series.time_us[end] - start_us, 1)
    line = series.value[start] + rise * (edges.time_us - start_us) / length
    where &= ~np.isnan(line)
    value, sample = np.where(where, line, bounds.value), np.where(where, NO_ROW, bounds.sample)
    return Bounds(value, bounds.status, bounds.raw, sample)
