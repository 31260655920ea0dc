"""Which SQL is let in: one statement that only reads.

SQL from people is hostile.  ``enable_external_access = false`` with allowed files still lets a COPY overwrite those
files, and DuckDB 2 counts ``with x as (copy ...) select`` as a SELECT.  What holds: exactly one statement by
DuckDB's own parser, wrapped as ``select * from (<sql>) q`` and counted again.  Inside a sub-select the grammar has
no way to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import duckdb

from historian.errors import QueryError
from historian.retrieval.query_errors import translated

LINES_BEFORE: Final = 1
"""Lines the wrapping puts in front of the person's own text."""

_READS: Final = (["SELECT"], ["MULTI"], ["CREATE", "SELECT"])
"""The parser's types of what reads.  PIVOT is MULTI in DuckDB 2, and CREATE (of its columns' names, in memory) and
SELECT in 1.5; that nothing else of these types gets through is what the wrapping is for."""

_EXPLAIN: Final = re.compile(r"\s*explain(\s+analyze)?\b", re.IGNORECASE)
_PIVOT: Final = re.compile(r"\bpivot\b|\bunpivot\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was let in: ``text`` as the person wrote it, ``wrapped`` as it is run."""

    text: str
    wrapped: str


def admit(connection: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    """The one reading statement in ``sql``.

    Raises QueryError for a mistake in it, for none, for several and for one that writes.
    """
    explain, text = _without_explain(_without_end(sql))
    kinds = _kinds(connection, text, lines_before=0, query=text)
    if not kinds:
        raise QueryError(
            "cannot answer: there is no statement in the query, wanted one such as: select * from snapshot"
        )
    _refuse_writing(kinds, text)
    wrapped = f"select * from (\n{text}\n) q"  # noqa: S608 - to run a person's SQL is what this is for
    if _kinds(connection, wrapped, LINES_BEFORE, text) not in _READS:
        raise QueryError("cannot answer: wanted exactly one statement that only reads")
    return Statement(text, f"{explain} {wrapped}" if explain else wrapped)


def _kinds(connection: duckdb.DuckDBPyConnection, sql: str, lines_before: int, query: str) -> list[str]:
    with translated(lines_before, query):
        return [statement.type.name for statement in connection.extract_statements(sql)]


def _refuse_writing(kinds: list[str], text: str) -> None:
    if kinds == ["SELECT"] or (kinds in _READS and _PIVOT.search(text)):
        return
    if len(kinds) > 1:
        raise QueryError(f"cannot answer: got {len(kinds)} statements, wanted one; run them one after the other")
    raise QueryError(
        f"cannot answer: got a statement of the kind {kinds[0]}, wanted one that only reads (SELECT, FROM, WITH, "
        "VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN); to write a result to a file, use --output"
    )


def _without_explain(sql: str) -> tuple[str, str]:
    """``explain``, ``explain analyze`` or nothing, and the rest: the wrapping goes around the rest alone."""
    match = _EXPLAIN.match(sql)
    if match is None:
        return "", sql
    return ("explain analyze" if match[1] else "explain"), " " * match.end() + sql[match.end() :]


def _without_end(sql: str) -> str:
    """``sql`` without semicolons at its end, which could not stand inside the wrapping.

    DuckDB's tokens tell a semicolon from one in a text or a comment; their places count bytes.
    """
    raw = sql.encode()
    # Comments are tokens in DuckDB 2 only.
    tokens = [place for place, kind in duckdb.tokenize(sql) if getattr(kind, "name", "") != "comment"]
    while tokens and raw[tokens[-1] : tokens[-1] + 1] == b";":
        raw = raw[: tokens.pop()]
    return raw.decode()
