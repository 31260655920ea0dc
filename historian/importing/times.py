"""Columns of times to microseconds since 1970 UTC: timestamps, numbers since 1970, and text.

Text is ISO 8601, with an offset that is honoured or in the zone of the import, or as a format of ``strptime`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from historian.errors import UsageError
from historian.importing.arrow import cast_each, mask, numbers, plain, take, there
from historian.importing.local_time import LocalClock
from historian.model.samples import BoolArray, Int32Array, Int64Array

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Stands where there is no time."""

EARLIEST_US: Final = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""Before this no plant was measured; such a time is a fault of the file."""

EPOCHS: Final = {"epoch-s": 1_000_000.0, "epoch-ms": 1_000.0, "epoch-us": 1.0, "epoch-ns": 0.001}
"""Microseconds of one unit."""

_LARGEST: Final = (("epoch-s", 1e11), ("epoch-ms", 1e14), ("epoch-us", 1e17), ("epoch-ns", float("inf")))
"""Numbers up to these are most likely of that unit: 1e11 s are the year 5138, 1e11 ms are 1973."""

_HAS_OFFSET: Final = r"(\d:\d\d|T\d{4}).*([Zz]|[+-]\d\d(:?\d\d)?)$"
_NUMBER: Final = r"^\s*-?\d{9,}(\.\d*)?\s*$"
_UTC_US: Final = pa.timestamp("us", tz="UTC")
_NAIVE_US: Final = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class Times:
    """``time_us`` int64[n], NO_TIME where ``unreadable``; ``skipped``: a local time that the clocks left out."""

    time_us: Int64Array
    unreadable: BoolArray
    skipped: BoolArray


class TimeReader:
    """Reads the times of one file, in its order."""

    def __init__(self, zone: tzinfo, time_format: str | None) -> None:
        self.clock = LocalClock(zone)
        self.format = time_format
        self.local = 0

    def read(self, values: pa.Array, series: Int32Array) -> Times:
        """The times of one batch; ``series`` int32[n] as in :meth:`LocalClock.to_utc`."""
        values = plain(values)
        if pa.types.is_temporal(values.type):
            return self._of_timestamps(values, series)
        if _is_number(values.type):
            return self._of_numbers(values.cast(pa.float64(), safe=False), _whole(values))
        return self._of_texts(values.cast(pa.string()), series)

    def _of_timestamps(self, values: pa.Array, series: Int32Array) -> Times:
        naive = pa.types.is_date(values.type) or getattr(values.type, "tz", None) is None
        times = values.cast(_NAIVE_US if naive else _UTC_US, safe=False)
        return self._finish(numbers(times, np.int64), ~there(times), np.full(len(times), naive), series)

    def _of_numbers(self, values: pa.Array, whole: Int64Array | None) -> Times:
        missing = ~there(values)
        count = np.where(missing, np.nan, numbers(values, np.float64))
        missing |= ~np.isfinite(count)
        unit = self._unit(np.abs(count[~missing]))
        with np.errstate(invalid="ignore"):
            exact = whole is not None and EPOCHS[unit] >= 1
            times = whole * int(EPOCHS[unit]) if exact and whole is not None else np.rint(count * EPOCHS[unit])
            beyond = ~(np.abs(count * EPOCHS[unit]) < 9e18)
        time_us = np.where(missing | beyond, NO_TIME, times).astype(np.int64)
        return Times(time_us, missing | beyond, np.zeros(len(values), np.bool_))

    def _unit(self, sizes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
        if self.format not in EPOCHS:
            if self.format is not None:
                raise UsageError(
                    f"cannot read the times as {self.format!r}: they are numbers; wanted --time-format "
                    f"{', '.join(EPOCHS)}"
                )
            size = float(np.median(sizes)) if len(sizes) else 0.0
            self.format = next(unit for unit, largest in _LARGEST if size <= largest)
        return self.format

    def _of_texts(self, texts: pa.Array, series: Int32Array) -> Times:
        texts = pc.utf8_trim_whitespace(texts)
        if self.format in EPOCHS or (self.format is None and _all_match(texts, _NUMBER)):
            values = cast_each(texts, pa.float64(), float)
            whole = cast_each(texts, pa.int64(), int) if not pc.any(pc.match_substring(texts, ".")).as_py() else None
            return self._of_numbers(values, None if whole is None else numbers(whole.fill_null(0), np.int64))
        if self.format is not None:
            return self._of_format(texts, series, self.format)
        with_offset = mask(pc.match_substring_regex(texts, _HAS_OFFSET))
        time_us = np.full(len(texts), NO_TIME, np.int64)
        for rows, type_, one in (
            (np.flatnonzero(with_offset), _UTC_US, _iso_with_offset),
            (np.flatnonzero(~with_offset), _NAIVE_US, _iso_local),
        ):
            if len(rows):
                part = cast_each(take(texts, rows), type_, one)
                time_us[rows] = np.where(there(part), numbers(part, np.int64), NO_TIME)
        return self._finish(time_us, time_us == NO_TIME, ~with_offset, series)

    def _of_format(self, texts: pa.Array, series: Int32Array, format_: str) -> Times:
        """As ``strptime`` reads them; each text that differs once, because Python reads them one by one."""
        codes = texts.dictionary_encode()
        moments = [_strptime(text, format_) for text in codes.dictionary.to_pylist()]
        zoned = np.array([moment is not None and moment.tzinfo is not None for moment in moments], np.bool_)
        values = np.array([_us_of(moment) for moment in moments], np.int64)
        if not len(values):
            return self._finish(
                np.full(len(texts), NO_TIME), np.ones(len(texts), np.bool_), np.zeros(len(texts), np.bool_), series
            )
        index = numbers(codes.indices.fill_null(0), np.int32)
        time_us = np.where(there(texts), values[index], NO_TIME)
        return self._finish(time_us, time_us == NO_TIME, ~zoned[index], series)

    def _finish(self, time_us: Int64Array, unreadable: BoolArray, naive: BoolArray, series: Int32Array) -> Times:
        """Local times to UTC."""
        time_us = np.where(unreadable, NO_TIME, time_us)
        skipped = np.zeros(len(time_us), np.bool_)
        rows = np.flatnonzero(naive & ~unreadable)
        self.local += len(rows)
        if len(rows):
            time_us[rows], skipped[rows] = self.clock.to_utc(time_us[rows], series[rows])
        return Times(time_us, unreadable, skipped)


def _iso_with_offset(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return _us_of(moment)


def _iso_local(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return _us_of(moment)


def _strptime(text: str, format_: str) -> datetime | None:
    try:
        return datetime.strptime(text, format_)  # noqa: DTZ007 - a time without a zone is one of the import's zone
    except ValueError:
        return None


def _us_of(moment: datetime | None) -> int:
    """Microseconds since 1970: UTC, or local for a time without a zone."""
    if moment is None:
        return NO_TIME
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _whole(values: pa.Array) -> Int64Array | None:
    """Whole numbers as they are: a double would round nanoseconds."""
    if not pa.types.is_integer(values.type):
        return None
    result: Int64Array = numbers(values.cast(pa.int64(), safe=False).fill_null(0), np.int64)
    return result


def _all_match(texts: pa.Array, pattern: str) -> bool:
    known = texts.drop_null()
    return len(known) > 0 and bool(pc.all(pc.match_substring_regex(known.slice(0, 1000), pattern)).as_py())
