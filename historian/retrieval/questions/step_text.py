"""Steps of an answer as people write them: ``15m``, ``1h``, ``1 day``, ``2 weeks``, ``month``, ``1 year``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from historian.config.duration import UNITS_US, parse_duration
from historian.config.nearest import did_you_mean, shown
from historian.errors import UnusableValueError

CalendarUnit: TypeAlias = Literal["day", "week", "month", "quarter", "year"]

CALENDAR_UNITS: Final[dict[str, CalendarUnit]] = {
    "day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month",
    "quarter": "quarter", "quarters": "quarter", "year": "year", "years": "year",
}  # fmt: skip

_CLOCK_WORDS: Final = {
    "millisecond": "ms", "milliseconds": "ms", "second": "s", "seconds": "s", "minute": "m", "minutes": "m",
    "min": "m", "hour": "h", "hours": "h",
}  # fmt: skip

_WORDS: Final = re.compile(r"(?:(\d{1,6})\s*)?([a-z]+)")

WANTED: Final = "a step such as 10s, 15m, 1h, '1 day', '1 week', '1 month', '1 quarter' or '1 year'"


@dataclass(frozen=True, slots=True)
class ElapsedStep:
    """A length of time by the clock, whatever the calendar says: an hour, or 24 of them."""

    length_us: int


@dataclass(frozen=True, slots=True)
class CalendarStep:
    """``count`` days, weeks (from Monday), months, quarters or years of a time zone, however long these are."""

    count: int
    unit: CalendarUnit


Step: TypeAlias = ElapsedStep | CalendarStep


def parse_step(text: str) -> Step:
    """The step that ``text`` means.  ``1d`` is 24 hours, as every duration; ``1 day`` is a day of the calendar.

    Raises UnusableValueError when it is no step, or none at all (``0s``, ``0 days``).
    """
    match = _WORDS.fullmatch(text.strip().lower())
    count, word = (match[1] or "1", match[2]) if match else ("", "")
    if word in CALENDAR_UNITS:
        step: Step = CalendarStep(int(count), CALENDAR_UNITS[word])
    elif word in _CLOCK_WORDS:
        step = ElapsedStep(int(count) * UNITS_US[_CLOCK_WORDS[word]])
    else:
        step = ElapsedStep(_duration(text.strip(), word))
    if step in {ElapsedStep(0), CalendarStep(0, CALENDAR_UNITS.get(word, "day"))}:
        raise UnusableValueError(shown(text), "a step longer than nothing")
    return step


def _duration(text: str, word: str) -> int:
    try:
        return parse_duration(text)
    except UnusableValueError as error:
        hint = did_you_mean(word, [*CALENDAR_UNITS, *_CLOCK_WORDS]) if len(word) > 2 else error.hint
        raise UnusableValueError(error.got, WANTED, hint) from error
