"""Local times to UTC: an hour that comes twice is told apart by the order of the file, one that never was is told.

Transitions of a zone are found by asking :mod:`zoneinfo` day by day and then by halving; after that everything is
arithmetic on arrays (the rule with ``fold`` of PEP 495).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int32Array, Int64Array

_US_PER_S: Final = 1_000_000
_STEP_S: Final = 6 * 3600
"""Two changes of a zone within this time are not seen; there have been none that close."""
_MARGIN_S: Final = 2 * 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Transitions:
    """Changes of a zone's offset between two moments.

    ``offset_us`` int64[k+1]: before the first change and after each.  ``wall_us`` int64[2, k]: the local time from
    which the next offset counts, for the first and for the second pass.
    """

    first_us: int
    last_us: int
    offset_us: Int64Array
    wall_us: Int64Array


class LocalClock:
    """Local times of one zone.  Remembers between batches how far each series was in an hour that comes twice."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._transitions: Transitions | None = None
        self._passes: dict[tuple[int, int], tuple[int, int]] = {}
        self.repeated = 0
        self.second_pass = 0

    def to_utc(self, local_us: Int64Array, series: Int32Array) -> tuple[Int64Array, BoolArray]:
        """Microseconds UTC of local times, and bool[n]: there was no such time (the clocks skipped it).

        ``series`` int32[n]: what has an order of its own in the file.  The rows come in the order of the file.
        """
        if self._zone is UTC or not len(local_us):
            return local_us, np.zeros(len(local_us), np.bool_)
        found = self._covering(int(local_us.min()), int(local_us.max()))
        segment = np.searchsorted(found.wall_us[0], local_us, side="right")
        later = np.searchsorted(found.wall_us[1], local_us, side="right")
        twice: IndexArray = np.flatnonzero(segment != later)
        # Between the two walls a clock that goes back shows a time twice, one that goes forward never.
        back = found.offset_us[later[twice]] < found.offset_us[segment[twice]]
        skipped = np.zeros(len(local_us), np.bool_)
        skipped[twice[~back]] = True
        rows = twice[back]
        if len(rows):
            second = self._second_pass(local_us[rows], series[rows], later[rows])
            segment[rows[second]] = later[rows[second]]
        return local_us - found.offset_us[segment], skipped

    def _second_pass(self, local_us: Int64Array, series: Int32Array, change: IndexArray) -> BoolArray:
        """bool[m]: this time of a repeated hour belongs to its second pass: in its series, time went back before it."""
        order = np.lexsort((np.arange(len(local_us)), change, series))
        second = np.zeros(len(local_us), np.bool_)
        cuts = np.flatnonzero((np.diff(series[order]) != 0) | (np.diff(change[order]) != 0)) + 1
        # A loop over the changes of the clocks in each series, one a year.
        for rows in np.split(order, cuts):
            second[rows] = self._one_hour((int(series[rows[0]]), self._number(int(change[rows[0]]))), local_us[rows])
        self.repeated += len(second)
        self.second_pass += int(second.sum())
        return second

    def _number(self, change: int) -> int:
        """The same change of the clocks, also after more transitions were looked up."""
        assert self._transitions is not None  # noqa: S101 - for the type checker; looked up before
        return int(self._transitions.wall_us[0, change - 1])

    def _one_hour(self, key: tuple[int, int], local_us: Int64Array) -> BoolArray:
        newest, passes = self._passes.get(key, (int(local_us[0]) - 1, 0))
        steps = np.diff(local_us, prepend=newest)
        back = steps < 0
        if not passes and not back.any():
            # Hourly data shows the hour twice at the same time: then the second one is the second pass.
            back = steps == 0
        result: BoolArray = passes + np.cumsum(back) > 0
        self._passes[key] = (int(local_us[-1]), int(result[-1]))
        return result

    def _covering(self, first_us: int, last_us: int) -> Transitions:
        found = self._transitions
        if found is None or first_us < found.first_us or last_us > found.last_us:
            if found is not None:
                first_us, last_us = min(first_us, found.first_us), max(last_us, found.last_us)
            found = self._transitions = find_transitions(self._zone, first_us, last_us)
        return found


def find_transitions(zone: tzinfo, first_us: int, last_us: int) -> Transitions:
    """The changes between two moments (microseconds, local or UTC: a margin covers the difference)."""
    first, last = first_us // _US_PER_S - _MARGIN_S, last_us // _US_PER_S + _MARGIN_S
    # A loop over time, not over samples: four steps a day, a second for 400 years.
    moments = range(first, last + _STEP_S, _STEP_S)
    offsets = [_offset_s(zone, moment) for moment in moments]
    changes = [
        _halve(zone, moments[place - 1], moments[place])
        for place in range(1, len(offsets))
        if offsets[place] != offsets[place - 1]
    ]
    values = [offsets[0], *(_offset_s(zone, change) for change in changes)]
    walls = [
        [change + pick(before, after) for change, before, after in zip(changes, values[:-1], values[1:], strict=True)]
        for pick in (max, min)
    ]
    return Transitions(
        first_us,
        last_us,
        np.array(values, np.int64) * _US_PER_S,
        np.array(walls, np.int64).reshape(2, -1) * _US_PER_S,
    )


def _halve(zone: tzinfo, before: int, after: int) -> int:
    """The first second of the offset that holds at ``after`` and not at ``before``."""
    offset = _offset_s(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset_s(zone, middle) == offset else (before, middle)
    return after


def _offset_s(zone: tzinfo, moment_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=moment_s)).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
