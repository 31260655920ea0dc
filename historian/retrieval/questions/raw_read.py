"""Stored samples as they are: the raw read of OPC UA (OPC 10000-11, 6.4.3), with its bounds, limits and directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from historian.config.nearest import did_you_mean, one_of, shown
from historian.errors import UnusableValueError, UsageError
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD_BOUND_NOT_FOUND
from historian.retrieval.questions.bounding import values_at
from historian.retrieval.questions.lookup import every_tag, rows_after, rows_from
from historian.retrieval.questions.ragged import laid_out
from historian.retrieval.series import Series

Boundary: TypeAlias = Literal["inside", "outside", "interpolated"]

BOUNDARIES: Final[tuple[Boundary, ...]] = get_args(Boundary)

ScalarT = TypeVar("ScalarT", bound=np.generic)

_OPEN_START: Final = int(np.iinfo(np.int64).min)
_OPEN_END: Final = int(np.iinfo(np.int64).max)

PAST_THE_LAST_US: Final = 1_000_000
"""A bound that is missing where no end was given is a second past the last sample read."""


@dataclass(frozen=True, slots=True)
class RawRead:
    """``r`` rows by tag, in the order of reading.

    ``tag`` intp[r]; ``row`` intp[r]: the sample whose value it is, -1 for one on a line and for a bound that was not
    found; ``time_us`` int64[r]; ``value`` float64[r]; ``status`` uint32[r], for a bound that was not found
    BadBoundNotFound.  ``more`` bool[k]: of which tags the limit cut rows off.
    """

    tag: IndexArray
    row: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    more: BoolArray


def raw_read(
    series: Series,
    start_us: int | None,
    end_us: int | None,
    *,
    max_rows: int = 0,
    boundary: str = "inside",
    missing: bool = False,
) -> RawRead:
    """The samples of each tag from ``start_us`` on up to but not including ``end_us``; backwards when it is the later.

    Without an end all that follow, without a start backwards all before the end, from that on.  At most ``max_rows`` a
    tag, bounds among them; 0 is no limit.  ``boundary``: "outside" begins with the sample at or before the start (in
    the direction of reading) and ends with the one at or after the end; "interpolated" with the values at start and
    end; where nothing is known there, neither has a row.  With ``missing`` a bound outside that is not found has one.

    ``boundary="outside", missing=True`` is the ``returnBounds`` of OPC UA.  Raises UsageError without start and end, or
    with one of them and "interpolated", UnusableValueError for an unknown boundary or a negative limit.
    """
    _check(start_us, end_us, max_rows, boundary)
    asked = _Asked.of(series, start_us, end_us)
    low, stop = _RANGES[boundary](series, asked)
    if boundary == "outside" and not missing:
        low, stop = np.maximum(low, series.starts[:-1]), np.minimum(stop, series.starts[1:])
    tag, row, more = _in_order(low, stop, max_rows, backwards=asked.backwards)
    if boundary == "interpolated":
        return _interpolated(series, asked, tag, row, more)
    return _stored(series, asked, tag, row, more)


def _check(start_us: int | None, end_us: int | None, max_rows: int, boundary: str) -> None:
    if boundary not in BOUNDARIES:
        hint = did_you_mean(boundary, BOUNDARIES)
        raise UnusableValueError(shown(boundary), f"a boundary: {one_of(BOUNDARIES)}", hint)
    if max_rows < 0:
        raise UnusableValueError(str(max_rows), "a limit of 0 (none) or more rows")
    if (start_us is None and end_us is None) or (boundary == "interpolated" and (start_us is None or end_us is None)):
        raise UsageError(
            f"cannot read samples with boundary {boundary}: got no {'start' if start_us is None else 'end'}, wanted "
            f"{'both start and end' if boundary == 'interpolated' else 'a start, an end or both'}"
        )


@dataclass(frozen=True, slots=True)
class _Edge:
    """An end of the range.

    ``time_us`` is _OPEN_START or _OPEN_END where it is open; ``at``, ``after`` intp[k] are the first row of each tag
    at or after it, and after it.
    """

    time_us: int
    at: IndexArray
    after: IndexArray

    @classmethod
    def of(cls, series: Series, time_us: int) -> _Edge:
        tags, times = every_tag(series, np.array([time_us], np.int64))
        return cls(time_us, rows_from(series, tags, times), rows_after(series, tags, times))

    @property
    def hit(self) -> BoolArray:
        """Of each tag whether it has a sample just there."""
        return self.after > self.at


@dataclass(frozen=True, slots=True)
class _Asked:
    """The range from its earlier to its later end; ``backwards``: read from the later one."""

    low: _Edge
    high: _Edge
    backwards: bool

    @classmethod
    def of(cls, series: Series, start_us: int | None, end_us: int | None) -> _Asked:
        low_us = _OPEN_START if start_us is None else start_us
        high_us = _OPEN_END if end_us is None else end_us
        low, high = _Edge.of(series, min(low_us, high_us)), _Edge.of(series, max(low_us, high_us))
        return cls(low, high, start_us is None or low_us > high_us)

    @property
    def is_instant(self) -> bool:
        return self.low.time_us == self.high.time_us


def _inside(_series: Series, asked: _Asked) -> tuple[IndexArray, IndexArray]:
    """Of each tag the rows [low, stop): with a sample at the start of reading, without one at its end."""
    if asked.backwards:
        return asked.low.after, asked.high.after
    return asked.low.at, asked.high.after if asked.is_instant else asked.high.at


def _outside(series: Series, asked: _Asked) -> tuple[IndexArray, IndexArray]:
    """The same with the bounds beside them; a row that is not the tag's own stands for one that is not found."""
    low, stop = _inside(series, asked)
    if asked.backwards:
        return low - 1, stop + ~asked.high.hit
    return low - ~asked.low.hit, stop + 1


