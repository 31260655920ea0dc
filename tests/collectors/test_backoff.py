"""The delays between attempts to reach a lost source."""

import random

import pytest

from collectors.backoff import Backoff


def test_the_first_attempt_is_at_once_and_then_delays_double_up_to_the_limit():
    backoff = Backoff(first_s=0.5, limit_s=30, random=random.Random(1))
    delays = [backoff.next_s() for _ in range(10)]
    nominal = [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert delays == [pytest.approx(each, rel=0.2) for each in nominal]


def test_jitter_keeps_two_sources_apart():
    one, other = Backoff(random=random.Random(1)), Backoff(random=random.Random(2))
    for each in (one, other):
        each.next_s()
    assert one.next_s() != other.next_s()


def test_an_answer_starts_over():
    backoff = Backoff()
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0


def test_a_source_dead_for_years_is_still_tried():
    backoff = Backoff(limit_s=30, failures=10**7)
    assert 24 <= backoff.next_s() <= 36
