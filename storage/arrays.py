"""Arrow arrays from numpy arrays and back by their buffers.

``pa.array``, ``to_numpy`` and ``empty_table`` do the same, but import pandas wherever that is installed, only to ask
whether an object is one of its own: 0.4 s of start-up and 40 MB that no command here needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from historian.model.samples import BoolArray

_DECIMAL_BYTES: Final = 16


def column(values: NDArray[Any], type_: pa.DataType, *, missing: BoolArray | None = None) -> pa.Array:
    """An array of ``values``, whose memory it shares; ``missing`` bool[n]: null there.  The widths must agree."""
    data = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    return pa.Array.from_buffers(type_, len(values), [_validity(missing), pa.py_buffer(data)])


def _validity(missing: BoolArray | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def text_column(texts: Sequence[str | None]) -> pa.Array:
    """An array of texts."""
    missing = _missing(texts)
    present = texts if missing is None else ["" if text is None else text for text in texts]
    data, lengths = _encoded(present)  # type: ignore[arg-type]  # none of them is None
    ends = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    return pa.Array.from_buffers(
        pa.string(), len(texts), [_validity(missing), pa.py_buffer(ends), pa.py_buffer(data)]
    )  # fmt: skip


def _encoded(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """All texts as one in UTF-8, and the bytes of each."""
    whole = "".join(texts)
    if whole.isascii():
        return whole.encode(), list(map(len, texts))
    encoded = [text.encode() for text in texts]
    return b"".join(encoded), list(map(len, encoded))


def _missing(values: Sequence[Any]) -> BoolArray | None:
    """bool[n]: None stands there; None for none at all, which is seen at once."""
    return np.array([value is None for value in values], np.bool_) if None in values else None


def chosen_texts(texts: Sequence[str | None], place: NDArray[np.integer[Any]]) -> pa.Array:
    """An array of the texts at ``place`` int[n] among a few ``texts``."""
    return text_column(texts).take(column(place.astype(np.int64, copy=False), pa.int64()))


def whole_numbers(numbers: Sequence[int], type_: pa.DataType) -> pa.Array:
    """Python integers as decimals without a fraction."""
    data = b"".join(number.to_bytes(_DECIMAL_BYTES, "little", signed=True) for number in numbers)
    return pa.Array.from_buffers(type_, len(numbers), [None, pa.py_buffer(data)])


def column_of(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """An array of Python objects, null for None: texts, numbers, booleans, times as numbers."""
    if pa.types.is_string(type_):
        return text_column(values)
    missing = _missing(values)
    filled = values if missing is None else [0 if value is None else value for value in values]
    return column(np.array(filled, _dtype(type_)), type_, missing=missing)


def empty_table(schema: pa.Schema) -> pa.Table:
    """A table of no rows."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _dtype(type_: pa.DataType) -> DTypeLike:
    if pa.types.is_timestamp(type_):
        return np.int64
    return np.bool_ if pa.types.is_boolean(type_) else np.dtype(str(type_).replace("double", "float64"))


def numpy_of(values: pa.ChunkedArray, dtype: DTypeLike) -> Any:  # noqa: ANN401 - an array of ``dtype``
    """A column as a numpy array of the same width, which shares its memory where that is in one piece.

    What is at the place of a null is not defined.
    """
    pieces = [_piece(chunk, np.dtype(dtype)) for chunk in values.chunks if len(chunk)]
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)


def _piece(chunk: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    buffer = chunk.buffers()[1]
    if dtype == np.bool_:
        return _bits(buffer, chunk)
    return np.frombuffer(buffer, dtype, len(chunk), chunk.offset * dtype.itemsize)


def _bits(buffer: pa.Buffer, chunk: pa.Array) -> BoolArray:
    end = chunk.offset + len(chunk)
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=end, bitorder="little")[chunk.offset :].astype(np.bool_)


def present(values: pa.ChunkedArray) -> BoolArray:
    """bool[n]: not null."""
    pieces = [_present(chunk) for chunk in values.chunks if len(chunk)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.bool_)


def _present(chunk: pa.Array) -> BoolArray:
    buffer = chunk.buffers()[0]
    return np.ones(len(chunk), np.bool_) if buffer is None else _bits(buffer, chunk)
