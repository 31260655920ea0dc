"""The intervals of an answer from a step: by the clock from the start, or by the calendar of a time zone.

A day of a calendar begins at local midnight and has 23, 24 or 25 hours; a month begins on its first day.  A local time
that comes twice is the earlier one, and one that never was is as far after the change as it claims, as for times that
people write (:mod:`historian.retrieval.time_range`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from historian.errors import UsageError
from historian.model.samples import Int64Array
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.step_text import CalendarStep, CalendarUnit, ElapsedStep, Step
from historian.retrieval.time_range import format_time, to_us

MOST_INTERVALS: Final = 50_000_000
"""More rows an answer than this are a slip of the step; they would need gigabytes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US: Final = to_us(datetime(1, 1, 3, tzinfo=UTC))
_LAST_US: Final = to_us(datetime(9999, 12, 29, tzinfo=UTC))
_MONTHS: Final[dict[CalendarUnit, int]] = {"month": 1, "quarter": 3, "year": 12}
_DAYS: Final[dict[CalendarUnit, int]] = {"day": 1, "week": 7}


def intervals_by(step: Step | None, start_us: int, end_us: int, zone: tzinfo = UTC) -> Intervals:
    """The intervals of [start, end), or of (end, start] with the later first when the start is later than the end.

    A step by the clock counts from the start, and the last interval is cut at the end.  One by the calendar of
    ``zone`` counts from the beginning of the day, week (Monday), month, quarter or year that the earlier end lies in,
    and the first and last interval are cut.  Without a step all is one interval.  Raises UsageError when start and end
    are the same, or for too many intervals.
    """
    if start_us == end_us:
        raise UsageError(
            f"cannot make intervals: start and end are both {format_time(start_us)}; wanted a range of time"
        )
    low_us, high_us, reverse = min(start_us, end_us), max(start_us, end_us), start_us > end_us
    if isinstance(step, CalendarStep):
        inside = _calendar_edges(step, low_us, high_us, zone)
    else:
        inside = _elapsed_edges(step or ElapsedStep(high_us - low_us), low_us, high_us, reverse=reverse)
    edges = np.concatenate([[low_us], inside, [high_us]]).astype(np.int64)
    if reverse:
        return Intervals(edges[-2::-1], edges[:0:-1], reverse=True)
    return Intervals(edges[:-1], edges[1:])


def _elapsed_edges(step: ElapsedStep, low_us: int, high_us: int, *, reverse: bool) -> Int64Array:
    """The edges strictly between the ends of the range, ascending, counted from where reading begins."""
    count = -(-(high_us - low_us) // step.length_us)
    if count > MOST_INTERVALS:
        raise UsageError(
            f"cannot make intervals: the step fits {count:,} times between {format_time(low_us)} and "
            f"{format_time(high_us)}; wanted at most {MOST_INTERVALS:,}: take a longer step or a shorter range"
        )
    steps = np.arange(1, count, dtype=np.int64)
    return high_us - steps[::-1] * step.length_us if reverse else low_us + steps * step.length_us


def _calendar_edges(step: CalendarStep, low_us: int, high_us: int, zone: tzinfo) -> Int64Array:
    """The edges strictly between the ends of the range, ascending.  A loop over days at the least, which are few."""
    edges = []
    for day in _first_days(step, local_date(low_us, zone)):
        edge_us = local_us(day, 0, zone)
        if edge_us >= high_us:
            break
        edges.append(edge_us)
    # A day that a zone left out (Samoa, 30 December 2011) begins when the next one does.
    distinct = np.unique(np.array(edges, np.int64))
    return distinct[distinct > low_us]


def _first_days(step: CalendarStep, day: date) -> Iterator[date]:
    """The first day of the unit that ``day`` lies in and of every ``count``-th one after it, as far as dates go."""
    try:
        if step.unit in _DAYS:
            first = day - timedelta(days=day.weekday() if step.unit == "week" else 0)
            while True:
                yield first
                first += timedelta(days=step.count * _DAYS[step.unit])
        month = day.year * 12 + (day.month - 1) // _MONTHS[step.unit] * _MONTHS[step.unit]
        while True:
            yield date(month // 12, month % 12 + 1, 1)
            month += step.count * _MONTHS[step.unit]
    except (OverflowError, ValueError):
        return  # the year 9999 is over


def local_date(time_us: int, zone: tzinfo) -> date:
    """The date that calendars in ``zone`` show at an instant, a few days off where the years 1 and 9999 end."""
    inside_us = min(max(time_us, _FIRST_US), _LAST_US)
    return (_EPOCH + timedelta(microseconds=inside_us)).astimezone(zone).date()


def local_us(day: date, minute: int, zone: tzinfo) -> int:
    """Microseconds since 1970 UTC of a minute of the day (0 to 1439) by the clocks in ``zone``."""
    return to_us(datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone))
