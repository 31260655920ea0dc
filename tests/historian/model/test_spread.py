"""Counts by limits, against counting by hand."""

import math

from hypothesis import given
from hypothesis import strategies as st

from historian.model.spread import LIMITS_MS, Spread, limit_of, limit_of_share


def spread_of(values):
    spread = Spread()
    for value in values:
        spread.note(value)
    return spread.as_mapping()


def test_a_value_counts_for_the_first_limit_that_it_does_not_exceed():
    assert spread_of([0.0, 1.0, 1.001, 50.0, 50.1, 5000.0, 5000.1]) == {
        "1": 2, "2": 1, "50": 1, "70": 1, "5000": 1, "more": 1
    }  # fmt: skip


def test_of_nothing_nothing_is_said():
    assert spread_of([]) == {}
    assert limit_of_share({}, 99) == 0


@given(st.lists(st.floats(0, 1e4), min_size=1), st.sampled_from([1, 50, 99, 100]))
def test_the_limit_of_a_share_is_the_least_that_so_many_do_not_exceed(values, percent):
    def share(limit):
        return 100 * sum(value <= limit for value in values)

    limits = [*map(float, LIMITS_MS), math.inf]
    wanted = next(limit for limit in limits if share(limit) >= percent * len(values))
    assert limit_of_share(spread_of(values), percent) == wanted


def test_limits_have_names():
    assert [limit_of("50"), limit_of("more")] == [50.0, math.inf]


def test_counts_go_on_where_another_left_them():
    first = Spread()
    for value_ms in (0.5, 3.0, 1e6):
        first.note(value_ms)
    second = Spread(first.as_mapping())
    second.note(2.5)
    assert second.as_mapping() == {"1": 1, "3": 2, "more": 1}
