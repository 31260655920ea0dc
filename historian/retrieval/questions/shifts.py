"""Shifts: intervals that begin at local times of day, by a table such as ``early 06:00, late 14:00, night 22:00``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from typing import Final, TypeAlias

import numpy as np

from historian.config.nearest import shown
from historian.errors import UnusableValueError, UsageError
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.calendar_steps import local_date, local_us
from historian.retrieval.time_range import format_time

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(7))

WANTED: Final = "shifts such as 'early 06:00, late 14:00, night 22:00' or 'day Mon-Fri 06:00-18:00'"

_SHIFT: Final = re.compile(
    r"(?P<name>\S.*?)\s+(?:(?P<days>[a-z]{3}(?:[-/][a-z]{3})*)\s+)?"
    r"(?P<start>\d{1,2}:\d{2})(?:\s*-\s*(?P<end>\d{1,2}:\d{2}))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Shift:
    """One row of a table of shifts.

    ``start_minute`` and ``end_minute`` are minutes of the day by local clocks, 0 to 1439; an end that is not later
    than the start is on the next day.  ``days`` are those it begins on, 0 for Monday to 6 for Sunday.
    """

    name: str
    start_minute: int
    end_minute: int
    days: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class ShiftIntervals:
    """The intervals of shifts with the name of each, in the same order."""

    intervals: Intervals
    names: tuple[str, ...]


def parse_shifts(text: str) -> tuple[Shift, ...]:
    """The table that ``text`` means: shifts with commas between them, each a name, days where not all, and a start.

    ``Mon-Fri``, ``Sat/Sun``; a shift ends at its end (``06:00-14:00``) or where the next one of the same days begins.
    Raises UnusableValueError when it is no such table.
    """
    rows = [_parse_row(part.strip()) for part in re.split(r"[,;\n]", text) if part.strip()]
    if not rows:
        raise UnusableValueError(shown(text), WANTED)
    return tuple(
        Shift(name, start, _next_start(rows, days, start) if end is None else end, days)
        for name, days, start, end in rows
    )


_Row: TypeAlias = tuple[str, frozenset[int], int, int | None]


def _parse_row(text: str) -> _Row:
    match = _SHIFT.fullmatch(text)
    if match is None:
        raise UnusableValueError(shown(text), WANTED)
    end = None if match["end"] is None else _minute(match["end"])
    return match["name"], EVERY_DAY if match["days"] is None else _days(match["days"]), _minute(match["start"]), end


def _next_start(rows: Sequence[_Row], days: frozenset[int], start: int) -> int:
    """Where the next shift of the same days begins, round the clock: a lone one lasts until itself."""
    return min((other[2] for other in rows if other[1] == days), key=lambda minute: (minute - start - 1) % 1440)


def _minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if hour > 23 or minute > 59:
        raise UnusableValueError(shown(text), "a time of day from 00:00 to 23:59")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    """The days of ``mon-fri`` or ``sat/sun``; a range may go over the week's end."""
    days: set[int] = set()
    for part in text.lower().split("/"):
        first, last = (_day(part.partition("-")[0]), _day(part.rpartition("-")[2]))
        days.update((first + ahead) % 7 for ahead in range((last - first) % 7 + 1))
    return frozenset(days)


def _day(text: str) -> int:
    if text not in DAYS:
        raise UnusableValueError(shown(text), "a day: Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    return DAYS.index(text)


def shift_intervals(shifts: Sequence[Shift], start_us: int, end_us: int, zone: tzinfo = UTC) -> ShiftIntervals:
    """The shifts that touch [start, end), cut at its ends, by their starts; the later first when start > end.

    A shift lasts as long as local clocks say: a night is 7 or 9 hours long where they are changed.  Raises UsageError
    when start and end are the same.
    """
    if start_us == end_us:
        raise UsageError(f"cannot find shifts: start and end are both {format_time(start_us)}; wanted a range of time")
    low_us, high_us = min(start_us, end_us), max(start_us, end_us)
    found = sorted(
        (max(begin_us, low_us), min(stop_us, high_us), number)
        for number, shift in enumerate(shifts)
        for day in _dates(low_us, high_us, zone)
        if day.weekday() in shift.days
        for begin_us, stop_us in [_span(shift, day, zone)]
        if begin_us < high_us and stop_us > low_us and begin_us < stop_us
    )
    ordered = found[::-1] if start_us > end_us else found
    columns = np.array(ordered, np.int64).reshape(len(ordered), 3)
    intervals = Intervals(columns[:, 0], columns[:, 1], reverse=start_us > end_us)
    return ShiftIntervals(intervals, tuple(shifts[number].name for number in columns[:, 2].tolist()))


def _dates(low_us: int, high_us: int, zone: tzinfo) -> list[date]:
    """The days on which a shift that touches the range may begin; shifts last a day at most."""
    first, last = local_date(low_us, zone), local_date(high_us, zone)
    return [first + timedelta(days=ahead) for ahead in range(-1, (last - first).days + 1)]


def _span(shift: Shift, day: date, zone: tzinfo) -> tuple[int, int]:
    last_day = day if shift.end_minute > shift.start_minute else day + timedelta(days=1)
    return local_us(day, shift.start_minute, zone), local_us(last_day, shift.end_minute, zone)
