"""Columns of values to samples' values: numbers, whole numbers beyond 2^53, booleans, text, and what is missing.

What a value may be depends on its tag's type; a tag that has none yet gets the one its first values show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from historian.errors import UsageError
from historian.importing.arrow import cast_each, distinct, mask, numbers, plain, take, there
from historian.importing.tag_book import Kind, TagBook
from historian.model.samples import EXACT_LIMIT, BoolArray, FloatArray, IndexArray, Int32Array
from historian.model.tag import ValueType

NO_VALUE_WORDS: Final = (
    "",
    "null",
    "nan",
    "na",
    "n/a",
    "#n/a",
    "#na",
    "none",
    "nil",
    "-nan",
    "1.#qnan",
    "-1.#ind",
    "\\n",
)
"""Words for no value, in small letters; in text tags only the empty one."""

_TRUE: Final = ("true", "yes", "on", "1", "1.0")
_FALSE: Final = ("false", "no", "off", "0", "0.0")
_WHOLE: Final = r"^[+-]?\d+$"
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?$"

_TYPES: Final = {
    "int8": ValueType.INT16,
    "uint8": ValueType.UINT16,
    "int16": ValueType.INT16,
    "uint16": ValueType.UINT16,
    "int32": ValueType.INT32,
    "uint32": ValueType.UINT32,
    "int64": ValueType.INT64,
    "uint64": ValueType.UINT64,
    "bool": ValueType.BOOL,
    "halffloat": ValueType.FLOAT32,
    "float": ValueType.FLOAT32,
    "double": ValueType.FLOAT64,
}
"""Type of a new tag by that of its column; texts are looked into."""


@dataclass(frozen=True, slots=True)
class Values:
    """``n`` values.

    ``value`` float64[n], NaN for text and where there is none; ``missing``: the file has no value; ``unreadable``: it
    has one that the tag's type does not allow.  ``exact`` and ``text`` by row as in
    :class:`~historian.model.samples.Samples`.
    """

    value: FloatArray
    missing: BoolArray
    unreadable: BoolArray
    exact: dict[int, int]
    text: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Cells:
    """A column before the tags' types are known.  ``texts`` is what the cells say, for those that are text."""

    source: pa.Array
    number: FloatArray
    is_number: BoolArray
    empty: BoolArray
    no_value: BoolArray
    texts: pa.Array | None


def read_values(values: pa.Array, series: Int32Array, book: TagBook, *, decimal_comma: bool = False) -> Values:
    """The values of one batch of one column; ``series`` int32[n] says whose they are.

    Raises UsageError for a column of a kind that cannot be values.
    """
    values = plain(values)
    cells = _text_cells(values, decimal_comma=decimal_comma) if _is_text(values.type) else _number_cells(values)
    _settle_types(cells, series, book)
    kind = book.kind[series]
    if cells.texts is None and (kind == Kind.NUMBER).all():
        return Values(cells.number, cells.no_value, np.zeros(len(kind), np.bool_), {}, {})
    return _by_kind(cells, series, kind, book)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _number_cells(values: pa.Array) -> _Cells:
    if not (str(values.type) in _TYPES or pa.types.is_decimal(values.type)):
        raise UsageError(
            f"cannot import a column of {values.type}, wanted numbers, booleans or text; leave it out: --skip COLUMN"
        )
    missing = ~there(values)
    doubles = values.cast(pa.float64(), safe=False)
    number: FloatArray = (
        np.where(missing, np.nan, numbers(doubles, np.float64)) if missing.any() else numbers(doubles, np.float64)
    )
    no_value = np.isnan(number)
    return _Cells(values, number, ~no_value, no_value, no_value, None)


def _text_cells(values: pa.Array, *, decimal_comma: bool) -> _Cells:
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    there_, empty = there(texts), mask(pc.equal(texts, ""))
    empty |= ~there_
    written = pc.replace_substring(texts, ",", ".") if decimal_comma else texts
    doubles = _doubles(written)
    is_number = there(doubles)
    number = np.where(is_number, numbers(doubles, np.float64), np.nan)
    is_number &= ~np.isnan(number)
    no_value = empty.copy()
    rest = np.flatnonzero(~is_number & ~empty)
    if len(rest):
        words = pc.utf8_lower(take(texts, rest))
        no_value[rest] = mask(pc.is_in(words, value_set=pa.array(NO_VALUE_WORDS)))
    return _Cells(written if decimal_comma else texts, number, is_number, empty, no_value, texts)


def _doubles(texts: pa.Array) -> pa.Array:
    """Null where a text is no number."""
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(texts, _NUMBER)
        return cast_each(pc.if_else(fits, texts, None), pa.float64(), float)


# -- the types of new tags -------------------------------------------------------------------------------------------


def _settle_types(cells: _Cells, series: Int32Array, book: TagBook) -> None:
    """Give every tag that has no type the one that these values show, and whole tags of files fractions they need."""
    kind = book.kind[series]
    unknown = (kind == Kind.UNKNOWN) & ~cells.no_value
    if unknown.any():
        for one in distinct(series[unknown]).tolist():
            book.set_type(one, _shown_type(cells, np.flatnonzero(unknown & (series == one))))
    whole = (kind == Kind.WHOLE) & cells.is_number & np.isfinite(cells.number)
    if whole.any():
        with_fraction = whole & (cells.number != np.rint(cells.number))
        for one in distinct(series[with_fraction]).tolist():
            if book.may_widen(one):
                book.set_type(one, ValueType.FLOAT64)


