"""Small bridges between one Arrow array and numpy that the parsers here share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from historian.model.samples import BoolArray, IndexArray, Int32Array
from storage.arrays import column, numpy_of, present

_LOOP: Final = 64
"""So few texts, one of which cannot be read, are read one by one; more are halved first."""


def numbers(values: pa.Array, dtype: DTypeLike) -> NDArray[Any]:
    """The numbers of an array of that width; what is at the place of a null is not defined.  Not to be written to."""
    result: NDArray[Any] = numpy_of(pa.chunked_array([values]), dtype)
    return result


def there(values: pa.Array) -> BoolArray:
    """bool[n]: not null."""
    return present(pa.chunked_array([values]))


def mask(values: pa.Array) -> BoolArray:
    """Booleans, False where null."""
    return there(values) & numbers(values, np.bool_) if values.null_count else numbers(values, np.bool_)


def take(values: pa.Array, rows: IndexArray) -> pa.Array:
    """The values at ``rows``; itself when that is all of them."""
    return values if len(rows) == len(values) else values.take(column(rows.astype(np.int64), pa.int64()))


def distinct(series: Int32Array) -> IndexArray:
    """The small whole numbers from 0 up that come in ``series``, in order; np.unique takes ten times as long."""
    return np.flatnonzero(np.bincount(series))


def plain(values: pa.Array) -> pa.Array:
    """Without dictionary; a column of nothing is one of texts."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values.cast(pa.string()) if pa.types.is_null(values.type) else values


def cast_each(texts: pa.Array, type_: pa.DataType, one: Callable[[str], object]) -> pa.Array:
    """``texts`` as ``type_``, null where that cannot be.

    All at once where all can be read; else in halves, and the last few one by one by ``one``, which raises ValueError
    for what it cannot read.
    """
    try:
        return texts.cast(type_)
    except pa.ArrowInvalid:
        if len(texts) > _LOOP:
            half = len(texts) // 2
            return pa.concat_arrays([cast_each(texts[:half], type_, one), cast_each(texts[half:], type_, one)])
    return pa.array([_or_none(one, text) for text in texts.to_pylist()], type_)


def _or_none(one: Callable[[str], object], text: str | None) -> object:
    if text is None:
        return None
    try:
        return one(text)
    except (ValueError, OverflowError):
        return None
