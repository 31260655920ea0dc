"""Median and percentiles of the newest values, by the nearest rank."""

import math

from hypothesis import given
from hypothesis import strategies as st

from historian.model.recent import Recent


def test_nothing_is_zero():
    assert Recent().percentile(50) == 0.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 20), st.sampled_from([1, 50, 99, 100]))
def test_percentiles_are_those_of_the_newest_ones(values, kept, percent):
    recent = Recent(kept)
    for value in values:
        recent.note(value)
    newest = sorted(values[-kept:])
    assert recent.percentile(percent) == newest[max(math.ceil(len(newest) * percent / 100), 1) - 1]
