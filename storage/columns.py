"""Samples as Arrow columns: the one layout of buffer, archive and query results.

Between :mod:`historian.model.samples` (numpy, NaN where there is no value) and Arrow (null where there is none): a
NaN would poison every average somebody takes over a plain Parquet file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, FloatArray, Int64Array, Samples
from storage.arrays import column, empty_table, numpy_of, present, text_column, whole_numbers

TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
INT_TYPE: Final = pa.decimal128(20, 0)
"""Holds every whole number from int64's smallest to uint64's largest."""

SAMPLE_SCHEMA: Final = pa.schema(
    [
        pa.field("tag_id", pa.int32(), nullable=False),
        pa.field("time", TIME_TYPE, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("value_int", INT_TYPE),
        pa.field("value_text", pa.string()),
        pa.field("status", pa.int32(), nullable=False),
    ]
)


def to_batch(samples: Samples) -> pa.RecordBatch:
    """The columns of SAMPLE_SCHEMA; ``value_int`` and ``value_text`` only where there is anything in them."""
    columns = {
        "tag_id": column(samples.tag_id.astype(np.int32, copy=False), pa.int32()),
        "time": column(samples.time_us.astype(np.int64, copy=False), TIME_TYPE),
        "value": column(samples.value.astype(np.float64, copy=False), pa.float64(), missing=np.isnan(samples.value)),
        "status": column(samples.status.astype(np.uint32, copy=False).view(np.int32), pa.int32()),
    }
    if samples.exact:
        columns["value_int"] = _sparse(
            samples.exact, whole_numbers(list(samples.exact.values()), INT_TYPE), len(samples)
        )
    if samples.text:
        columns["value_text"] = _sparse(samples.text, text_column(list(samples.text.values())), len(samples))
    fields = [field for field in SAMPLE_SCHEMA if field.name in columns]
    return pa.RecordBatch.from_arrays([columns[field.name] for field in fields], schema=pa.schema(fields))


def _sparse(rows: Mapping[int, object], values: pa.Array, length: int) -> pa.Array:
    """``values`` at the rows that are the keys of ``rows``, null elsewhere, without a Python loop over the nulls."""
    index = np.zeros(length, np.int64)
    missing = np.ones(length, np.bool_)
    places = np.fromiter(rows, np.intp, len(rows))
    index[places] = np.arange(len(places))
    missing[places] = False
    return values.take(column(index, pa.int64(), missing=missing))


NULL_ROWS: Final = 1 << 17
"""Nulls are made for so many rows at most: a column of more has the same ones again, in several chunks."""


def complete(table: pa.Table) -> pa.Table:
    """``table`` with every column of SAMPLE_SCHEMA, nulls where it had none, and no others."""
    columns = [
        table.column(field.name) if field.name in table.column_names else _nulls(field.type, len(table))
        for field in SAMPLE_SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SAMPLE_SCHEMA)


def _nulls(type_: pa.DataType, length: int) -> pa.ChunkedArray:
    """A column of nulls, cut from one that is made once: making them costs more than decoding a batch."""
    many = _many_nulls(type_, min(1 << max(length - 1, 0).bit_length(), NULL_ROWS))
    rest = length % NULL_ROWS
    chunks = [many] * (length // NULL_ROWS) + ([many.slice(0, rest)] if rest else [])
    return pa.chunked_array(chunks, type_)


@lru_cache(maxsize=16)
def _many_nulls(type_: pa.DataType, length: int) -> pa.Array:
    return pa.nulls(length, type_)


def concatenate(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows one after the other, with every column of SAMPLE_SCHEMA, nulls where a table has none.

    Tables of equal columns are joined before they are completed: most of hundreds of batches have no texts.
    """
    runs = [list(run) for _, run in groupby(tables, key=lambda table: table.column_names)]
    return pa.concat_tables([complete(pa.concat_tables(run)) for run in runs]) if runs else empty_table(SAMPLE_SCHEMA)


def to_samples(table: pa.Table) -> Samples:
    """The way back.  Loops over texts and large whole numbers only, which are few."""
    return Samples(
        numpy_of(table.column("tag_id"), np.int32),
        times_us(table),
        values_of(table),
        numpy_of(table.column("status"), np.uint32),
        {row: int(number) for row, number in _extras(table, "value_int")},
        {row: str(text) for row, text in _extras(table, "value_text")},
    )


def times_us(table: pa.Table) -> Int64Array:
    """The times of samples, int64[n] in microseconds."""
    times: Int64Array = numpy_of(table.column("time"), np.int64)
    return times


def values_of(table: pa.Table) -> FloatArray:
    """The values of samples, float64[n], NaN where there is none."""
    values = table.column("value")
    numbers: FloatArray = numpy_of(values, np.float64)
    return np.where(present(values), numbers, np.nan) if values.null_count else numbers


def _extras(table: pa.Table, name: str) -> list[tuple[int, Any]]:
    if name not in table.column_names or table.column(name).null_count == len(table):
        return []
    values = table.column(name)
    there: BoolArray = present(values)
    # One by one, and not by drop_null: that would load Arrow's compute functions, 45 ms of every reader's start.
    return [(row, values[row].as_py()) for row in np.flatnonzero(there).tolist()]
