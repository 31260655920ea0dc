"""The columns of a wide export: name, type and what Parquet keeps about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, IndexArray
from storage.arrays import column

if TYPE_CHECKING:
    from historian.retrieval.neighbours import Points

_KEPT: Final = ("units", "description", "source", "address", "value_type", "enumeration")
"""What a field's metadata says about its tag."""


@dataclass(frozen=True, slots=True)
class WideColumn:
    """One tag as a column.  ``is_line``: a value lies on the line between two samples; else the sample before holds."""

    tag: str
    tag_id: int
    field: pa.Field
    is_line: bool

    def take(self, points: Points, rows: IndexArray, valid: BoolArray) -> pa.Array:
        """The values of the samples ``rows``, null where not ``valid``, exactly and as the column's type."""
        index = column(rows.astype(np.int64), pa.int64(), missing=~valid)
        if pa.types.is_string(self.field.type):
            return points.text.take(index)
        if pa.types.is_integer(self.field.type):
            return points.whole.take(index).cast(self.field.type)
        value = points.value[rows]
        missing = ~valid | np.isnan(value)
        if pa.types.is_boolean(self.field.type):
            return column(value == 1.0, pa.bool_(), missing=missing)
        return column(value, pa.float64(), missing=missing)


def wide_columns(metadata: pa.Table) -> list[WideColumn]:
    """Columns for the tags of ``metadata``, rows of the tag list."""
    return [_column(row) for row in metadata.to_pylist()]


def _column(row: dict[str, object]) -> WideColumn:
    is_line = not row["is_step"] and row["value_type"] not in {"text", "bool"}
    kept = {name: str(row[name]) for name in _KEPT if row[name]}
    kept["between_samples"] = "interpolated" if is_line else "held"
    field = pa.field(str(row["tag"]), pa.float64() if is_line else _held_type(row), metadata=kept)
    return WideColumn(str(row["tag"]), int(str(row["tag_id"])), field, is_line)


def _held_type(row: dict[str, object]) -> pa.DataType:
    """The type that keeps what is held exactly."""
    kind = row["value_type"]
    if kind == "text":
        return pa.string()
    scaled = row["scale"] not in {None, 1.0} or row["offset"] not in {None, 0.0}
    if scaled or kind in {None, "float32", "float64"}:
        return pa.float64()
    if kind == "bool":
        return pa.bool_()
    return pa.uint64() if kind == "uint64" else pa.int64()
