"""Durations as people write them: ``250ms 1s 1.5s 5m 8h 2d``, in whole microseconds inside."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from historian.config.nearest import shown
from historian.errors import UnusableValueError

UNITS_US: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
"""Microseconds of each unit."""

LONGEST_US: Final = 36_500 * UNITS_US["d"]

WANTED: Final = "a duration such as 250ms, 1.5s, 5m, 8h or 2d"

_DURATION: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ms|s|m|h|d)", re.ASCII)
_OTHER_WORDS: Final = {
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "msec": "ms", "millis": "ms",
}  # fmt: skip


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> int:
    """Microseconds of ``text``; ``0`` needs no unit.

    Raises UnusableValueError when it is no duration, has parts of a microsecond or is longer than a hundred years.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UnusableValueError(shown(text), WANTED, _unit_hint(text))
    microseconds = Fraction(match[1]) * UNITS_US[match[2]]
    if microseconds.denominator != 1:
        raise UnusableValueError(shown(text), "a duration of whole microseconds")
    if microseconds > LONGEST_US:
        raise UnusableValueError(shown(text), "a duration of at most 36500d")
    return int(microseconds)


def format_duration(duration_us: int) -> str:
    """The duration in the largest unit that leaves a whole number: ``1500ms``, ``5m``."""
    for unit in ("d", "h", "m", "s", "ms"):
        if duration_us and duration_us % UNITS_US[unit] == 0:
            return f"{duration_us // UNITS_US[unit]}{unit}"
    return f"{duration_us / 1000:g}ms" if duration_us else "0s"


def _unit_hint(text: str) -> str:
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*([A-Za-z]*)", text)
    if match is None:
        return ""
    number, word = match[1].replace(",", "."), match[2]
    if not word:
        return f"it needs a unit: {number}ms or {number}s?"
    unit = _OTHER_WORDS.get(word.lower(), word.lower())
    return f"did you mean '{number}{unit}'?" if unit in UNITS_US else "the units are ms, s, m, h and d"
