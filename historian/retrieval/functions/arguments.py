"""What people write as arguments of a table function, in SQL or in Python: tags, times, steps, switches.

SQL's arguments come as JSON: times, dates and intervals as texts, in the zone of the session.  Python's may be
datetimes and timedeltas.  Every error names the parameter, what was got and what was wanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final, TypeAlias, TypeVar

from historian.errors import UnusableValueError, UsageError
from historian.retrieval.time_range import parse_time, to_us

Moment: TypeAlias = str | datetime
"""A time: a datetime with a zone, or a text such as ``-8h``."""

Step: TypeAlias = str | timedelta
"""A length of time: ``10m``, ``1 day``, ``1 month``, or a timedelta."""

TextT = TypeVar("TextT", bound=str)

_CLOCK: Final = re.compile(r"(?:(\d+) days? ?)?(?:(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")
"""An INTERVAL of SQL as a text: ``1 day 02:00:00``."""


def instant_us(name: str, moment: object, now_us: int, zone: tzinfo) -> int:
    """Microseconds since 1970 UTC of ``moment``.  Raises UsageError, which names the parameter ``name``."""
    try:
        if isinstance(moment, datetime):
            return _of_datetime(moment)
        if isinstance(moment, str):
            return parse_time(moment, now_us, zone)
    except UnusableValueError as error:
        raise UsageError(f"cannot read {name}: {error}") from error
    raise UsageError(f"cannot read {name}: got {moment!r}, wanted a time such as '2026-11-22 06:00', '-8h' or now()")


def _of_datetime(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise UnusableValueError(repr(moment), "a datetime with a time zone, such as datetime.now(UTC)")
    return to_us(moment)


def text_of_step(name: str, step: object) -> str:
    """``step`` as a text that :mod:`historian.retrieval.questions.calendar_steps` reads.

    A timedelta and an INTERVAL of SQL without months become seconds.  Raises UsageError for what is no text.
    """
    if isinstance(step, timedelta):
        return _seconds(step // timedelta(microseconds=1))
    if not isinstance(step, str):
        raise UsageError(
            f"cannot read {name}: got {step!r}, wanted a length of time such as '10m', '1 day' or '1 month'"
        )
    text = step.strip()
    match = _CLOCK.fullmatch(text)
    if match is None or not match[2]:
        return text
    days, hours, minutes, seconds, fraction = match.groups(default="0")
    whole = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
    return _seconds(whole * 1_000_000 + int(fraction.ljust(6, "0")))


def _seconds(time_us: int) -> str:
    return f"{time_us // 1_000_000}.{time_us % 1_000_000:06d}s"


def choice(name: str, got: object, wanted: Sequence[TextT]) -> TextT:
    """One of ``wanted``, in whatever case it was written.  Raises UsageError for another."""
    found = {each.lower(): each for each in wanted}.get(str(got).strip().lower())
    if found is None:
        raise UsageError(f"cannot read {name}: got {got!r}, wanted {' or '.join([', '.join(wanted[:-1]), wanted[-1]])}")
    return found


def count(name: str, got: object, *, least: int = 1) -> int:
    """A whole number of at least ``least``.  Raises UsageError for anything else."""
    if isinstance(got, bool) or not isinstance(got, int | float) or got != int(got) or got < least:
        raise UsageError(f"cannot read {name}: got {got!r}, wanted a whole number of at least {least}")
    return int(got)


def number(name: str, got: object) -> float:
    """A number.  Raises UsageError for anything else."""
    if isinstance(got, bool) or not isinstance(got, int | float):
        raise UsageError(f"cannot read {name}: got {got!r}, wanted a number")
    return float(got)


def switch(name: str, got: object) -> bool:
    """True or false.  Raises UsageError for anything else."""
    if not isinstance(got, bool):
        raise UsageError(f"cannot read {name}: got {got!r}, wanted true or false")
    return got


def texts(name: str, got: object) -> list[str]:
    """One text or a list of them.  Raises UsageError for anything else, and for none."""
    many = [got] if isinstance(got, str) else got
    if not isinstance(many, list | tuple) or not many or not all(isinstance(each, str) for each in many):
        raise UsageError(f"cannot read {name}: got {got!r}, wanted a text or a list of texts")
    return list(many)
