"""When a tag was in a state: the condition under which other questions are asked.

A step tag, a text and a value before a Bad interval hold until the next sample; other values cross a limit where the
line between two samples does.  While the value is not known, no condition holds, and neither does its opposite.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from historian.config.nearest import one_of, shown
from historian.errors import UnusableValueError
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.model.status import is_bad
from historian.retrieval.questions.spans import Spans
from historian.retrieval.questions.stretches import courses
from historian.retrieval.series import Series

Operand: TypeAlias = float | str | Sequence[float | str]

_EQUAL: Final = {"=": True, "==": True, "in": True, "<>": False, "!=": False}
_ORDER: Final[dict[str, Callable[..., BoolArray]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

OPERATORS: Final = (*_EQUAL, *_ORDER)


def while_value(series: Series, comparison: str, operand: Operand) -> Spans:
    """The time in which the value of the one tag of ``series`` compares so with ``operand``.

    ``comparison`` is one of OPERATORS; ``in`` takes a list, the others one number or text, and texts have no order.
    On a line ``=`` holds only where it is level: what passes a value does not stay there.  Times are rounded to
    microseconds.  Raises UnusableValueError for an unknown comparison or an operand that does not go with it.
    """
    operands = _checked(comparison, operand)
    course = courses(series)
    if comparison in _EQUAL:
        none = np.zeros(len(series.value), np.bool_)
        holds: BoolArray = np.any([none, *(_equals(series, one) for one in operands)], axis=0)
        level = ~course.sloped | (np.append(series.value[1:], np.nan) == series.value)
        if not _EQUAL[comparison]:
            return _whole(series, course.end_us, _known(series) & ~(holds & level))
        return _whole(series, course.end_us, _known(series) & holds & level)
    if isinstance(operands[0], str):
        raise UnusableValueError(shown(operand), f"a number to compare with {comparison}: texts have no order")
    return _ordered(series, comparison, operands[0])


def _checked(comparison: str, operand: Operand) -> list[float | str]:
    """The operands as a list."""
    if comparison not in OPERATORS:
        raise UnusableValueError(shown(comparison), f"a comparison: {one_of(OPERATORS)}")
    is_list = not isinstance(operand, str | float | int)
    if is_list != (comparison == "in"):
        raise UnusableValueError(shown(operand), "a list for 'in'" if comparison == "in" else "one value, or 'in'")
    return [operand] if isinstance(operand, str | float | int) else [*operand]


def _known(series: Series) -> BoolArray:
    """Which rows have a number or a text."""
    known: BoolArray = ~np.isnan(series.value)
    known[_rows(series.text)] = True
    known &= ~is_bad(series.status)
    return known


def _rows(extras: Mapping[int, object]) -> IndexArray:
    return np.fromiter(extras, np.intp, len(extras))


def _equals(series: Series, one: float | str) -> BoolArray:
    """Which rows are ``one``, a text or a number to its last digit.  Loops over texts and very large numbers only."""
    if isinstance(one, str):
        rows = [row for row, text in series.text.items() if text == one]
        return np.isin(np.arange(len(series.value)), rows)
    # Python compares a double and a whole number exactly: past 2^53 they may differ where their doubles do not.
    equal: BoolArray = (series.value == float(one)) & (float(one) == one)
    equal[_rows(series.exact)] = [exact == one for exact in series.exact.values()]
    return equal


def _ordered(series: Series, comparison: str, limit: float) -> Spans:
    compare = _ORDER[comparison]
    course = courses(series)
    holds: BoolArray = compare(series.value, float(limit)) & course.usable
    # As with equality.
    same = (series.value == float(limit)) & course.usable
    holds[same] = compare(float(limit), limit)
    holds[_rows(series.exact)] = [compare(exact, limit) for exact in series.exact.values()]
    line = np.flatnonzero(course.sloped & course.usable)
    start_us, end_us = series.time_us.copy(), np.where(holds, course.end_us, series.time_us)
    then = compare(series.value[line + 1], limit)
    enters, leaves = line[~holds[line] & then], line[holds[line] & ~then]
    is_strict = comparison in {"<", ">"}
    start_us[enters] = _crossing_us(series, enters, limit, after=is_strict)
    end_us[enters] = course.end_us[enters]
    end_us[leaves] = _crossing_us(series, leaves, limit, after=not is_strict)
    return Spans.of(start_us, end_us)


def _crossing_us(series: Series, row: IndexArray, limit: float, *, after: bool) -> Int64Array:
    """The first microsecond at which the line from each of ``row`` is at ``limit`` or past it; ``after``: past it."""
    length = (series.time_us[row + 1] - series.time_us[row]).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        # In this order a crossing at a whole microsecond is one.
        offset: FloatArray = (limit - series.value[row]) * length / (series.value[row + 1] - series.value[row])
    offset = np.floor(offset) + 1 if after else np.ceil(offset)
    return series.time_us[row] + np.fmax(np.fmin(offset, length), 0.0).astype(np.int64)


def _whole(series: Series, end_us: Int64Array, holds: BoolArray) -> Spans:
    """The time from the samples where it ``holds`` to the ones after them."""
    return Spans.of(series.time_us[holds], end_us[holds])
