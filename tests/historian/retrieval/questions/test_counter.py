"""Counters: rollovers, resets, and which interval an increment belongs to."""

from __future__ import annotations

import numpy as np
import pytest

from historian.errors import UsageError
from historian.model.status import BAD_NO_DATA, CALCULATED, GOOD, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.counter import CounterRules, counter
from historian.retrieval.windows import Windows
from support.series_of import SECOND, Tag, series_of


def count(*tags, edges=(0, 100), **rules):
    at = np.array([round(edge * SECOND) for edge in edges], np.int64)
    windows = Windows.whole(Intervals(at[:-1], at[1:]))
    return counter(series_of(*tags), windows, len(at) - 1, CounterRules(**rules))


def deltas(found):
    return [None if np.isnan(value) else value for value in found.delta.value.tolist()]


def flags(found):
    return list(zip(found.rollovers.tolist(), found.resets.tolist(), strict=True))


def test_over_the_rollover_the_way_is_forwards():
    # AVEVA Historian, "Counter retrieval": 9,900 and then 100 of 10,000 are 200 units.
    found = count(Tag([(0, 9_900), (100, 100)]), rollover=10_000)
    assert (deltas(found), flags(found)) == ([200], [(1, 0)])


@pytest.mark.parametrize(("rollover", "last", "flag"), [(None, 3, (0, 1)), (200, 80, (1, 0))])
def test_the_published_example_of_a_counter_that_is_reset_by_hand(rollover, last, flag):
    # AVEVA Historian, "Counter retrieval - calculations for a manually reset counter".
    tag = Tag([(0, 100), (20, 110), (40, 117), (60, 123), (80, 3)], stepped=True)
    found = count(tag, edges=range(0, 100, 20), rollover=rollover)
    assert deltas(found) == [10, 7, 6, last]
    assert flags(found) == [(0, 0), (0, 0), (0, 0), flag]


def test_the_published_example_of_a_totalizer():
    # Flow Software, "The Counter Aggregation Method", 06:00 to 07:00: 3.6, by steps.
    clock = (
        "05:55:03 06:03:23 06:07:30 06:10:22 06:15:52 06:20:40 06:25:13 "
        "06:29:44 06:35:14 06:41:14 06:46:03 06:52:35 06:55:26 07:05:40"
    )
    values = [1, 1.7, 1.9, 2, 2.3, 2.5, 2.8, 3.2, 0, 0.2, 0.4, 1, 1.4, 2.3]
    times = [
        sum(int(part) * 60**power for part, power in zip(at.split(":"), (2, 1, 0), strict=True)) for at in clock.split()
    ]
    found = count(Tag(list(zip(times, values, strict=True)), stepped=True), edges=(6 * 3600, 7 * 3600))
    assert deltas(found) == pytest.approx([3.6])
    assert flags(found) == [(0, 1)]


def test_a_drop_that_is_no_plausible_rollover_is_a_reset():
    tag = Tag([(0, 300), (10, 5), (20, 9)], stepped=True)
    found = count(tag, rollover=10_000)
    assert (deltas(found), flags(found)) == ([5 + 4], [(0, 1)])
    assert deltas(count(Tag([(0, 9_900), (10, 100)], stepped=True))) == [100]


def test_a_largest_rate_decides_in_place_of_the_share():
    tag = Tag([(0, 4_000), (10, 0)], stepped=True)
    assert flags(count(tag, rollover=10_000)) == [(0, 1)]
    assert flags(count(tag, rollover=10_000, max_rate_per_s=600)) == [(1, 0)]
    near = Tag([(0, 9_900), (10, 100)], stepped=True)
    assert flags(count(near, rollover=10_000, max_rate_per_s=19)) == [(0, 1)]


@pytest.mark.parametrize("values", [(12_000, 10), (9_000, -5)])
def test_what_is_outside_the_range_did_not_roll_over(values):
    found = count(Tag([(0, values[0]), (10, values[1])], stepped=True), rollover=10_000, max_rate_per_s=1e9)
    assert (deltas(found), flags(found)) == ([max(values[1], 0)], [(0, 1)])


def test_small_drops_within_the_deadband_are_corrections():
    tag = Tag([(0, 100), (10, 99.5), (20, 101)], stepped=True)
    assert deltas(count(tag)) == [99.5 + 1.5]
    found = count(tag, deadband=0.5)
    assert (deltas(found), flags(found)) == ([1], [(0, 0)])


def test_an_increment_on_a_line_is_shared_out_by_time():
    found = count(Tag([(0, 0), (100, 50)]), edges=(0, 10, 30, 100))
    assert deltas(found) == pytest.approx([5, 10, 35])


def test_a_rollover_on_a_line_is_shared_out_too():
    found = count(Tag([(0, 9_990), (100, 10)]), edges=(0, 50, 100), rollover=10_000)
    assert deltas(found) == pytest.approx([10, 10])
    assert flags(found) == [(0, 0), (1, 0)]


def test_an_increment_of_a_step_counts_when_it_is_seen_and_at_an_edge_before_it():
    found = count(Tag([(0, 0), (10, 3), (20, 7), (25, 8)], stepped=True, known=40), edges=(0, 10, 20, 30, 40))
    assert deltas(found) == [3, 4, 1, 0]


def test_what_was_counted_in_a_gap_counts_when_it_ends():
    tag = Tag([(0, 0), (10, 10), (20, None), (50, 40), (60, 50)])
    found = count(tag, edges=(0, 20, 40, 60))
    assert deltas(found) == [10, None, 40]
    assert found.delta.status.tolist() == [GOOD | CALCULATED, BAD_NO_DATA, UNCERTAIN_DATA_SUB_NORMAL | CALCULATED]
    assert found.delta.percent_good.tolist() == [100, 0, 50]
    # Nothing is lost when an interval ends just where the gap does.
    assert deltas(count(tag, edges=(0, 20, 50, 60))) == [10, 30, 10]


def test_nothing_is_counted_before_the_first_sample_and_after_the_end():
    found = count(Tag([(50, 1_000), (60, 1_001)], known=70), edges=(0, 50, 60, 80, 100))
    assert deltas(found) == [None, 1, 0, None]


@pytest.mark.parametrize("begin", [2**53 + 1, 2**63 - 5, 2**64 - 11])
def test_counters_beyond_the_digits_of_a_double_are_exact(begin):
    values = [begin, begin + 3, (begin + 10) % 2**64]
    found = count(Tag([(0, values[0]), (10, values[1]), (20, values[2])], stepped=True), rollover=2**64)
    assert deltas(found) == [10]


def test_a_rollover_of_64_bits_is_exact():
    found = count(Tag([(0, 2**64 - 100), (10, 101)], stepped=True), rollover=2**64)
    assert (deltas(found), flags(found)) == ([201], [(1, 0)])


def test_tags_and_windows_are_kept_apart():
    windows = Windows(np.array([0, 0]), np.array([0, 60]) * SECOND, np.array([20, 70]) * SECOND)
    series = series_of(Tag([(0, 0), (100, 100)]), Tag([]), Tag([(0, 0), (65, 7)], stepped=True))
    assert deltas(counter(series, windows, 1)) == pytest.approx([30, None, 7])


@pytest.mark.parametrize(
    "rules", [{"rollover": 0}, {"rollover": -1}, {"deadband": -1}, {"max_rate_per_s": 0}, {"rollover": float("nan")}]
)
def test_limits_that_cannot_be_are_refused(rules):
    with pytest.raises(UsageError):
        CounterRules(**rules)
