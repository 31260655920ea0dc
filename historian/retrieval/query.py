"""Running one statement: Arrow batches as they come, errors in the person's own words and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import duckdb
import pyarrow as pa

from historian.retrieval.query_errors import translated
from historian.retrieval.statement import LINES_BEFORE, Statement, admit

if TYPE_CHECKING:
    from historian.retrieval.functions.reading import Reading

BATCH_ROWS: Final = 100_000
"""Rows of a streamed batch: large enough that its overhead does not show, small enough for any machine's memory."""

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query: its columns, and its rows in batches, which can be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def table(self) -> pa.Table:
        """All rows at once."""
        return pa.Table.from_batches(list(self.batches), self.schema)

    def head(self, rows: int) -> tuple[pa.Table, bool]:
        """The first ``rows`` rows, and whether there are more.  Reads no further than it must."""
        taken: list[pa.RecordBatch] = []
        count = 0
        for batch in self.batches:
            taken.append(batch)
            count += batch.num_rows
            if count > rows:
                break
        return pa.Table.from_batches(taken, self.schema).slice(0, rows), count > rows


def ask(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Parameters | None = None,
    read: Callable[[], Reading] | None = None,
) -> Answer:
    """Run the one reading statement in ``sql`` with ``?`` or ``$name`` filled from ``parameters``.

    With ``read``, which gives a reading of the same snapshot as the connection's views have, only what of ``samples``
    the query can touch is looked at.  Raises QueryError when there is no statement or a wrong one, and see
    :func:`historian.retrieval.query_errors.translated`.
    """
    statement = admit(connection, sql)
    damaged = partial(_damaged_file, connection)
    with translated(LINES_BEFORE, statement.text, damaged):
        relation = None if read is None else _narrow_relation(connection, statement, parameters, read)
        if relation is None:  # whether it is true would be asked by counting its rows
            relation = _relation(connection, statement, parameters)
        reader = relation.to_arrow_reader(BATCH_ROWS)
    return Answer(reader.schema, _batches(reader, statement.text, damaged))


def _narrow_relation(
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    parameters: Parameters | None,
    read: Callable[[], Reading],
) -> duckdb.DuckDBPyRelation | None:
    if statement.wrapped.startswith("explain") or "samples" not in statement.wrapped.lower():
        return None
    # Imported here, because many commands ask of tags and health alone.
    from historian.retrieval.narrowing.narrow import narrowed  # noqa: PLC0415 - as above

    text = narrowed(connection, statement.wrapped, parameters, read())
    try:
        return connection.sql(text, params=parameters) if text else None
    except (duckdb.BinderException, duckdb.CatalogException):
        return None  # a mistake of the person's, which is told about the text as it was


def _relation(
    connection: duckdb.DuckDBPyConnection, statement: Statement, parameters: Parameters | None
) -> duckdb.DuckDBPyRelation:
    try:
        return connection.sql(statement.wrapped, params=parameters)
    except (duckdb.BinderException, duckdb.CatalogException):
        # DuckDB 2 leaves the place out of these errors when it makes a relation, and names it when it plans.
        explain = "" if statement.wrapped.startswith("explain") else "explain "
        connection.execute(explain + statement.wrapped, parameters)
        raise


def _batches(reader: pa.RecordBatchReader, text: str, damaged: Callable[[], str | None]) -> Iterator[pa.RecordBatch]:
    with translated(LINES_BEFORE, text, damaged):
        for batch in reader:
            if batch.num_rows:
                yield batch


def _damaged_file(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Which of the files that the connection may read cannot be read, looked for as long as a person waits."""
    # Imported here, because nobody needs it as long as nothing is damaged.
    from storage.set_aside import first_damaged  # noqa: PLC0415 - as above

    try:
        (found,) = connection.execute("select current_setting('allowed_paths')").fetchone() or ((),)
    except duckdb.Error:
        return None  # a connection that failed inside answers nothing any more
    return first_damaged(list(found))
