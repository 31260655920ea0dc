"""DataValues as they were sent, in columns: numbers by numpy, texts one by one, what is rare by the library.

What becomes of them is decided in :mod:`collectors.opcua.values`; here nothing is judged.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from asyncua import ua
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from collectors.opcua.layout import (
    HAS_SERVER_TIME,
    HAS_SOURCE_TIME,
    HAS_STATUS,
    LENGTH_BYTES,
    STRING,
    Layout,
    find_layout,
    place_in_tail,
)
from historian.model.samples import EXACT_LIMIT, FloatArray, IndexArray, Int64Array, UInt32Array

NO_VALUE: Final = 0
"""Kind of what has no value: built-in type Null, a null text or time."""

NOT_STORABLE: Final = 63
"""Kind of what is no scalar that can be stored: arrays, structures, bytes."""

_FILETIME_US: Final = 11_644_473_600_000_000
"""Microseconds from 1601, where OPC UA counts from, to 1970."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NULL_TIME: Final = datetime(1601, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_END_OF_TIME_US: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND

_DTYPES: Final = {
    1: "u1", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8",
    19: "<u4",
}  # fmt: skip
"""By built-in type, how numpy reads it."""

_NULL_LENGTH: Final = b"\xff\xff\xff\xff"
_BOOLEAN: Final = 1
_WIDE: Final = (8, 9)


@dataclass(frozen=True, slots=True)
class DataValues:
    """``n`` DataValues.

    ``value`` float64[n], NaN without a number; ``status`` uint32[n]; ``source_us``, ``server_us`` int64[n],
    microseconds since 1970, 0 where there is none, before 1970 and at the end of time (year 9999); ``kind`` uint8[n]:
    the built-in type of the value, :data:`NO_VALUE` or :data:`NOT_STORABLE`; ``exact`` (whole numbers that a double
    rounds) and ``text`` by row.
    """

    value: FloatArray
    status: UInt32Array
    source_us: Int64Array
    server_us: Int64Array
    kind: NDArray[np.uint8]
    exact: dict[int, int] = field(default_factory=dict)
    text: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.value)

    @classmethod
    def blank(cls, count: int) -> DataValues:
        """So many without value, status and times."""
        return cls(
            np.full(count, np.nan), np.zeros(count, np.uint32), np.zeros(count, np.int64), np.zeros(count, np.int64),
            np.zeros(count, np.uint8),
        )  # fmt: skip

    @classmethod
    def refusal(cls, status: int) -> DataValues:
        """One of this status, without a value."""
        one = cls.blank(1)
        one.status[0] = status
        return one

    def take(self, rows: IndexArray) -> DataValues:
        """The DataValues at ``rows`` (intp[m], strictly increasing)."""
        return DataValues(
            self.value[rows], self.status[rows], self.source_us[rows], self.server_us[rows], self.kind[rows],
            _renumbered(self.exact, rows), _renumbered(self.text, rows),
        )  # fmt: skip


