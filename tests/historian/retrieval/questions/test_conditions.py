"""When conditions hold, how they combine, and the windows they cut out of intervals."""

from __future__ import annotations

import numpy as np
import pytest

from historian.errors import UsageError
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.conditions import while_value
from historian.retrieval.questions.spans import Spans
from support.series_of import SECOND, Tag, series_of


def pairs(spans):
    return list(zip((spans.start_us / SECOND).tolist(), (spans.end_us / SECOND).tolist(), strict=True))


def times(tag, comparison, operand):
    return pairs(while_value(series_of(tag), comparison, operand))


def spans(*ends):
    columns = np.array(ends, np.int64).reshape(-1, 2) * SECOND
    return Spans.of(columns[:, 0], columns[:, 1])


STEPS = Tag([(0, 1), (10, 2), (20, None), (30, 2), (40, 3)], stepped=True, known=60)


@pytest.mark.parametrize(
    ("comparison", "operand", "wanted"),
    [
        ("=", 2, [(10, 20), (30, 40)]),
        ("<>", 2, [(0, 10), (40, 60)]),
        ("in", [1, 3], [(0, 10), (40, 60)]),
        ("in", [], []),
        (">", 1, [(10, 20), (30, 60)]),
        (">=", 3, [(40, 60)]),
        ("<", 2, [(0, 10)]),
        ("<=", 2, [(0, 20), (30, 40)]),
        ("==", 9, []),
        ("!=", 9, [(0, 20), (30, 60)]),
    ],
)
def test_steps_hold_until_the_next_sample(comparison, operand, wanted):
    assert times(STEPS, comparison, operand) == wanted


def test_lines_cross_a_limit_between_samples():
    line = Tag([(0, 0), (10, 100), (30, 0)], known=50)
    assert times(line, ">", 50) == [(5.000001, 20)]
    assert times(line, ">=", 50) == [(5, 20.000001)]
    assert times(line, "<", 50) == [(0, 5), (20.000001, 50)]
    assert times(line, "<=", 50) == [(0, 5.000001), (20, 50)]


def test_a_line_is_held_before_a_bad_sample_and_nothing_holds_after_it():
    broken = Tag([(0, 0), (10, 100), (20, None), (30, 100), (40, 0)])
    assert times(broken, ">=", 50) == [(5, 20), (30, 35.000001)]
    assert times(broken, "<", 50) == [(0, 5), (35.000001, 40)]


def test_only_what_is_level_equals_a_value():
    line = Tag([(0, 5), (10, 5), (20, 9), (30, 1)], known=40)
    assert times(line, "=", 5) == [(0, 10)]
    assert times(line, "<>", 5) == [(10, 40)]


def test_texts_are_equal_or_not():
    text = Tag([(0, "off"), (10, "on"), (20, None), (30, "off")], known=40)
    assert times(text, "=", "on") == [(10, 20)]
    assert times(text, "<>", "on") == [(0, 10), (30, 40)]
    assert times(text, "in", ["on", "off"]) == [(0, 20), (30, 40)]
    assert times(text, "=", 1) == []
    assert times(text, ">", 1) == []


def test_large_numbers_are_compared_to_the_last_digit():
    large = Tag([(0, 2**53), (10, 2**53 + 1)], stepped=True, known=20)
    assert times(large, "=", 2**53 + 1) == [(10, 20)]
    assert times(large, "=", 2**53) == [(0, 10)]
    assert times(large, ">", 2**53) == [(10, 20)]


def test_nothing_is_known_without_samples():
    assert times(Tag([]), ">", 0) == []
    assert times(Tag([(0, None)], known=9), "<>", 0) == []


@pytest.mark.parametrize(("comparison", "operand"), [("~", 1), ("in", 1), ("=", [1]), (">", "on"), ("like", "o%")])
def test_what_cannot_be_compared_is_refused(comparison, operand):
    with pytest.raises(UsageError):
        times(STEPS, comparison, operand)


def test_spans_are_made_of_any_intervals():
    assert pairs(spans((30, 40), (0, 10), (5, 8), (10, 12), (20, 20), (35, 50))) == [(0, 12), (30, 50)]
    assert pairs(spans()) == []


def test_spans_combine():
    one, other = spans((0, 10), (20, 30), (40, 50)), spans((5, 25), (28, 29), (60, 70))
    assert pairs(one.both(other)) == [(5, 10), (20, 25), (28, 29)]
    assert pairs(one.either(other)) == [(0, 30), (40, 50), (60, 70)]
    assert pairs(one.outside(-5 * SECOND, 45 * SECOND)) == [(-5, 0), (10, 20), (30, 40)]
    assert pairs(spans().outside(0, 9 * SECOND)) == [(0, 9)]
    assert pairs(spans((0, 4), (5, 10)).longer_than(5 * SECOND)) == [(5, 10)]
    assert spans((0, 10)).contain(np.array([[-1, 0], [9, 10]]) * SECOND).tolist() == [[False, True], [True, False]]
    assert spans().contain(np.array([1])).tolist() == [False]


def test_windows_are_the_parts_of_intervals_in_a_span():
    intervals = Intervals(np.array([0, 20, 5]) * SECOND, np.array([20, 40, 35]) * SECOND)
    found = spans((-5, 3), (10, 22), (30, 31), (90, 99)).windows_of(intervals)
    assert found.row.tolist() == [0, 0, 1, 1, 2, 2]
    assert list(zip((found.start_us / SECOND).tolist(), (found.end_us / SECOND).tolist(), strict=True)) == [
        (0, 3), (10, 20), (20, 22), (30, 31), (10, 22), (30, 31),
    ]  # fmt: skip
