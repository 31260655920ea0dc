"""Times as people write them, and ranges [start, end) of them.

``now``, ``today``, ``yesterday``, ``-8h``, ``now-8h``, ``2026-11-22``, ``2026-11-22 06:00:30.5``,
``2026-11-22T06:00Z``, ``2026-11-22 06:00+01:00``.  A time without a zone is in the zone of the request (UTC unless
said otherwise); inside there are only microseconds since 1970 UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from historian.config.duration import parse_duration
from historian.errors import UnusableValueError, UsageError

WANTED: Final = "a time such as 2026-11-22, '2026-11-22 06:00', 2026-11-22T06:00:00Z, -8h, today or now"

_BACK: Final = re.compile(r"(?:now\s*)?-\s*(\S+)", re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times from ``start_us`` up to but not including ``end_us``, microseconds since 1970 UTC."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.start_us >= self.end_us:
            raise UsageError(
                f"cannot use the time range: its start {format_time(self.start_us)} is not before its end "
                f"{format_time(self.end_us)}; wanted start before end (the end itself is not part of the range)"
            )


def parse_range(start: str, end: str, now_us: int, zone: tzinfo = UTC) -> TimeRange:
    """The range between two texts.

    Raises UnusableValueError for a text that is no time, UsageError when start >= end.
    """
    return TimeRange(parse_time(start, now_us, zone), parse_time(end, now_us, zone))


def parse_time(text: str, now_us: int, zone: tzinfo = UTC) -> int:
    """Microseconds since 1970 UTC of ``text``.

    A local time that comes twice (clocks go back) is the earlier one; one that never was (clocks go forward) is as far
    after the change as it claims.  Raises UnusableValueError when it is no time.
    """
    word = text.strip().lower()
    if word == "now":
        return now_us
    if word in {"today", "yesterday"}:
        return _midnight(now_us, zone, days_back=int(word == "yesterday"))
    if match := _BACK.fullmatch(word):
        return now_us - parse_duration(match[1])
    return _calendar_time(text.strip(), zone)


def _midnight(now_us: int, zone: tzinfo, days_back: int) -> int:
    day = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone).date() - timedelta(days=days_back)
    return to_us(datetime(day.year, day.month, day.day, tzinfo=zone))


def _calendar_time(text: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return to_us(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        raise UnusableValueError(repr(text), WANTED) from error


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a time with a zone, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def format_time(time_us: int, zone: tzinfo = UTC) -> str:
    """``2026-11-22T06:00:00Z``, with as much of a second as there is; the offset instead of Z in another zone."""
    moment = (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone)
    digits = "auto" if time_us % 1000 else ("milliseconds" if time_us % 1_000_000 else "seconds")
    return moment.isoformat(timespec=digits).replace("+00:00", "Z")


def find_zone(name: str) -> tzinfo:
    """The zone of an IANA name.  Raises UnusableValueError for an unknown one."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    # Imported here, because UTC, which is almost always wanted, needs no database of zones.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - as above

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = "on Windows the zones come with: pip install tzdata"
        raise UnusableValueError(repr(name), "a time zone such as UTC or Europe/Berlin", hint) from error
