"""A tag as a column of a wide export: its type, what Parquet keeps about it, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import EXACT_LIMIT
from historian.retrieval.questions.bounding import ValuesAt
from historian.retrieval.series import Series
from storage.arrays import chosen_texts, column

KEPT: Final = ("units", "description", "source", "address", "value_type", "enumeration", "exc_dev", "comp_dev")
"""What is told about a tag."""


def about(tag: Mapping[str, Any]) -> dict[str, str]:
    """What a file tells about a tag, a row of the tag list: texts by name, without what is not known."""
    told = {name: str(tag[name]) for name in KEPT if tag[name] not in {None, ""}}
    return told | {"between_samples": "interpolated" if is_line(tag) else "held"}


def is_line(tag: Mapping[str, Any]) -> bool:
    """True when a value lies on the line between two samples; else the sample before holds."""
    return not tag["is_step"] and tag["value_type"] not in {"text", "bool"}


def tag_field(tag: Mapping[str, Any]) -> pa.Field:
    """The column of a tag, a row of the tag list."""
    return pa.field(str(tag["tag"]), pa.float64() if is_line(tag) else _held_type(tag), metadata=about(tag))


def _held_type(tag: Mapping[str, Any]) -> pa.DataType:
    """The type that keeps what is held exactly."""
    kind = tag["value_type"]
    if kind == "text":
        return pa.string()
    scaled = tag["scale"] not in {None, 1.0} or tag["offset"] not in {None, 0.0}
    if scaled or kind in {None, "float32", "float64"}:
        return pa.float64()
    if kind == "bool":
        return pa.bool_()
    return pa.uint64() if kind == "uint64" else pa.int64()


def values_of(type_: pa.DataType, series: Series, found: ValuesAt) -> pa.Array:
    """``found`` of one tag as a column of ``type_``, null where there is no value of it."""
    if pa.types.is_string(type_):
        return _texts(series, found)
    missing = np.isnan(found.value)
    if pa.types.is_integer(type_):
        return _whole(type_, series, found)
    if pa.types.is_boolean(type_):
        return column(found.value == 1.0, pa.bool_(), missing=missing)
    return column(found.value, pa.float64(), missing=missing)


def _texts(series: Series, found: ValuesAt) -> pa.Array:
    """Loops over the different samples, of which a text that holds is one."""
    rows, place = np.unique(found.row, return_inverse=True)
    return chosen_texts([series.text.get(row) for row in rows.tolist()], place)


def _whole(type_: pa.DataType, series: Series, found: ValuesAt) -> pa.Array:
    """Numbers that a double would round are few: a loop over the different ones of them."""
    exact = (np.abs(found.value) <= EXACT_LIMIT) & (found.value == np.trunc(found.value))
    dtype = np.dtype(str(type_))
    whole = np.where(exact, found.value, 0.0).astype(dtype)
    for row in np.unique(found.row[np.isin(found.row, np.fromiter(series.exact, np.intp, len(series.exact)))]).tolist():
        mine = found.row == row
        whole[mine] = series.exact[row]
        exact |= mine
    return column(whole, type_, missing=~exact)