def concatenated(parts: Sequence[DataValues]) -> DataValues:
    """All of ``parts`` (at least one), one after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    # Loops over texts and large whole numbers, which are few.
    exact = {start + row: it for start, part in zip(starts, parts, strict=False) for row, it in part.exact.items()}
    text = {start + row: it for start, part in zip(starts, parts, strict=False) for row, it in part.text.items()}
    return DataValues(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.status for part in parts]),
        np.concatenate([part.source_us for part in parts]),
        np.concatenate([part.server_us for part in parts]),
        np.concatenate([part.kind for part in parts]),
        exact,
        text,
    )


class Decoder:
    """Decodes the answers of one request, remembering where its values lay."""

    def __init__(self) -> None:
        self._layout: Layout | None = None

    def decode(self, body: bytes, start: int, count: int, lead: int = 0) -> tuple[DataValues, Layout]:
        """``count`` DataValues of ``body`` from ``start`` on, with ``lead`` bytes before each.

        Raises what the library raises for bytes that are none: UaError, IndexError, struct.error and others.
        """
        if count > len(body):
            raise UaError(f"cannot decode an answer: got {len(body)} bytes for {count} values")
        octets = np.frombuffer(body, np.uint8)
        layout = self._layout
        if layout is None or not layout.fits(octets, start, count, lead):
            layout = self._layout = find_layout(body, start, count, lead)
        values = DataValues.blank(count)
        for key, rows in layout.groups:
            _fill(values, body, rows, key, (start + layout.at[rows], start + layout.tail_at[rows]))
        for row, variant in layout.odd.items():
            _put(values, row, variant)
        return values, layout


def read_count(body: bytes, place: int) -> int:
    """The length of an array whose elements follow ``place`` + :data:`LENGTH_BYTES`; 0 for a null one."""
    return max(0, int(struct.unpack_from("<i", body, place)[0]))


def column(body: bytes, dtype: str, at: IndexArray) -> NDArray[Any]:
    """What lies at each of the places ``at`` (intp[m]) of ``body``, which need not be aligned."""
    size = np.dtype(dtype).itemsize
    # A view in which each element begins one byte behind the one before.
    return np.ndarray((max(0, len(body) - size + 1),), dtype, body, 0, (1,))[at]


def microseconds(filetime: Int64Array) -> Int64Array:
    """Microseconds since 1970 of OPC UA times; 0 for one before 1970 and for the end of time (year 9999)."""
    time_us: Int64Array = filetime // 10 - _FILETIME_US
    time_us[(time_us < 0) | (time_us >= _END_OF_TIME_US)] = 0
    return time_us


def microseconds_of(time: datetime) -> int:
    """The same of a time as the library decodes it."""
    time_us = (time - _EPOCH) // _MICROSECOND
    return time_us if 0 <= time_us < _END_OF_TIME_US else 0


def _fill(
    values: DataValues, body: bytes, rows: IndexArray, key: int, places: tuple[IndexArray, IndexArray]
) -> None:
    """Put in ``rows``, which all have the same mask and type; where each begins, and what is behind its value."""
    mask, kind = key & 0xFF, key >> 8
    at, tail_at = places
    if kind == STRING:
        _fill_texts(values, body, at, tail_at, rows)
    elif kind in _DTYPES:
        values.kind[rows] = kind
        _fill_numbers(values, column(body, _DTYPES[kind], at + 2), rows, kind)
    if mask & HAS_STATUS:
        values.status[rows] = column(body, "<u4", tail_at + place_in_tail(mask, HAS_STATUS))
    if mask & HAS_SOURCE_TIME:
        values.source_us[rows] = microseconds(column(body, "<i8", tail_at + place_in_tail(mask, HAS_SOURCE_TIME)))
    if mask & HAS_SERVER_TIME:
        values.server_us[rows] = microseconds(column(body, "<i8", tail_at + place_in_tail(mask, HAS_SERVER_TIME)))


def _fill_numbers(values: DataValues, numbers: NDArray[Any], rows: IndexArray, kind: int) -> None:
    if kind == _BOOLEAN:
        numbers = numbers != 0
    with np.errstate(invalid="ignore"):  # a signalling NaN is one too
        value: FloatArray = numbers.astype(np.float64)
    values.value[rows] = value
    if kind in _WIDE:
        # A loop over the whole numbers that a double may round, which are few.
        for place in np.flatnonzero(np.abs(value) >= EXACT_LIMIT).tolist():
            whole = int(numbers[place])
            if int(value[place]) != whole:
                values.exact[int(rows[place])] = whole


def _fill_texts(values: DataValues, body: bytes, at: IndexArray, tail_at: IndexArray, rows: IndexArray) -> None:
    # A loop over texts, each of which is an object of its own.
    for row, place, end in zip(rows.tolist(), (at + 2).tolist(), tail_at.tolist(), strict=True):
        if body[place : place + LENGTH_BYTES] != _NULL_LENGTH:
            values.kind[row] = STRING
            values.text[row] = body[place + LENGTH_BYTES : end].decode("utf-8", "replace")


def _put(values: DataValues, row: int, variant: ua.Variant) -> None:
    """Put in a value that the library has decoded."""
    convert = None if variant.is_array else _CONVERTERS.get(type(variant.Value))
    if convert is None:
        values.kind[row] = NOT_STORABLE
        return
    plain = convert(variant.Value)
    if plain is not None:
        values.kind[row] = variant.VariantType.value
        values.text[row] = plain


def _localized(text: ua.LocalizedText) -> str | None:
    return None if text.Text is None else _well_formed(text.Text)


def _well_formed(text: str) -> str:
    """``text`` with U+FFFD for what is not UTF-8: the library makes surrogates of that, which cannot be stored."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _iso(time: datetime) -> str | None:
    """ISO 8601 in UTC with microseconds; None for the null DateTime (OPC 10000-6, 5.2.2.5)."""
    if time <= _NULL_TIME:
        return None
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_CONVERTERS: Final[Mapping[type, Callable[[Any], str | None]]] = {
    type(None): lambda _: None,
    str: _well_formed,
    ua.LocalizedText: _localized,
    datetime: _iso,
    UUID: str,
    ua.QualifiedName: lambda name: _well_formed(f"{name.NamespaceIndex}:{name.Name}"),
}
"""Scalars that numpy does not decode: to a text, or None for no value."""


def _renumbered(extras: Mapping[int, Any], rows: IndexArray) -> dict[int, Any]:
    if not extras:
        return {}
    return {new: extras[old] for new, old in enumerate(rows.tolist()) if old in extras}


