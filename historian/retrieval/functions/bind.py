"""Makes the table functions known to a DuckDB connection.

A table function is a macro over a scalar function in Python that takes its arguments as one JSON text and gives all
rows as one list of structs: DuckDB 1.5 and 2 both have those, and neither has table functions in Python.  A call whose
arguments are columns of a join comes as many texts at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa
from duckdb import func

from historian.retrieval.functions.catalogue import FUNCTIONS
from historian.retrieval.functions.function import TableFunction
from storage.arrays import column
from storage.reader import StoreSnapshot

if TYPE_CHECKING:
    from historian.retrieval.functions.reading import Reading, Readings
    from historian.retrieval.long_table import VersionsOf

_MACRO: Final = """
create macro {name}({parameters}) as table
select unnest(_{name}(to_json({{{arguments}}})::varchar), recursive := true)"""

_SQL_TYPES: Final = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.uint32(): "UINTEGER",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.decimal128(20, 0): "DECIMAL(20, 0)",
}

_STEP_US: Final = "epoch_us(timestamptz 'epoch' + step::interval)"

BUCKET: Final = f"""
create macro bucket("time", step) as make_timestamptz(
    epoch_us("time") - ((epoch_us("time") % {_STEP_US}) + {_STEP_US}) % {_STEP_US})"""
"""Whole numbers, several times quicker than ``time_bucket``; rounds down also before 1970."""


@dataclass(slots=True)
class Answered:
    """What the functions of a connection answer from: ``snapshot`` changes with that of its views.

    ``versions_of`` gives the versions of tags; ``readings`` are made from it when the first function is called.
    """

    snapshot: StoreSnapshot
    time_zone: str
    versions_of: VersionsOf | None = None
    readings: Readings | None = None

    def read(self) -> Reading:
        """What there is to answer from now."""
        if self.readings is None:
            # Imported here, because most queries call no function.
            from historian.retrieval.functions.reading import Readings  # noqa: PLC0415 - as above

            self.readings = Readings(self.time_zone, versions_of=self.versions_of)
        return self.readings.of(self.snapshot)


def create_functions(connection: duckdb.DuckDBPyConnection, answered: Answered) -> None:
    """Make all table functions and ``bucket`` known to ``connection``."""
    for function in FUNCTIONS:
        connection.create_function(
            f"_{function.name}",
            _answering(function, answered),
            [duckdb.sqltype("VARCHAR")],
            duckdb.sqltype(_list_type(function.columns)),
            type=func.ARROW,
            null_handling=func.SPECIAL,
        )
        connection.execute(_macro(function))
    connection.execute(BUCKET)


def _answering(function: TableFunction, answered: Answered) -> Callable[[pa.ChunkedArray], pa.Array]:
    """What DuckDB calls; of an error it keeps class and text, not the error (see query_errors)."""

    def answer(calls: pa.ChunkedArray) -> pa.Array:
        """A list of rows for each call; equal calls are answered once."""
        texts = calls.to_pylist()
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        tables = function.answer(answered.read(), [json.loads(text) for text in places])
        return _lists([tables[places[text]] for text in texts], function.columns)

    return answer


def _macro(function: TableFunction) -> str:
    return _MACRO.format(
        name=function.name,
        parameters=", ".join(parameter.sql for parameter in function.parameters),
        arguments=", ".join(f"'{parameter.name}': \"{parameter.name}\"" for parameter in function.parameters),
    )


def _list_type(columns: pa.Schema) -> str:
    fields = ", ".join(f'"{field.name}" {_SQL_TYPES[field.type]}' for field in columns)
    return f"STRUCT({fields})[]"


def _lists(tables: Sequence[pa.Table], columns: pa.Schema) -> pa.Array:
    """One list of structs for each of ``tables``."""
    ends = np.cumsum([0, *(len(table) for table in tables)]).astype(np.int32)
    table = pa.concat_tables([one.cast(columns) for one in tables]).combine_chunks()
    arrays = [each.chunk(0) if each.num_chunks else pa.nulls(0, each.type) for each in table.columns]
    rows = pa.StructArray.from_arrays(arrays, fields=list(columns))
    return pa.ListArray.from_arrays(column(ends, pa.int32()), rows)
