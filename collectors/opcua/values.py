"""DataValues to the columns of a reading: values exactly, statuses bit for bit, times by the source's choice.

What becomes of each kind of Variant is in docs/explanation/opcua.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from asyncua import ua

from collectors.driver import Reading
from collectors.opcua.connection import Answer
from historian.config.settings import TimestampChoice
from historian.model.samples import EXACT_LIMIT, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD, BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, is_bad, status_code

BAD_NO_VALUE: Final = status_code("BadNoValue")
"""The server says Good and sends no value."""

TIMESTAMPS: Final = {
    "source": ua.TimestampsToReturn.Both,
    "server": ua.TimestampsToReturn.Server,
    "arrival": ua.TimestampsToReturn.Neither,
}
"""What to ask for: with the source's time also the server's, to fall back to."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NULL_TIME: Final = datetime(1601, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_END_OF_TIME_US: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_NUMBERS: Final = frozenset({float, int, bool})


class Columns:
    """The reading of one group while its answers come in.

    ``ahead`` counts the values whose time is more than ``max_skew_us`` after their arrival.
    """

    def __init__(self, missing: UInt32Array, now_us: int, choice: TimestampChoice, max_skew_us: int) -> None:
        """``missing`` uint32[n]: the status of lanes that no answer will fill.  ``now_us``: their time."""
        self.ahead = 0
        self._choice = choice
        self._max_skew_us = max_skew_us
        self._time_us: Int64Array = np.full(len(missing), now_us, np.int64)
        self._value: FloatArray = np.full(len(missing), np.nan)
        self._status: UInt32Array = missing.copy()
        self._exact: dict[int, int] = {}
        self._text: dict[int, str] = {}

    def fill(self, lanes: IndexArray, answers: Sequence[Answer], arrival_us: int) -> None:
        """Put in one answer: ``answers`` of ``lanes`` (intp[m]), complete at ``arrival_us``."""
        # Comprehensions over the values, for each is an object of its own in the library's answer; all of this method
        # costs less than a tenth of what decoding has cost before.
        raw = [answer.Value.Value for answer in answers]
        status = np.fromiter((answer.StatusCode.value for answer in answers), np.uint32, len(answers))
        value, exact, text = _columns(raw, status)
        self._time_us[lanes] = self._times(answers, arrival_us)
        self._value[lanes] = value
        self._status[lanes] = status
        self._exact.update((int(lanes[row]), whole) for row, whole in exact.items())
        self._text.update((int(lanes[row]), string) for row, string in text.items())

    def reading(self) -> Reading:
        """All lanes."""
        return Reading(self._time_us, self._value, self._status, self._exact, self._text, self.ahead)

    def _times(self, answers: Sequence[Answer], arrival_us: int) -> Int64Array:
        """Source time, or server time, or arrival: the first of them, from the one chosen on, that is plausible."""
        time_us: Int64Array = np.full(len(answers), arrival_us, np.int64)
        if self._choice == "arrival":
            return time_us
        server_us = microseconds(answer.ServerTimestamp for answer in answers)
        np.copyto(time_us, server_us, where=server_us > 0)
        if self._choice == "source":
            source_us = microseconds(answer.SourceTimestamp for answer in answers)
            np.copyto(time_us, source_us, where=source_us > 0)
        # Only a time in the future is wrong for sure; one in the past may be when the value last changed.
        self.ahead += int(np.count_nonzero(time_us - arrival_us > self._max_skew_us))
        return time_us


def microseconds(times: Iterable[datetime | None]) -> Int64Array:
    """Microseconds since 1970; 0 for none, for one before 1970 and for the end of time (year 9999)."""
    found = [0 if time is None else (time - _EPOCH) // _MICROSECOND for time in times]
    time_us: Int64Array = np.array(found, np.int64)
    time_us[(time_us < 0) | (time_us >= _END_OF_TIME_US)] = 0
    return time_us


def _columns(raw: list[Any], status: UInt32Array) -> tuple[FloatArray, dict[int, int], dict[int, str]]:
    """Value column, exact whole numbers and texts by row; sets the ``status`` of what cannot be stored to Bad."""
    text: dict[int, str] = {}
    if not _NUMBERS.issuperset(map(type, raw)):
        raw = _only_numbers(raw, status, text)
    value: FloatArray = np.fromiter(raw, np.float64, len(raw))
    not_finite = ~np.isfinite(value) & ~is_bad(status)
    not_finite[list(text)] = False
    status[not_finite] = BAD_OUT_OF_RANGE
    bad = is_bad(status)
    value[bad] = np.nan
    return value, _exact(raw, value), {row: string for row, string in text.items() if not bad[row]}


def _exact(raw: list[Any], value: FloatArray) -> dict[int, int]:
    """The whole numbers that a double rounds, by row; loops over the few that are that large."""
    large = np.flatnonzero(np.abs(value) >= EXACT_LIMIT).tolist()
    return {row: whole for row in large if isinstance(whole := raw[row], int) and int(value[row]) != whole}


def _only_numbers(raw: list[Any], status: UInt32Array, text: dict[int, str]) -> list[Any]:
    """``raw`` with NaN for all that is not a number: texts go to ``text``, the rest gets a Bad status."""
    numbers = list(raw)
    for row, item in enumerate(raw):
        kind = type(item)
        if kind in _NUMBERS:
            continue
        convert = _CONVERTERS.get(kind)
        plain = convert(item) if convert is not None else None
        numbers[row] = plain if isinstance(plain, int) else math.nan
        if isinstance(plain, str):
            text[row] = plain
        elif plain is None and status[row] < BAD:
            status[row] = BAD_TYPE_MISMATCH if convert is None else BAD_NO_VALUE
    return numbers


def _well_formed(text: str) -> str:
    """``text`` with U+FFFD for what is not UTF-8: the library makes surrogates of that, which cannot be stored."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _localized(text: ua.LocalizedText) -> str | None:
    return None if text.Text is None else _well_formed(text.Text)


def _iso(time: datetime) -> str | None:
    """ISO 8601 in UTC with microseconds; None for the null DateTime (OPC 10000-6, 5.2.2.5)."""
    if time <= _NULL_TIME:
        return None
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_CONVERTERS: Final[Mapping[type, Callable[[Any], int | str | None]]] = {
    type(None): lambda _: None,
    str: _well_formed,
    ua.LocalizedText: _localized,
    datetime: _iso,
    UUID: str,
    ua.QualifiedName: lambda name: _well_formed(f"{name.NamespaceIndex}:{name.Name}"),
    ua.StatusCode: lambda code: code.value,
}
"""Scalars that are not numbers: to a whole number, a text, or None for no value."""
