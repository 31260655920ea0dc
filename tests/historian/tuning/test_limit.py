"""The largest deviation that may be taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.tuning.limit import Knowledge, Wish, limit, off_edge
from historian.tuning.noise import Noise


@pytest.mark.parametrize(
    ("deviation", "step", "expected"),
    [
        (0.2567, 0.0, 0.25),
        (0.25, 0.0, 0.25),
        (12.0, 0.0, 12.0),
        (0.3, 0.0, 0.3),  # which as a double is a little less than three tenths
        (0.0, 0.0, 0.0),
        (0.2567, 0.001, 0.25),  # a fine grid does not matter
        (0.2, 0.1, 0.155),  # three halves of a step, and a little more
        (0.25, 0.1, 0.205),
        (0.99, 0.1, 0.955),
        (0.054, 0.1, 0.0),
        (0.055, 0.1, 0.055),
    ],
)
def test_a_deviation_that_people_would_write(deviation, step, expected):
    assert off_edge(deviation, step) == expected


@given(st.floats(1e-6, 1e6), st.sampled_from([0.0, 0.1, 0.024420024, 1.0, 1e-4]))
def test_never_more_than_allowed_and_never_on_an_edge(deviation, step):
    found = off_edge(deviation, step)
    assert 0 <= found <= deviation * (1 + 1e-9) + 0.01 * step
    if step and 0 < found < 10 * step:
        halves = found / step * 2
        assert abs(halves - np.round(halves)) > 0.05


def known(sigma=1.0, *, span=1000.0, is_configured=True, is_floor=True):
    return Knowledge(Noise(sigma, is_floor), 0.0, span, is_configured)


@pytest.mark.parametrize(
    ("what", "wish", "deviation"),
    [
        (known(), Wish(), 3),  # three times the noise
        (known(), Wish(0.7), 0.7),
        (known(), Wish(0.001, is_share=True), 1),
        (known(), Wish(target_ratio=10), 50),
        (known(10), Wish(), 10),  # one per cent of low..high is less than three times the noise
        (known(10, span=400, is_configured=False), Wish(), 8),
        (known(10, span=60, is_configured=False), Wish(), 30),  # nothing but noise, the span is not known
        (known(is_floor=False), Wish(), 5),
    ],
)
def test_largest_allowed(what, wish, deviation):
    assert limit(what, wish).deviation == pytest.approx(deviation)


@pytest.mark.parametrize(("configured", "deviation"), [(0.0, 5), (2.0, 2), (20.0, 5)])
def test_without_a_floor_the_error_of_now_is_not_enlarged(configured, deviation):
    assert limit(known(is_floor=False), Wish(), configured).deviation == deviation
    assert limit(known(), Wish(), configured).deviation == 3
    assert limit(known(is_floor=False), Wish(7.0), configured).deviation == 7


def test_says_when_a_person_would_ask():
    assert limit(known(), Wish()).note == ""
    assert "span" in limit(known(10), Wish()).note
    assert "low and high" in limit(known(is_configured=False), Wish(0.001, is_share=True)).note
