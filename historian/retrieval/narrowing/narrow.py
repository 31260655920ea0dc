"""From a query to the same query over a small ``samples``: a common table expression of that name stands in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from historian.retrieval.functions.reading import Reading
from historian.retrieval.narrowing.conditions import Wanted, understood
from historian.retrieval.narrowing.extent import Evaluator
from historian.retrieval.narrowing.references import SAMPLES, find_references, used_columns
from historian.retrieval.narrowing.source import provide
from historian.retrieval.narrowing.syntax import Node, parse
from storage.cache import Cache

KEPT_QUERIES: Final = 256


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the text of a query says: of each place where it names ``samples``, and which columns it can use."""

    wanted: tuple[Wanted, ...]
    columns: frozenset[str] | None


_NOTHING: Final = Analysis((), None)
_ANALYSES: Final[Cache[str, Analysis]] = Cache(KEPT_QUERIES)


def narrowed(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    reading: Reading,
) -> str | None:
    """``sql``, a SELECT, over what it can touch of ``samples`` alone; None where nothing would be gained.

    Lines and places of its text stay.  Raises CorruptionError for a file of the archive that cannot be read.
    """
    analysis = _analysed(connection, sql)
    if not any(each.times or each.tags for each in analysis.wanted):
        return None
    values = _by_name(parameters)
    extent = Evaluator(connection, reading.tags, values).extent(analysis.wanted)
    source = None if extent.is_everything else provide(connection, reading, extent, analysis.columns)
    # Not materialized: a query that names samples twice has other conditions in each place.
    return source and f"with {SAMPLES} as not materialized ({source}) {sql}"


def _analysed(connection: duckdb.DuckDBPyConnection, sql: str) -> Analysis:
    found = _ANALYSES.get(sql)
    if found is None:
        try:
            found = _analysis(parse(connection, sql))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            # Trees are DuckDB's own affair, and people's queries may be of any depth: what is not as we know it is
            # answered as it was before there was any narrowing.
            found = _NOTHING
        _ANALYSES.put(sql, found, 1)
    return found


def _analysis(statement: Node | None) -> Analysis:
    references = None if statement is None else find_references(statement)
    if statement is None or not references:
        return _NOTHING
    return Analysis(tuple(map(understood, references)), used_columns(statement))


def _by_name(parameters: Sequence[object] | Mapping[str, object] | None) -> Mapping[str, object]:
    """Those given by place have the names "1", "2" and so on."""
    if isinstance(parameters, Mapping):
        return parameters
    return {str(place): value for place, value in enumerate(parameters or (), 1)}
