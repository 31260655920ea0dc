"""Where the ticks of an axis go, and what stands beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
_STEPS_S: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
    10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
)  # fmt: skip


def padded(low: float, high: float) -> tuple[float, float]:
    """The range with a little room, so that a line does not lie on the frame; a flat one gets a range at all."""
    room = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    return low - room, high + room


def value_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``."""
    rough = (high - low) / max(most, 1)
    if not math.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def value_label(value: float, ticks: Sequence[float]) -> str:
    """A tick's number, with as many digits as tell it from its neighbours."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else max(abs(value), 1.0)
    if max(abs(value), step) >= 1e7 or step < 1e-5:
        digits = math.ceil(math.log10(max(abs(value) / step, 1.0))) + 1
        return f"{value:.{min(max(6, digits), 15)}g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def time_ticks(start_us: int, end_us: int, most: int, zone: tzinfo) -> list[tuple[int, str]]:
    """At most ``most`` times with their labels, on round local times."""
    span_s = (end_us - start_us) / _SECOND
    step_s = next((step for step in _STEPS_S if span_s / step <= most), _STEPS_S[-1])
    step_us = int(step_s * _SECOND)
    offset = _local(start_us, zone).utcoffset() or timedelta()
    shift_us = int(offset.total_seconds()) * _SECOND
    first_us = -(-(start_us + shift_us) // step_us) * step_us - shift_us
    return [(time_us, time_label(time_us, step_s, zone)) for time_us in range(first_us, end_us, step_us)]


def time_label(time_us: int, step_s: float, zone: tzinfo) -> str:
    """The local time, as exactly as the step; the date where a day begins."""
    moment = _local(time_us, zone)
    if step_s >= 86_400 or (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return f"{moment:%Y-%m-%d}" if step_s >= 86_400 else f"{moment:%m-%d}"
    if step_s >= 60:
        return f"{moment:%H:%M}"
    return f"{moment:%H:%M:%S}" if step_s >= 1 else f"{moment:%M:%S}.{moment.microsecond // 1000:03d}"


def full_label(time_us: int, zone: tzinfo) -> str:
    """Date and time of an end of the axis."""
    return f"{_local(time_us, zone):%Y-%m-%d %H:%M:%S}"


def _local(time_us: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone)