def _shown_type(cells: _Cells, rows: IndexArray) -> ValueType:
    if pa.types.is_decimal(cells.source.type) and cells.source.type.scale == 0:
        return _whole_type(cells.number[rows])
    if cells.texts is None:
        return _TYPES.get(str(cells.source.type), ValueType.FLOAT64)
    texts = take(cells.texts, rows)
    if pc.all(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(("true", "false")))).as_py():
        return ValueType.BOOL
    is_number = cells.is_number[rows]
    if 2 * is_number.sum() <= len(rows):
        return ValueType.TEXT
    whole = mask(pc.match_substring_regex(take(texts, np.flatnonzero(is_number)), _WHOLE)).all()
    # From 0 up, whole numbers may be larger than int64 holds: the counters of some devices are.
    return ValueType.FLOAT64 if not whole else _whole_type(cells.number[rows][is_number])


def _whole_type(number: FloatArray) -> ValueType:
    if number.min() >= 0 and number.max() >= 2.0**63:
        return ValueType.UINT64
    return ValueType.INT64 if number.min() >= -(2.0**63) and number.max() < 2.0**63 else ValueType.FLOAT64


# -- values by the kind of their tag ---------------------------------------------------------------------------------


def _by_kind(cells: _Cells, series: Int32Array, kind: Int32Array, book: TagBook) -> Values:
    is_text = kind == Kind.TEXT
    missing = np.where(is_text, cells.empty, cells.no_value)
    value, readable = cells.number.copy(), cells.is_number.copy()
    boolean = np.flatnonzero((kind == Kind.BOOLEAN) & ~missing)
    if len(boolean):
        value[boolean], readable[boolean] = _booleans(cells, boolean)
    _enumerations(cells, series, book, value, readable)
    exact = dict(_exact(cells, np.flatnonzero((kind == Kind.WHOLE) & readable)))
    _check_whole(value, readable, series, book, exact)
    text: dict[int, str] = {}
    rows = np.flatnonzero(is_text & ~missing)
    if len(rows):
        text = dict(zip(rows.tolist(), take(_texts(cells), rows).to_pylist(), strict=True))
        value[rows], readable[rows] = np.nan, True
    value[~readable] = np.nan
    return Values(value, missing, ~readable & ~missing, exact, text)


def _texts(cells: _Cells) -> pa.Array:
    return cells.source.cast(pa.string()) if cells.texts is None else cells.texts


def _booleans(cells: _Cells, rows: IndexArray) -> tuple[FloatArray, BoolArray]:
    if cells.texts is None:
        number = cells.number[rows]
        return number, (number == 0) | (number == 1)
    words = pc.utf8_lower(take(cells.texts, rows))
    true, false = (mask(pc.is_in(words, value_set=pa.array(known))) for known in (_TRUE, _FALSE))
    return true.astype(np.float64), true | false


def _enumerations(cells: _Cells, series: Int32Array, book: TagBook, value: FloatArray, readable: BoolArray) -> None:
    """Texts of enumerations to their codes; a code that the enumeration does not have cannot be read."""
    enumerated = book.enumerated[series]
    if not enumerated.any():
        return
    # A loop over the tags with an enumeration, and in it over the texts of one.
    for one in distinct(series[enumerated]).tolist():
        codes = book.tags[one].enumeration or {}
        rows = np.flatnonzero(series == one)
        if cells.texts is not None:
            texts = take(cells.texts, rows)
            for code, word in codes.items():
                said = rows[mask(pc.equal(texts, word))]
                value[said], readable[said] = code, True
        readable[rows] &= np.isin(value[rows], np.array(list(codes), np.float64))


def _exact(cells: _Cells, rows: IndexArray) -> Iterator[tuple[int, int]]:
    """Whole numbers that a double rounds; a loop over numbers beyond 2^53 only."""
    with np.errstate(invalid="ignore"):
        large = rows[np.abs(cells.number[rows]) >= EXACT_LIMIT]
    for row, found in zip(large.tolist(), take(cells.source, large).to_pylist(), strict=True):
        number = _whole_number(found)
        if number is not None and float(number) != number:
            yield row, number


def _whole_number(found: object) -> int | None:
    """An integer, or a text of one; a double is what it is."""
    if isinstance(found, float):
        return None
    try:
        return int(str(found))
    except ValueError:
        return None


def _check_whole(
    value: FloatArray, readable: BoolArray, series: Int32Array, book: TagBook, exact: dict[int, int]
) -> None:
    """Whole tags take whole numbers that their type holds; infinite ones become Bad later."""
    rows = np.flatnonzero((book.kind[series] == Kind.WHOLE) & readable & np.isfinite(value))
    if not len(rows):
        return
    smallest, largest = book.limits
    number = value[rows]
    fits = (number == np.rint(number)) & (number >= smallest[series[rows]]) & (number <= largest[series[rows]])
    readable[rows] = fits
    for row in rows[~fits].tolist():
        exact.pop(row, None)
