"""Samples as Arrow columns: the one layout of buffer, archive and query results.

Between :mod:`historian.model.samples` (numpy, NaN where there is no value) and Arrow (null where there is none), because a
NaN would poison every average somebody takes over a plain Parquet file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import Samples

TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
INT_TYPE: Final = pa.decimal128(20, 0)
"""Holds every whole number from int64's smallest to uint64's largest."""

SAMPLE_SCHEMA: Final = pa.schema([
    pa.field("tag_id", pa.int32(), nullable=False),
    pa.field("time", TIME_TYPE, nullable=False),
    pa.field("value", pa.float64()),
    pa.field("value_int", INT_TYPE),
    pa.field("value_text", pa.string()),
    pa.field("status", pa.int32(), nullable=False),
])


def to_batch(samples: Samples) -> pa.RecordBatch:
    """The columns of SAMPLE_SCHEMA; ``value_int`` and ``value_text`` only where there is anything in them."""
    without = np.isnan(samples.value)
    columns = {
        "tag_id": pa.array(samples.tag_id, pa.int32()),
        "time": pa.array(samples.time_us, pa.int64()).view(TIME_TYPE),
        "value": pa.array(samples.value, pa.float64(), mask=without if without.any() else None),
        "status": pa.array(samples.status.view(np.int32), pa.int32()),
    }
    if samples.exact:
        whole = {row: Decimal(number) for row, number in samples.exact.items()}
        columns["value_int"] = _sparse(whole, len(samples), INT_TYPE)
    if samples.text:
        columns["value_text"] = _sparse(samples.text, len(samples), pa.string())
    fields = [field for field in SAMPLE_SCHEMA if field.name in columns]
    return pa.RecordBatch.from_arrays([columns[field.name] for field in fields], schema=pa.schema(fields))


def _sparse(extras: Mapping[int, object], length: int, type_: pa.DataType) -> pa.Array:
    """``extras`` by row, null elsewhere, without a Python loop over the rows that have none."""
    index = np.zeros(length, np.int64)
    missing = np.ones(length, np.bool_)
    rows = np.fromiter(extras, np.intp, len(extras))
    index[rows] = np.arange(len(rows))
    missing[rows] = False
    return pa.array(list(extras.values()), type_).take(pa.array(index, mask=missing))


def complete(table: pa.Table) -> pa.Table:
    """``table`` with every column of SAMPLE_SCHEMA, nulls where it had none, and no others."""
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in SAMPLE_SCHEMA
    ]
    return pa.table(columns, schema=SAMPLE_SCHEMA)


def concatenate(tables: list[pa.Table]) -> pa.Table:
    """All rows of tables that are complete, one after the other."""
    return pa.concat_tables(tables) if tables else SAMPLE_SCHEMA.empty_table()


def to_samples(table: pa.Table) -> Samples:
    """The way back.  Loops over texts and large whole numbers only, which are few."""
    return Samples(
        numpy_of(table, "tag_id").astype(np.int32, copy=False),
        times_us(table, "time"),
        table.column("value").fill_null(np.nan).to_numpy().astype(np.float64, copy=False),
        numpy_of(table, "status").astype(np.int32, copy=False).view(np.uint32),
        {row: int(number) for row, number in _extras(table, "value_int")},
        {row: str(text) for row, text in _extras(table, "value_text")},
    )


def numpy_of(table: pa.Table, name: str) -> Any:  # noqa: ANN401 - the array's type is that of the column
    """A column without nulls as a numpy array."""
    return table.column(name).to_numpy()


def times_us(table: pa.Table, name: str) -> Any:  # noqa: ANN401 - int64[n], which pyarrow cannot say
    """A column of times as int64 microseconds."""
    return table.column(name).cast(pa.int64()).to_numpy()


def _extras(table: pa.Table, name: str) -> list[tuple[int, Any]]:
    if name not in table.column_names or table.column(name).null_count == len(table):
        return []
    column = table.column(name)
    rows = np.flatnonzero(column.is_valid().to_numpy())
    return list(zip(rows.tolist(), column.drop_null().to_pylist(), strict=True))
