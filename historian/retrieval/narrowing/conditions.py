"""What single conditions of a query say: bounds of the time, sets of tags, or something about the tag's name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from historian.retrieval.narrowing.references import Reference
from historian.retrieval.narrowing.syntax import Node, arguments, column_path, nodes, text_of

Side: TypeAlias = Literal["low", "high"]

_CLOCK: Final = {
    "now", "transaction_timestamp", "current_timestamp", "get_current_timestamp", "today", "current_date",
}  # fmt: skip

_TIME_FUNCTIONS: Final = _CLOCK | {
    "+", "-", "*", "trunc", "date_trunc", "make_timestamptz", "make_date", "to_years", "to_quarters", "to_months",
    "to_weeks", "to_days", "to_hours", "to_minutes", "to_seconds", "to_milliseconds", "to_microseconds",
}  # fmt: skip

_NAME_FUNCTIONS: Final = {
    "~~", "!~~", "~~*", "!~~*", "~~~", "like_escape", "not_like_escape", "ilike_escape", "regexp_matches",
    "regexp_full_match", "starts_with", "ends_with", "^@", "prefix", "suffix", "contains", "lower", "upper", "left",
    "right", "substring", "substr", "split_part", "length", "||", "concat", "replace",
}  # fmt: skip

_NAME_CLASSES: Final = {
    "CONSTANT",
    "PARAMETER",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "BETWEEN",
    "OPERATOR",
    "CAST",
}

_BOUNDS: Final[dict[str, tuple[Side, ...]]] = {
    "COMPARE_EQUAL": ("low", "high"),
    "COMPARE_GREATERTHAN": ("low",),
    "COMPARE_GREATERTHANOREQUALTO": ("low",),
    "COMPARE_LESSTHAN": ("high",),
    "COMPARE_LESSTHANOREQUALTO": ("high",),
}
"""Which ends of the time are bounded where the column stands on the left; whether the bound itself belongs to it is
left to the query."""

_OTHER_SIDE: Final[dict[Side, Side]] = {"low": "high", "high": "low"}


@dataclass(frozen=True, slots=True)
class Bound:
    """The time is at or after ("low"), at or before ("high") what this constant expression says."""

    side: Side
    value: Node


@dataclass(frozen=True, slots=True)
class OneOf:
    """The tag is one of these: constants and parameters."""

    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """The tag's name is one for which this holds."""

    condition: Node


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions on one reference that are understood; rows for which one does not hold are of no use to it."""

    times: tuple[Bound, ...]
    tags: tuple[OneOf | Named, ...]
    is_outer: bool


def understood(reference: Reference) -> Wanted:
    """What of a reference's conditions can be made use of."""
    times: list[Bound] = []
    tags: list[OneOf | Named] = []
    for condition in reference.conditions:
        columns = {column_path(node)[-1] for node in nodes(condition) if node.get("class") == "COLUMN_REF"}
        if columns == {"time"}:
            times += _bounds(condition)
        elif columns == {"tag"}:
            tags += _of_tag(condition)
    return Wanted(tuple(times), tuple(tags), reference.is_outer)


def _bounds(condition: Node) -> Iterator[Bound]:
    if condition["type"] == "COMPARE_BETWEEN" and _is_column(condition["input"]):
        found: Sequence[tuple[Side, Node]] = [("low", condition["lower"]), ("high", condition["upper"])]
    elif condition["type"] in _BOUNDS and _is_column(condition["left"]):
        found = [(side, condition["right"]) for side in _BOUNDS[condition["type"]]]
    elif condition["type"] in _BOUNDS and _is_column(condition["right"]):
        found = [(_OTHER_SIDE[side], condition["left"]) for side in _BOUNDS[condition["type"]]]
    else:
        return
    for side, value in found:
        if _is_constant(value) and (not _asks_clock(value) or (side == "low" and _grows_with_clock(value))):
            yield Bound(side, value)


def _is_column(node: Node) -> bool:
    return bool(node["class"] == "COLUMN_REF")


def _is_constant(node: Node) -> bool:
    """True for what DuckDB can work out beforehand and that is the same each time, but for the clock."""
    if node["class"] == "FUNCTION":
        is_known = node["function_name"] in _TIME_FUNCTIONS and not node.get("schema")
        return is_known and not node.get("filter") and all(map(_is_constant, arguments(node)))
    if node["class"] == "CAST":
        return _is_constant(node["child"])
    return node["class"] in {"CONSTANT", "PARAMETER"}


def _asks_clock(node: Node) -> bool:
    return any(each.get("function_name") in _CLOCK for each in nodes(node))


def _grows_with_clock(node: Node) -> bool:
    """True when a later clock gives no earlier time: the query itself will read the clock after us."""
    if node["class"] == "CAST":
        return _grows_with_clock(node["child"])
    if node["class"] != "FUNCTION":
        return True
    given = arguments(node)
    if node["function_name"] == "*" or (node["function_name"] == "-" and any(map(_asks_clock, given[1:]))):
        return False
    return all(map(_grows_with_clock, given))


def _of_tag(condition: Node) -> Iterator[OneOf | Named]:
    if condition["type"] == "COMPARE_EQUAL":
        sides = condition["left"], condition["right"]
        values = [side for side in sides if not _is_column(side)]
        if len(values) == 1 and _is_value(values[0]):
            yield OneOf(tuple(values))
            return
    if condition["type"] == "COMPARE_IN":
        first, *values = condition["children"]
        if _is_column(first) and all(map(_is_value, values)):
            yield OneOf(tuple(values))
            return
    if _is_about_names(condition):
        yield Named(condition)


def _is_value(node: Node) -> bool:
    return node["class"] == "PARAMETER" or text_of(node) is not None


def _is_about_names(node: Node) -> bool:
    """True for what depends on the name alone and is the same each time."""
    if node["class"] == "FUNCTION":
        is_known = node["function_name"] in _NAME_FUNCTIONS and not node.get("schema")
        return is_known and not node.get("filter") and all(map(_is_about_names, arguments(node)))
    if node["class"] not in _NAME_CLASSES:
        return False
    children = [node[name] for name in ("left", "right", "child", "input", "lower", "upper") if node.get(name)]
    return all(map(_is_about_names, [*children, *(node.get("children") or ())]))
