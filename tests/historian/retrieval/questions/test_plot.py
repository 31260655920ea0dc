"""The points of a trend: M4 with gaps, edges and held ends."""

from __future__ import annotations

import numpy as np
import pytest

from historian.errors import UsageError
from historian.model.status import GOOD, INTERPOLATED
from historian.retrieval.questions.plot import LONG, column_edges, plot
from support.series_of import BAD, SECOND, Tag, series_of


def drawn(*tags, start=0, end=100, pixels=1):
    found = plot(series_of(*tags), start * SECOND, end * SECOND, pixels)
    values = [None if np.isnan(value) else value for value in found.value]
    return [(int(tag), at / SECOND, v) for tag, at, v in zip(found.tag, found.time_us, values, strict=True)]


def test_a_column_gives_first_smallest_largest_and_last_in_time_order():
    assert drawn(Tag([(0, 5), (10, 9), (20, 6), (30, 1), (40, 2), (50, 7)])) == [
        (0, 0, 5), (0, 10, 9), (0, 30, 1), (0, 50, 7),
    ]  # fmt: skip


def test_each_sample_comes_once_and_of_equals_the_first():
    assert drawn(Tag([(0, 1), (10, 3), (20, 3), (30, 1)])) == [(0, 0, 1), (0, 10, 3), (0, 30, 1)]


def test_columns_are_half_open():
    samples = [(0, 1), (49, 2), (50, 3), (99, 4)]
    assert drawn(Tag(samples), pixels=1) == [(0, 0, 1), (0, 99, 4)]
    assert drawn(Tag(samples), pixels=2) == [(0, 0, 1), (0, 49, 2), (0, 50, 3), (0, 99, 4)]


def test_the_samples_next_to_the_range_lead_the_line_to_its_edges():
    assert drawn(Tag([(-20, 0), (-10, 1), (50, 2), (110, 3), (120, 4)])) == [(0, -10, 1), (0, 50, 2), (0, 110, 3)]
    assert drawn(Tag([(0, 1), (100, 3)])) == [(0, 0, 1), (0, 100, 3)]


def test_the_last_sample_holds_as_far_as_it_is_known():
    assert drawn(Tag([(0, 1), (10, 2)], known=60)) == [(0, 0, 1), (0, 10, 2), (0, 60, 2)]
    assert drawn(Tag([(0, 1), (10, 2)], known=500)) == [(0, 0, 1), (0, 10, 2), (0, 100, 2)]
    assert drawn(Tag([(-10, 2)], known=500)) == [(0, -10, 2), (0, 100, 2)]
    assert drawn(Tag([(0, 1), (10, None)], known=60)) == [(0, 0, 1), (0, 10, None)]


def test_a_held_end_is_marked():
    found = plot(series_of(Tag([(0, 1)], known=60)), 0, 100 * SECOND, 10)
    assert found.status.tolist() == [GOOD, GOOD | INTERPOLATED]
    assert found.row.tolist() == [0, 0]


def test_what_ended_before_the_range_is_not_drawn():
    assert drawn(Tag([(-20, 1), (-10, 2)], known=-5)) == []
    assert drawn(Tag([])) == []


def test_lines_break_at_bad_samples():
    samples = [(0, 5), (10, 6), (20, None), (30, None), (40, 7), (50, 1), (60, None), (70, 9), (80, 5)]
    assert drawn(Tag(samples)) == [(0, at, v) for at, v in [(0, 5), (20, None), (50, 1), (60, None), (70, 9), (80, 5)]]
    assert plot(series_of(Tag(samples)), 0, 100 * SECOND, 1).status.tolist() == [GOOD, BAD, GOOD, BAD, GOOD, GOOD]


def test_tags_are_drawn_for_themselves():
    assert drawn(Tag([(0, 1), (50, 2)]), Tag([]), Tag([(-10, 7)], known=20), pixels=2) == [
        (0, 0, 1), (0, 50, 2), (2, -10, 7), (2, 20, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("gaps", [False, True])
def test_long_and_short_columns_choose_alike(gaps):
    rng = np.random.default_rng(5)
    count = 3 * LONG
    values = rng.integers(0, 50, count).tolist()
    if gaps:
        values = [None if rng.random() < 0.01 else v for v in values]
    tag = Tag([(at, v) for at, v in enumerate(values)])
    found = {(at, v) for _, at, v in drawn(tag, end=count, pixels=2)}
    for column in (range(count // 2), range(count // 2, count)):
        numbers = [(v, at) for at in column if (v := values[at]) is not None]
        smallest, largest = min(numbers), min((-v, at) for v, at in numbers)
        assert {(smallest[1], smallest[0]), (largest[1], -largest[0])} <= found
        assert {(column[0], values[column[0]]), (column[-1], values[column[-1]])} <= found


def test_columns_of_a_hundred_years_do_not_overflow():
    edges = column_edges(-(10**15), 2 * 10**15 + 1, 100_000)
    exact = [-(-(column * (3 * 10**15 + 1)) // 100_000) - 10**15 for column in range(100_001)]
    assert edges.tolist() == exact


@pytest.mark.parametrize("pixels", [0, -1, 1_000_000])
def test_no_picture_is_that_wide(pixels):
    with pytest.raises(UsageError, match="1 to 100000 pixels"):
        drawn(Tag([(0, 1)]), pixels=pixels)
