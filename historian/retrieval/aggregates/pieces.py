"""The pieces of time that are looked at, a tag's each, and where its samples lie; and how pieces make up rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

NEVER: Final = np.int64(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Edges:
    """``p`` instants, each of one tag: ``time_us`` int64[p].

    ``at`` intp[p]: the row of the tag's first sample at or after it, ``hit`` bool[p]: that sample is at it.
    ``tag_first``, ``tag_stop`` intp[p]: the rows of the tag.  ``known_us`` int64[p]: the end of its data.
    """

    time_us: Int64Array
    at: IndexArray
    hit: BoolArray
    tag_first: IndexArray
    tag_stop: IndexArray
    known_us: Int64Array
    stepped: BoolArray


class Pieces:
    """``p`` pieces of time: for every tag all windows, tag by tag.

    ``low`` and ``high`` are their earlier and later edges, ``tag`` intp[p] the place of the tag.
    """

    def __init__(self, series: Series, windows: Windows, stepped: BoolArray, *, reverse: bool) -> None:
        self._series = series
        self._stepped = stepped
        self.reverse = reverse
        self.tag: IndexArray = np.repeat(np.arange(len(series)), len(windows))
        start_us, end_us = windows.start_us, windows.end_us
        if np.array_equal(start_us[1:], end_us[:-1]) and len(windows):
            # Windows that touch share their edges.
            at = self._positions(np.append(start_us, end_us[-1]))
            low_at, high_at = at[:, :-1], at[:, 1:]
        else:
            low_at, high_at = self._positions(start_us), self._positions(end_us)
        self.low = self._edges(start_us, low_at.ravel())
        self.high = self._edges(end_us, high_at.ravel())

    def _positions(self, time_us: Int64Array) -> IndexArray:
        """Of each tag (first axis) the row of the first sample at or after each time."""
        starts, found = self._series.starts, np.empty((len(self._series), len(time_us)), np.intp)
        for tag in range(len(self._series)):  # one search a tag for all its edges
            found[tag] = np.searchsorted(self._series.time_us[starts[tag] : starts[tag + 1]], time_us) + starts[tag]
        return found

    def _edges(self, time_us: Int64Array, at: IndexArray) -> Edges:
        starts, known_us = self._series.starts, self._series.known_us
        times, stop = np.tile(time_us, len(self._series)), starts[self.tag + 1]
        near = np.minimum(at, len(self._series.time_us) - 1)
        hit = (at < stop) & (self._series.time_us[near] == times)
        return Edges(times, at, hit, starts[self.tag], stop, known_us[self.tag], self._stepped[self.tag])

    def __len__(self) -> int:
        return len(self.tag)

    @cached_property
    def first(self) -> IndexArray:
        """The row of the first sample in each piece (intp[p]), where there is one."""
        return self.low.at + self.low.hit if self.reverse else self.low.at

    @cached_property
    def stop(self) -> IndexArray:
        """The row after the last sample in each piece."""
        return self.high.at + self.high.hit if self.reverse else self.high.at

    @cached_property
    def samples(self) -> IndexArray:
        """The number of samples in each."""
        return self.stop - self.first

    @cached_property
    def begin_us(self) -> Int64Array:
        """Where the data of each piece's tag begin; NEVER for a tag without samples."""
        first = np.minimum(self.low.tag_first, len(self._series.time_us) - 1)
        return np.where(self.low.tag_stop > self.low.tag_first, self._series.time_us[first], NEVER)

    @cached_property
    def before(self) -> BoolArray:
        """True where a piece lies before the data of its tag."""
        return self.high.time_us < self.begin_us if self.reverse else self.high.time_us <= self.begin_us

    @cached_property
    def after(self) -> BoolArray:
        """True where a piece lies after the data of its tag."""
        return self.low.time_us >= self.low.known_us if self.reverse else self.low.time_us > self.low.known_us

    @cached_property
    def outside(self) -> BoolArray:
        """True where nothing is known of any of a piece."""
        return self.before | self.after

    @cached_property
    def trailing(self) -> BoolArray:
        """True where data end inside a piece."""
        return ~self.outside & (self.low.known_us < self.high.time_us)

    @cached_property
    def incomplete(self) -> BoolArray:
        """True where data begin or end inside a piece, or do not reach it."""
        return self.outside | self.trailing | (self.low.time_us < self.begin_us)


class Rows:
    """How ``p`` pieces make up ``r`` rows, tag by tag, in each the intervals; usually one piece is one row.

    Columns of pieces may have a second axis, of several things in each piece in the order of time.
    """

    def __init__(self, intervals: Intervals, windows: Windows, tags: int) -> None:
        self.total = tags * len(intervals)
        self._one_each = len(windows) == len(intervals) and bool((windows.row == np.arange(len(windows))).all())
        row = (np.arange(tags)[:, None] * len(intervals) + windows.row).ravel()
        self._row: IndexArray = row
        self._starts = np.flatnonzero(np.diff(row, prepend=-1))

    def over(self, ufunc: np.ufunc, pieces: NDArray[Any], empty: Any) -> NDArray[Any]:  # noqa: ANN401 any number
        """``ufunc`` (add, minimum, maximum, logical_or ...) over the pieces of each row; ``empty`` for rows without."""
        if pieces.ndim > 1:
            pieces = ufunc.reduce(pieces, axis=1)
        if self._one_each:
            return pieces
        found = np.full(self.total, empty, pieces.dtype)
        if len(self._starts):
            found[self._row[self._starts]] = ufunc.reduceat(pieces, self._starts)
        return found

    def total_of(self, pieces: NDArray[Any]) -> NDArray[Any]:
        """The sum over the pieces of each row."""
        return self.over(np.add, pieces, 0)

    def any_of(self, pieces: BoolArray) -> BoolArray:
        """True where it is so in any piece of a row."""
        return self.over(np.logical_or, pieces, empty=False)

    def first_of(self, pieces: NDArray[Any], empty: Any) -> NDArray[Any]:  # noqa: ANN401 any number
        """What the first piece of each row has."""
        return self._picked(pieces, self._starts, empty)

    def last_of(self, pieces: NDArray[Any], empty: Any) -> NDArray[Any]:  # noqa: ANN401 any number
        """What the last piece of each row has."""
        return self._picked(pieces, np.append(self._starts[1:], len(self._row)) - 1, empty)

    def _picked(self, pieces: NDArray[Any], piece: IndexArray, empty: Any) -> NDArray[Any]:  # noqa: ANN401 any number
        if self._one_each:
            return pieces
        found = np.full(self.total, empty, pieces.dtype)
        if len(self._starts):
            found[self._row[self._starts]] = pieces[piece]
        return found

    def spread(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What each piece's row has."""
        return rows if self._one_each else rows[self._row]
