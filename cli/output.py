"""Results in the formats people ask for: a table to read, CSV, JSON, Parquet, Arrow.

All but the table stream: one batch is in memory at a time, whatever the size of the result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any, BinaryIO, Final, TypeAlias

import pyarrow as pa

from historian.errors import UsageError

Batches: TypeAlias = Iterator[pa.RecordBatch]
Writer: TypeAlias = Callable[[pa.Schema, Batches, BinaryIO], int]
"""Writes all batches and returns the number of rows."""


def write_csv(schema: pa.Schema, batches: Batches, file: BinaryIO) -> int:
    """RFC 4180 with a line of names; times as ISO 8601, text quoted where it must be, nothing for NULL."""
    # Imported here, because only this format needs it.
    from pyarrow import csv  # noqa: PLC0415 - as above

    columns = pa.schema([pa.field(field.name, csv_type(field.type)) for field in schema])
    options = csv.WriteOptions(quoting_style="needed")
    rows = 0
    with csv.CSVWriter(file, columns, write_options=options) as writer:
        for batch in batches:
            writer.write_batch(to_plain(batch, columns))
            rows += batch.num_rows
    return rows


def csv_type(type_: pa.DataType) -> pa.DataType:
    """What a column becomes in CSV: numbers, texts and truth values stay, everything else is text."""
    plain = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_)
    return type_ if plain or pa.types.is_decimal(type_) else pa.string()


def to_plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """``batch`` with its columns as the types of ``schema``, times and everything nested as text."""
    columns = [
        column if column.type == field.type else as_text(column)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_text(column: pa.Array) -> pa.Array:
    """A column as text; times as 2026-11-22T06:00:00.000000Z, in the column's zone."""
    if pa.types.is_timestamp(column.type):
        return times_as_text(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    # A loop over values: durations, lists and other types that no sample has.
    return pa.array([None if value is None else scalar_text(value) for value in column.to_pylist()], pa.string())


def times_as_text(column: pa.Array) -> pa.Array:
    """ISO 8601 with the offset, Z for UTC; without one where the column has no zone."""
    # Imported here, because a table does not need it and a third of a quick query's time would go into it.
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    zone = column.type.tz
    if zone in {None, "UTC"}:
        # As if without a zone, which needs no database of zones (Windows has none).
        naive = column.cast(pa.timestamp(column.type.unit))
        return pc.strftime(naive, "%Y-%m-%dT%H:%M:%S" + ("Z" if zone else ""))
    return pc.strftime(column, "%Y-%m-%dT%H:%M:%S%Ez")


def scalar_text(value: object) -> str:
    """One value of an unusual type: dates and times in ISO 8601, bytes in hex, lists and structures as JSON."""
    if isinstance(value, pa.MonthDayNano):
        return interval_text(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def interval_text(value: pa.MonthDayNano) -> str:
    """The difference of two times as DuckDB writes it: ``1 year 2 months 3 days 00:00:32.147434``."""
    years, months = divmod(abs(value.months), 12)
    sign = -1 if value.months < 0 else 1
    parts = [(sign * years, "year"), (sign * months, "month"), (value.days, "day")]
    words = [f"{number} {unit}{'' if abs(number) == 1 else 's'}" for number, unit in parts if number]
    if value.nanoseconds or not words:
        words.append(_clock_text(value.nanoseconds // 1000))
    return " ".join(words)


def _clock_text(duration_us: int) -> str:
    seconds, fraction = divmod(abs(duration_us), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    behind = f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"{'-' if duration_us < 0 else ''}{hours:02d}:{minutes:02d}:{seconds:02d}{behind}"


def write_json(schema: pa.Schema, batches: Batches, file: BinaryIO) -> int:
    """One JSON array of objects, a row a line; times as text, NaN and infinities null, because JSON has none."""
    names = schema.names
    rows = 0
    file.write(b"[")
    for batch in batches:
        lines = [json.dumps(row, ensure_ascii=False, default=str) for row in _json_rows(names, batch)]
        file.write((",\n" if rows else "\n").encode() + ",\n".join(lines).encode())
        rows += batch.num_rows
    file.write(b"\n]\n")
    return rows


def _json_rows(names: list[str], batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [_json_column(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _json_column(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return list(times_as_text(column).to_pylist())
    return [_json_value(value) for value in column.to_pylist()]


def _json_value(value: object) -> object:
    if isinstance(value, pa.MonthDayNano):
        return interval_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.hex() if isinstance(value, bytes) else value


def write_parquet(schema: pa.Schema, batches: Batches, file: BinaryIO) -> int:
    """One Parquet file, zstd, a row group a batch."""
    # Imported here, because only this format needs it.
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    rows = 0
    with _refusing_types(), pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def write_arrow(schema: pa.Schema, batches: Batches, file: BinaryIO) -> int:
    """One Arrow IPC file (Feather 2)."""
    rows = 0
    with pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


class _refusing_types:  # noqa: N801 - used like a function
    """Says in our words that a format has no place for some type."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowNotImplementedError | pa.ArrowInvalid):
            raise UsageError(
                f"cannot write Parquet: {error}; cast the column to another type, or use another format"
            ) from error


WRITERS: Final[dict[str, Writer]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
BINARY: Final = frozenset({"parquet", "arrow"})
"""Formats that a terminal cannot show."""
