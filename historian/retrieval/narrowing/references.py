"""Where a query names the view ``samples``, and which of its conditions hold for every row it uses from there.

The conditions are those joined by AND in the WHERE of the same SELECT, and in the ON of joins around.  Those that are
false for null rows may also be carried to the side of an outer join that has null rows: what they leave out would at
most come back as a row of nulls, which they refuse again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from historian.retrieval.functions.catalogue import FUNCTIONS
from historian.retrieval.narrowing.syntax import Node, column_path, nodes

SAMPLES: Final = "samples"

COLUMNS: Final = ("tag", "time")

_FUNCTIONS: Final = {"range", "generate_series", "unnest", *(function.name for function in FUNCTIONS)}
"""Table functions that read no view by its name."""

_UNKNOWN: Final = ("SHOW_REF", "PIVOT", "RECURSIVE_CTE_NODE", "CTE_NODE", "DELIM_GET")

_LACKING: Final[Mapping[str, tuple[str, ...]]] = {"tags": ("time",), "sources": ("tag", "time")}
"""Columns that views do not have, so that their names are those of ``samples`` beside it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where a query names ``samples``: ``conditions`` are about its columns ``tag`` or ``time`` alone.

    With ``is_outer`` one is of use only when it is not true for a row of nulls.
    """

    conditions: tuple[Node, ...]
    is_outer: bool


@dataclass(slots=True)
class _Leaf:
    """A table, view, subquery or function in a FROM."""

    node: Node
    conditions: list[Node]
    is_outer: bool

    @property
    def is_samples(self) -> bool:
        return _is_view(self.node, SAMPLES)

    @property
    def name(self) -> str:
        """How columns are qualified."""
        return str(self.node.get("alias") or self.node.get("table_name") or "").lower()


@dataclass(slots=True)
class _From:
    """The FROM of one SELECT: its leaves, and the columns that every join of it names in USING."""

    leaves: list[_Leaf] = field(default_factory=list)
    using: list[set[str]] = field(default_factory=list)


def find_references(statement: Node) -> list[Reference] | None:
    """All of them; None where one may hide from us.  Without any the list is empty."""
    every = list(nodes(statement))
    if any(map(_hides_tables, every)):
        return None
    named = {str(each["key"]).lower() for node in every for each in (node.get("cte_map") or {}).get("map", ())}
    if SAMPLES in named:
        return None
    found: list[Reference] = []
    for node in every:
        if node.get("type") == "SELECT_NODE":
            found += _of_select(node, named)
    # One that is in no FROM we know of would be left out.
    return found if len(found) == sum(_is_view(node, SAMPLES) for node in every) else None


def used_columns(statement: Node) -> frozenset[str] | None:
    """The names of all columns a query uses, those of ``samples`` among them; None when it can be any."""
    found: set[str] = set()
    for node in nodes(statement):
        if node.get("type") == "SELECT_NODE" and _takes_all(node):
            return None
        if node.get("class") == "COLUMN_REF":
            found |= set(column_path(node))
        elif node.get("type") == "JOIN":
            found |= {str(name).lower() for name in node.get("using_columns") or ()}
    return frozenset(found)


def _takes_all(select: Node) -> bool:
    """True for a SELECT from ``samples`` with a star, a whole row as a value, or a join by all common columns."""
    found = _From()
    _collect(select["from_table"], (), found, is_outer=False)
    rows = {leaf.name for leaf in found.leaves if leaf.is_samples}
    if not rows:
        return False
    return any(
        node.get("class") == "STAR"
        or node.get("ref_type") == "NATURAL"
        or (node.get("class") == "COLUMN_REF" and column_path(node)[-1] in rows)
        for node in nodes(select)
    )


def _hides_tables(node: Node) -> bool:
    if node.get("type") == "TABLE_FUNCTION":
        return str(node["function"]["function_name"]).lower() not in _FUNCTIONS
    return node.get("type") in _UNKNOWN


def _is_view(node: Node, name: str) -> bool:
    """True for a table reference without a schema; one with it means the view itself, which stays as it is."""
    if node.get("type") != "BASE_TABLE" or node.get("schema_name") or node.get("catalog_name"):
        return False
    return str(node["table_name"]).lower() == name


def _of_select(select: Node, named: set[str]) -> Iterator[Reference]:
    found = _From()
    _collect(select["from_table"], _conjuncts(select.get("where_clause")), found, is_outer=False)
    for leaf in found.leaves:
        if leaf.is_samples:
            plain = not leaf.node.get("column_name_alias") and not leaf.node.get("sample")
            mine = [each for each in leaf.conditions if plain and _is_about(each, leaf, found, named)]
            yield Reference(tuple(mine), leaf.is_outer)


def _conjuncts(condition: Node | None) -> list[Node]:
    if condition is None:
        return []
    if condition["type"] == "CONJUNCTION_AND":
        return [each for child in condition["children"] for each in _conjuncts(child)]
    return [condition]


def _collect(table: Node, conditions: Sequence[Node], found: _From, *, is_outer: bool) -> None:
    if table["type"] != "JOIN":
        found.leaves.append(_Leaf(table, list(conditions), is_outer))
        return
    found.using.append({str(name).lower() for name in table.get("using_columns") or ()})
    left, right, outer = _carried(table, conditions)
    _collect(table["left"], left, found, is_outer=is_outer or outer)
    _collect(table["right"], right, found, is_outer=is_outer or outer)


def _carried(join: Node, conditions: Sequence[Node]) -> tuple[Sequence[Node], Sequence[Node], bool]:
    """The conditions that hold for the rows of each side that are used, and whether some are rows of nulls."""
    if join["ref_type"] not in {"REGULAR", "CROSS"}:
        return (), (), True  # in an ASOF join which row is the nearest depends on the others
    own = [*conditions, *_conjuncts(join.get("condition"))]
    sides: Mapping[str, tuple[Sequence[Node], Sequence[Node], bool]] = {
        "INNER": (own, own, False),
        "LEFT": (conditions, own, True),
        "RIGHT": (own, conditions, True),
        "OUTER": (conditions, conditions, True),
        "FULL": (conditions, conditions, True),
    }
    return sides.get(join["join_type"], ((), (), True))


def _is_about(condition: Node, leaf: _Leaf, found: _From, named: set[str]) -> bool:
    """True when all columns of a condition are ``tag`` or ``time`` of this leaf."""
    columns = [column_path(node) for node in nodes(condition) if node.get("class") == "COLUMN_REF"]
    if not columns or any(node.get("class") in {"SUBQUERY", "WINDOW"} for node in nodes(condition)):
        return False
    return all(_is_of(path, leaf, found, named) for path in columns)


def _is_of(path: tuple[str, ...], leaf: _Leaf, found: _From, named: set[str]) -> bool:
    if path[-1] not in COLUMNS or len(path) > 2:
        return False
    if len(path) == 2:
        return path[0] == leaf.name and sum(other.name == leaf.name for other in found.leaves) == 1
    others = [other for other in found.leaves if other is not leaf]
    if all(_lacks(other.node, path[-1], named) for other in others):
        return True
    # A column that all joins are made by is the same on both sides.
    return all(path[-1] in using for using in found.using) and not any(other.is_samples for other in others)


def _lacks(table: Node, column: str, named: set[str]) -> bool:
    return any(
        column in lacking and _is_view(table, view) and view not in named and not table.get("column_name_alias")
        for view, lacking in _LACKING.items()
    )
