"""Queries as trees, by DuckDB's own parser, and parts of them as SQL again; the same for DuckDB 1.5 and 2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import duckdb

from storage.cache import Cache

Node: TypeAlias = dict[str, Any]
"""A part of a tree, as ``json_serialize_sql`` gives it."""

_SELECT: Final = "select 1 from _tag_numbers where true"
_TEMPLATES: Final[Cache[str, str]] = Cache(1)


def parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Node | None:
    """The tree of one statement; None where DuckDB has none for it (PIVOT), or there is a mistake in it."""
    found: Node = json.loads(_one(connection, "select json_serialize_sql(?)", sql))
    return None if found["error"] or len(found["statements"]) != 1 else found["statements"][0]["node"]


def nodes(tree: object) -> Iterator[Node]:
    """Every part of a tree, also those inside subqueries."""
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def arguments(function: Node) -> list[Node]:
    """The arguments of a call."""
    if "arguments" in function:
        return [each["expression"] for each in function["arguments"]]
    return list(function["children"])


def text_of(node: Node) -> str | None:
    """The text of a constant that is one; None for anything else."""
    if node["class"] != "CONSTANT":
        return None
    if "literal" in node:
        return str(node["literal"]["text"]) if node["literal"]["kind"] == "STRING" else None
    value = node["value"]
    return str(value["value"]) if value["type"]["id"] == "VARCHAR" and not value["is_null"] else None


def column_path(node: Node) -> tuple[str, ...]:
    """The names of a column reference in small letters, the column's own last."""
    return tuple(name.lower() for name in node["column_names"])


def select_sql(connection: duckdb.DuckDBPyConnection, wanted: Sequence[Node], where: Node | None = None) -> str:
    """``select <wanted>``, or with ``where`` ``select <wanted> from _tag_numbers where <where>``; parameters as ``$n``.

    Raises duckdb.Error.
    """
    tree = json.loads(_template(connection))
    node = tree["statements"][0]["node"]
    node["select_list"] = list(wanted)
    if where is None:
        node["from_table"], node["where_clause"] = {"type": "EMPTY", "alias": "", "sample": None}, None
    else:
        node["where_clause"] = where
    return _one(connection, "select json_deserialize_sql(?::json)", json.dumps(tree))


def _template(connection: duckdb.DuckDBPyConnection) -> str:
    found = _TEMPLATES.get(_SELECT)
    if found is None:
        found = _one(connection, "select json_serialize_sql(?)", _SELECT)
        _TEMPLATES.put(_SELECT, found, 1)
    return found


def _one(connection: duckdb.DuckDBPyConnection, sql: str, text: str) -> str:
    ((answer,),) = connection.execute(sql, [text]).fetchall()  # all: DuckDB 2 keeps a result open that has an end
    return str(answer)
