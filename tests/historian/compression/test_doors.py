"""Both doors, case by case from the definitions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from historian.compression.lanes import LaneSamples
from properties.compression_lanes import Stream, kept_of, lane_samples, scans_of, streamed
from properties.compression_reference import Sample, Settings, line_error

S = 1_000_000
BAD_TIMEOUT = 0x800A0000
BAD_DEVICE_FAILURE = 0x808B0000


def scans(*values, every_us=S):
    return [Sample(place * every_us, value) for place, value in enumerate(values)]


@pytest.fixture(params=[True, False], ids=["lookahead", "door"])
def stored(request):
    """What either door stores of a tag, as a stream and as a whole."""

    def both_ways(samples, **settings):
        one = [Settings(**{"look_ahead": request.param, **settings})]
        (kept,) = kept_of([samples], one)
        assert streamed(scans_of([samples]), one) == [kept]
        return kept

    return both_ways


def values(samples):
    return [one.value for one in samples]


def times_s(samples):
    return [one.time_us / S for one in samples]


def test_a_flat_line_is_its_two_ends(stored):
    assert times_s(stored(scans(*[7.0] * 50), comp_dev=0.0)) == [0, 49]


def test_a_ramp_of_exact_numbers_is_its_two_ends_even_without_a_deviation(stored):
    assert times_s(stored(scans(*map(float, range(50))), comp_dev=0.0)) == [0, 49]


def test_a_value_on_the_edge_of_the_door_is_left_out(stored):
    assert values(stored(scans(0.0, 1.0, 0.0), comp_dev=1.0)) == [0.0, 0.0]
    assert values(stored(scans(0.0, 1.001, 0.0), comp_dev=1.0)) == [0.0, 1.001, 0.0]


def test_the_door_is_narrowed_by_the_samples_between(stored):
    # After 0, 0, 0 only slopes within 1/2 a second may follow; 1.5 at the third second is one, 1.6 is not.
    assert times_s(stored(scans(0.0, 0.0, 0.0, 1.5), comp_dev=1.0)) == [0, 3]
    assert times_s(stored(scans(0.0, 0.0, 0.0, 1.6), comp_dev=1.0)) == [0, 2, 3]


def test_the_look_ahead_door_ends_a_line_at_the_last_sample_that_may_end_it():
    # Behind the zeros, 1.6 is too steep to end the line, but leaves slopes from 0.2 to 0.5, of which 1.0 has one.
    samples = scans(0.0, 0.0, 0.0, 1.6, 1.0, 9.0)
    assert times_s(kept_of([samples], [Settings(comp_dev=1.0)])[0]) == [0, 4, 5]


def test_the_plain_door_ends_a_line_before_the_first_sample_that_may_not_end_it():
    samples = scans(0.0, 0.0, 0.0, 1.6, 1.0, 9.0)
    assert times_s(kept_of([samples], [Settings(comp_dev=1.0, look_ahead=False)])[0]) == [0, 2, 3, 4, 5]


def test_without_a_deviation_every_number_is_stored_at_once():
    stream = Stream([Settings()])
    for sample in scans(1.0, 1.0, 1.0):
        stream.push(lane_samples({0: sample}))
        assert (stream.settle(), stream.held()) == ([[sample]], [[]])


def test_a_flat_line_and_a_step_come_back_exactly_with_the_scan_before_the_step(stored):
    samples = scans(*[100.0] * 600, *[110.0] * 600)
    kept = stored(samples, exc_dev=1.0, comp_dev=1.0)
    assert [(one.time_us // S, one.value) for one in kept] == [(0, 100.0), (599, 100.0), (600, 110.0), (1199, 110.0)]
    drawn = np.interp(np.arange(1200), times_s(kept), values(kept))
    assert np.abs(drawn - values(samples)).max() == 0
    assert np.trapezoid(drawn) / 1199 == 105.0


def test_comp_max_stores_a_sample_that_long_after_the_last_one(stored):
    assert times_s(stored(scans(*[7.0] * 8), comp_dev=1.0, comp_max_us=3 * S)) == [0, 3, 6, 7]


def test_comp_max_counts_from_the_held_sample_where_that_ends_the_segment(stored):
    assert times_s(stored(scans(0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0), comp_dev=1.0, comp_max_us=3 * S)) == [0, 2, 3, 6]


def test_comp_min_lets_a_spike_pass_and_so_breaks_the_bound(stored):
    spike = scans(0.0, 50.0, 0.0, 0.0, 0.0)
    assert times_s(stored(spike, comp_dev=1.0)) == [0, 1, 2, 4]
    assert times_s(stored(spike, comp_dev=1.0, comp_min_us=2 * S)) == [0, 4]


def test_comp_min_swallows_no_change_of_status_or_state(stored):
    bad = [Sample(0, 1.0), Sample(1, 5.0), Sample(2, None, BAD_TIMEOUT), Sample(3, None, BAD_TIMEOUT), Sample(4, 1.0)]
    assert stored(bad, comp_dev=1.0, comp_min_us=S) == bad
    states = [Sample(0, "a"), Sample(1, "b"), Sample(2, "a")]
    assert stored(states, step=True, comp_min_us=S) == states


class TestStatus:
    """A change of status ends the segment; the door starts anew behind it."""

    def test_the_last_good_sample_and_the_ends_of_a_bad_run_are_stored(self, stored):
        good, bad = scans(*[3.0] * 9), [Sample(one.time_us, None, BAD_TIMEOUT) for one in scans(*[0.0] * 9)]
        samples = [*good[:3], *bad[3:6], *good[6:]]
        assert times_s(stored(samples, comp_dev=1.0)) == [0, 2, 3, 5, 6, 8]

    def test_the_first_sample_of_the_new_status_is_stored_at_once(self):
        stream, failed = Stream([Settings(comp_dev=1.0)]), Sample(2 * S, None, BAD_TIMEOUT)
        for sample in [*scans(3.0, 3.0), failed]:
            stream.push(lane_samples({0: sample}))
        assert stream.settle() == [[Sample(0, 3.0), Sample(S, 3.0), failed]]

    def test_of_a_bad_run_without_compression_only_the_ends_are_stored(self, stored):
        samples = [Sample(place, None, BAD_TIMEOUT) for place in range(9)]
        assert [one.time_us for one in stored(samples)] == [0, 8]

    def test_another_bad_status_begins_another_run(self, stored):
        codes = [BAD_TIMEOUT] * 3 + [BAD_DEVICE_FAILURE] * 3
        samples = [Sample(place, None, code) for place, code in enumerate(codes)]
        assert [one.time_us for one in stored(samples, comp_dev=1.0)] == [0, 2, 3, 5]

    def test_no_line_is_drawn_across_a_bad_sample(self, stored):
        samples = [Sample(0, 0.0), Sample(1, 1.0), Sample(2, None, BAD_TIMEOUT), Sample(3, 3.0), Sample(4, 4.0)]
        assert stored(samples, comp_dev=1.0) == samples


class TestStepTags:
    """Every change is stored, at once, and nothing else but the last sample."""

    def test_changes_only(self, stored):
        got = stored(scans(0.0, 0.0, 1.0, 1.0, 1.0, 0.0), step=True, comp_dev=5.0)
        assert times_s(got) == [0, 2, 5]

    def test_the_last_sample_of_a_state_is_stored_at_the_end_and_before_a_bad_one(self, stored):
        samples = [Sample(0, "on"), Sample(1, "on"), Sample(2, None, BAD_TIMEOUT), Sample(3, "on"), Sample(4, "on")]
        assert stored(samples, step=True) == samples

    def test_comp_max_repeats_a_state(self, stored):
        assert times_s(stored(scans(1.0, 1.0, 1.0, 1.0, 1.0), step=True, comp_max_us=2 * S)) == [0, 2, 4]


class TestHardNumbers:
    """When in doubt, store."""

    def test_text_on_a_lane_with_a_door_is_never_interpolated(self, stored):
        assert values(stored(scans(1.0, "a", "a", "a", 2.0), comp_dev=1.0)) == [1.0, "a", "a", 2.0]

    def test_whole_numbers_that_a_double_would_round_are_stored_when_they_change(self, stored):
        big = 2**60
        samples = scans(big + 1, big + 1, big + 1, big + 2, big + 3, float(big))
        assert values(stored(samples, comp_dev=0.0)) == [big + 1, big + 1, big + 2, big + 3, float(big)]

    def test_a_flat_line_of_huge_numbers_is_compressed(self, stored):
        assert len(stored(scans(*[1.7e308] * 20), comp_dev=1.7e308)) == 2

    def test_slopes_beyond_the_largest_double_are_stored(self, stored):
        samples = scans(-1.7e308, 1.7e308, -1.7e308, 1.7e308, every_us=1)
        assert stored(samples, comp_dev=1.0) == samples

    def test_slopes_below_the_smallest_double_are_told_apart(self, stored):
        # Eleven days apart, the slope of such a value would be zero in units a second.
        samples = scans(0.0, 5e-322, 0.0, every_us=10**12)
        assert stored(samples, comp_dev=0.0) == samples

    def test_a_deviation_far_below_the_resolution_of_the_values_keeps_the_bound(self, stored):
        samples = scans(1e16, 1e16 + 2, 1e16 + 4, 1e16 + 6, 1e16 + 10)
        kept = stored(samples, comp_dev=1e-6)
        assert all(line_error(one, kept[0], kept[-2]) <= 1e-6 for one in samples[:-1])
        assert kept[-2:] == samples[-2:]

    def test_deviation_zero_calls_both_zeros_equal(self, stored):
        assert len(stored(scans(0.0, -0.0, 0.0, -0.0), comp_dev=0.0)) == 2
        assert len(stored(scans(0.0, -0.0, 0.0, -0.0), step=True)) == 2


def test_with_exception_reporting_alone_reports_are_stored_and_what_the_line_between_them_would_miss(stored):
    # Reported are 0, 1 and 9; the line from 0 to 1 would pass -1 at a distance of 1.5.
    assert values(stored(scans(0.0, -1.0, 1.0, 9.0), exc_dev=1.0)) == [0.0, -1.0, 1.0, 9.0]
    assert values(stored(scans(0.0, 0.5, 1.0, 9.0), exc_dev=1.0)) == [0.0, 1.0, 9.0]


def test_with_both_the_line_may_be_the_sum_away_from_what_was_not_reported(stored):
    samples = scans(0.0, -1.0, 1.0, 9.0)
    assert values(stored(samples, exc_dev=1.0, comp_dev=0.5)) == [0.0, 1.0, 9.0]
    assert values(stored(samples, exc_dev=1.0, comp_dev=0.4)) == [0.0, -1.0, 1.0, 9.0]


def test_held_samples_are_known_until_they_are_drained():
    stream = Stream([Settings(comp_dev=1.0), Settings(comp_dev=1.0)])
    stream.push(lane_samples({0: Sample(0, 1.0), 1: Sample(0, 1.0)}))
    stream.settle()
    assert stream.held() == [[], []]
    stream.push(lane_samples({1: Sample(S, 1.0)}))
    assert stream.held() == [[], [Sample(S, 1.0)]]
    assert stream.drain() == [[], [Sample(S, 1.0)]]
    assert (stream.held(), stream.drain()) == ([[], []], [[], []])


def test_after_a_drain_the_next_sample_is_the_first():
    stream = Stream([Settings(comp_dev=1.0)])
    stream.push(lane_samples({0: Sample(5 * S, 0.0)}))
    stream.drain()
    stream.push(lane_samples({0: Sample(S, 0.0)}))
    assert stream.settle() == [[Sample(S, 0.0)]]


def test_a_sample_that_is_not_newer_is_refused():
    stream = Stream([Settings(comp_dev=1.0)])
    stream.push(lane_samples({0: Sample(S, 1.0)}))
    with pytest.raises(ValueError, match="lane 0: got a sample at 1000000 us after one at 1000000 us"):
        stream.push(lane_samples({0: Sample(S, 1.0)}))


def test_no_samples_store_nothing():
    stream = Stream([Settings(), Settings(comp_dev=1.0), Settings(step=True)])
    stream.push(LaneSamples.empty())
    assert (stream.settle(), stream.drain()) == ([[], [], []], [[], [], []])


def test_samples_are_held_from_the_last_possible_end_on():
    stream = Stream([Settings(comp_dev=1.0)])
    held = []
    # From 1.9 on none is an end, and all leave the window open.
    for sample in scans(0.0, 0.0, 0.0, 0.0, 1.9, 2.1, 2.5, 2.9):
        stream.push(lane_samples({0: sample}))
        stream.settle()
        held.append(times_s(stream.held()[0]))
    # The last sample waits for the next one, which may say that a line has to end there.
    assert held == [[], [1], [1, 2], [2, 3], [3, 4], [3, 4, 5], [3, 4, 5, 6], [3, 4, 5, 6, 7]]


def test_the_worked_example_of_the_documentation_is_what_the_doors_do():
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "compression.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \|.*\| (yes)? ?\|$", page, re.MULTILINE)
    samples = [Sample(int(second) * S, float(value)) for second, value, _ in rows]
    assert len(samples) == 9
    marked = [sample for sample, (_, _, mark) in zip(samples, rows, strict=True) if mark]
    assert kept_of([samples], [Settings(comp_dev=0.5)]) == [marked]
    (plain,) = re.findall(r"the plain door stores those at ([\d, ]+) and (\d+) s", page)
    seconds = [int(second) for second in [*plain[0].split(", "), plain[1]]]
    assert times_s(kept_of([samples], [Settings(comp_dev=0.5, look_ahead=False)])[0]) == seconds