def _with_values(series: Series, asked: _Asked) -> tuple[IndexArray, IndexArray]:
    """The rows with those at both ends, and one more for a value between two samples at an end."""
    low, stop = asked.low.at, asked.high.after
    if asked.is_instant:
        return low - _is_between(series, asked.low), stop
    return low - _is_between(series, asked.low), stop + _is_between(series, asked.high)


_RANGES: Final = {"inside": _inside, "outside": _outside, "interpolated": _with_values}


def _is_between(series: Series, edge: _Edge) -> BoolArray:
    """Of each tag whether ``edge`` is after a sample, not on one, and not after the end of its data."""
    is_followed = (edge.at < series.starts[1:]) | (edge.time_us <= series.known_us)
    return ~edge.hit & (edge.at > series.starts[:-1]) & is_followed


def _in_order(
    low: IndexArray, stop: IndexArray, max_rows: int, *, backwards: bool
) -> tuple[IndexArray, IndexArray, BoolArray]:
    """``tag`` and ``row`` in the order of reading, and of which tags the limit cut rows off."""
    count = np.maximum(stop - low, 0)
    kept = np.minimum(count, max_rows) if max_rows else count
    tag, place = laid_out(np.zeros(len(low), np.intp), kept)
    return tag, stop[tag] - 1 - place if backwards else low[tag] + place, kept < count


def _stored(series: Series, asked: _Asked, tag: IndexArray, row: IndexArray, more: BoolArray) -> RawRead:
    """The samples ``row``; rows that are not their tag's own are bounds that were not found."""
    early, late = row < series.starts[tag], row >= series.starts[tag + 1]
    low_us, high_us = _missing_us(series, asked.low, asked.high), _missing_us(series, asked.high, asked.low)
    sample = np.where(early | late, -1, row)
    return RawRead(
        tag,
        sample,
        _taken(series.time_us, sample, np.where(early, low_us[tag], high_us[tag])),
        _taken(series.value, sample, np.full(len(row), np.nan)),
        _taken(series.status, sample, np.full(len(row), BAD_BOUND_NOT_FOUND, np.uint32)),
        more,
    )


def _taken(column: NDArray[ScalarT], row: IndexArray, otherwise: NDArray[ScalarT]) -> NDArray[ScalarT]:
    """What ``column`` has at ``row``; where that is -1, what ``otherwise`` (of the same length) has."""
    found = otherwise.copy()
    found[row >= 0] = column[row[row >= 0]]
    return found


def _missing_us(series: Series, edge: _Edge, other: _Edge) -> Int64Array:
    """Of each tag the time of a bound that was not found: the one asked for, or past the last sample there is."""
    if edge.time_us not in {_OPEN_START, _OPEN_END}:
        return np.full(len(series), edge.time_us, np.int64)
    outermost = np.full(len(series), other.time_us, np.int64)
    filled = np.diff(series.starts) > 0
    rows = series.starts[:-1] if edge.time_us == _OPEN_START else series.starts[1:] - 1
    outermost[filled] = series.time_us[rows[filled]]
    return outermost + (-PAST_THE_LAST_US if edge.time_us == _OPEN_START else PAST_THE_LAST_US)


def _interpolated(series: Series, asked: _Asked, tag: IndexArray, row: IndexArray, more: BoolArray) -> RawRead:
    """The samples ``row``; rows before and after the range are the values at its ends."""
    early, late = row < asked.low.at[tag], row >= asked.high.after[tag]
    at_end = np.flatnonzero(early | late)
    time_us = np.where(early, np.int64(asked.low.time_us), np.int64(asked.high.time_us))
    ends = values_at(series, tag[at_end], time_us[at_end])
    value, status = np.empty(len(row)), np.empty(len(row), np.uint32)
    value[at_end], status[at_end] = ends.value, ends.status
    sample = np.where(early | late, -1, row)
    whose = sample.copy()
    whose[at_end] = ends.row
    return RawRead(
        tag,
        whose,
        _taken(series.time_us, sample, time_us),
        _taken(series.value, sample, value),
        _taken(series.status, sample, status),
        more,
    )
