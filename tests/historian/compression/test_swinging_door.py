"""The plain swinging door, case by case from the definitions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from historian.compression.lanes import LaneSamples
from historian.compression.swinging_door import SwingingDoor
from properties.compression_lanes import by_lane, lane_samples, lane_settings, run_both, scans_of, store_all
from properties.compression_reference import Sample, Settings, line_error

S = 1_000_000
BAD_TIMEOUT = 0x800A0000
BAD_DEVICE_FAILURE = 0x808B0000


def scans(*values, every_us=S):
    return [Sample(place * every_us, value) for place, value in enumerate(values)]


def stored(samples, **settings):
    return store_all(scans_of([samples]), [Settings(**settings)]).lanes[0]


def values(samples):
    return [one.value for one in samples]


def times_s(samples):
    return [one.time_us / S for one in samples]


def test_a_flat_line_is_its_two_ends():
    assert times_s(stored(scans(*[7.0] * 50), comp_dev=0.0)) == [0, 49]


def test_a_ramp_of_exact_numbers_is_its_two_ends_even_without_a_deviation():
    assert times_s(stored(scans(*map(float, range(50))), comp_dev=0.0)) == [0, 49]


def test_a_value_on_the_edge_of_the_door_is_left_out():
    assert values(stored(scans(0.0, 1.0, 0.0), comp_dev=1.0)) == [0.0, 0.0]
    assert values(stored(scans(0.0, 1.001, 0.0), comp_dev=1.0)) == [0.0, 1.001, 0.0]


def test_the_door_is_closed_by_the_samples_between_and_swings_from_the_held_one():
    # After 0, 0, 0 only slopes within 1/2 a second may follow; 3 at the third second is one, 4 is not.
    assert times_s(stored(scans(0.0, 0.0, 0.0, 1.5), comp_dev=1.0)) == [0, 3]
    assert times_s(stored(scans(0.0, 0.0, 0.0, 1.6), comp_dev=1.0)) == [0, 2, 3]


def test_without_a_deviation_every_number_is_stored_at_once():
    door = SwingingDoor(lane_settings([Settings()]))
    for sample in scans(1.0, 1.0, 1.0):
        assert [by_lane(part) for part in door.push(lane_samples({0: sample}))] == [{0: sample}]
    assert door.held() == []


def test_a_flat_line_and_a_step_come_back_exactly_with_the_scan_before_the_step():
    samples = scans(*[100.0] * 600, *[110.0] * 600)
    kept = run_both(scans_of([samples]), [Settings(exc_dev=1.0, comp_dev=1.0)]).lanes[0]
    assert [(one.time_us // S, one.value) for one in kept] == [(0, 100.0), (599, 100.0), (600, 110.0), (1199, 110.0)]
    drawn = np.interp(np.arange(1200), times_s(kept), values(kept))
    assert np.abs(drawn - values(samples)).max() == 0
    assert np.trapezoid(drawn) / 1199 == 105.0


def test_comp_max_stores_a_sample_that_long_after_the_last_one():
    assert times_s(stored(scans(*[7.0] * 8), comp_dev=1.0, comp_max_us=3 * S)) == [0, 3, 6, 7]


def test_comp_max_counts_from_the_held_sample_where_that_ends_the_segment():
    assert times_s(stored(scans(0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0), comp_dev=1.0, comp_max_us=3 * S)) == [0, 2, 3, 6]


def test_comp_min_lets_a_spike_pass_and_so_breaks_the_bound():
    spike = scans(0.0, 50.0, 0.0, 0.0, 0.0)
    assert times_s(stored(spike, comp_dev=1.0)) == [0, 1, 2, 4]
    assert times_s(stored(spike, comp_dev=1.0, comp_min_us=2 * S)) == [0, 4]


def test_comp_min_swallows_no_change_of_status_or_state():
    bad = [Sample(0, 1.0), Sample(1, 5.0), Sample(2, None, BAD_TIMEOUT), Sample(3, None, BAD_TIMEOUT), Sample(4, 1.0)]
    assert stored(bad, comp_dev=1.0, comp_min_us=S) == bad
    states = [Sample(0, "a"), Sample(1, "b"), Sample(2, "a")]
    assert stored(states, step=True, comp_min_us=S) == states


class TestStatus:
    """A change of status ends the segment; the door starts anew behind it."""

    def test_the_last_good_sample_and_the_ends_of_a_bad_run_are_stored(self):
        good, bad = scans(*[3.0] * 9), [Sample(one.time_us, None, BAD_TIMEOUT) for one in scans(*[0.0] * 9)]
        samples = [*good[:3], *bad[3:6], *good[6:]]
        assert times_s(stored(samples, comp_dev=1.0)) == [0, 2, 3, 5, 6, 8]

    def test_the_first_sample_of_the_new_status_is_stored_at_once(self):
        door = SwingingDoor(lane_settings([Settings(comp_dev=1.0)]))
        for sample in scans(3.0, 3.0):
            door.push(lane_samples({0: sample}))
        failed = Sample(2 * S, None, BAD_TIMEOUT)
        got = [by_lane(part)[0] for part in door.push(lane_samples({0: failed}))]
        assert got == [Sample(S, 3.0), failed]

    def test_of_a_bad_run_without_compression_only_the_ends_are_stored(self):
        samples = [Sample(place, None, BAD_TIMEOUT) for place in range(9)]
        assert [one.time_us for one in stored(samples)] == [0, 8]

    def test_another_bad_status_begins_another_run(self):
        codes = [BAD_TIMEOUT] * 3 + [BAD_DEVICE_FAILURE] * 3
        samples = [Sample(place, None, code) for place, code in enumerate(codes)]
        assert [one.time_us for one in stored(samples, comp_dev=1.0)] == [0, 2, 3, 5]

    def test_no_line_is_drawn_across_a_bad_sample(self):
        samples = [Sample(0, 0.0), Sample(1, 1.0), Sample(2, None, BAD_TIMEOUT), Sample(3, 3.0), Sample(4, 4.0)]
        assert stored(samples, comp_dev=1.0) == samples


class TestStepTags:
    """Every change is stored, at once, and nothing else but the last sample."""

    def test_changes_only(self):
        got = stored(scans(0.0, 0.0, 1.0, 1.0, 1.0, 0.0), step=True, comp_dev=5.0)
        assert times_s(got) == [0, 2, 5]

    def test_the_last_sample_of_a_state_is_stored_at_the_end_and_before_a_bad_one(self):
        samples = [Sample(0, "on"), Sample(1, "on"), Sample(2, None, BAD_TIMEOUT), Sample(3, "on"), Sample(4, "on")]
        assert stored(samples, step=True) == samples

    def test_comp_max_repeats_a_state(self):
        assert times_s(stored(scans(1.0, 1.0, 1.0, 1.0, 1.0), step=True, comp_max_us=2 * S)) == [0, 2, 4]


class TestHardNumbers:
    """When in doubt, store."""

    def test_text_on_a_lane_with_a_door_is_never_interpolated(self):
        assert values(stored(scans(1.0, "a", "a", "a", 2.0), comp_dev=1.0)) == [1.0, "a", "a", 2.0]

    def test_whole_numbers_that_a_double_would_round_are_stored_when_they_change(self):
        big = 2**60
        samples = scans(big + 1, big + 1, big + 1, big + 2, big + 3, float(big))
        assert values(stored(samples, comp_dev=0.0)) == [big + 1, big + 1, big + 2, big + 3, float(big)]

    def test_a_flat_line_of_huge_numbers_is_compressed(self):
        assert len(stored(scans(*[1.7e308] * 20), comp_dev=1.7e308)) == 2

    def test_slopes_beyond_the_largest_double_are_stored(self):
        samples = scans(-1.7e308, 1.7e308, -1.7e308, 1.7e308, every_us=1)
        assert stored(samples, comp_dev=1.0) == samples

    def test_slopes_below_the_smallest_double_are_told_apart(self):
        # Eleven days apart, the slope of such a value would be zero in units a second.
        samples = scans(0.0, 5e-322, 0.0, every_us=10**12)
        assert stored(samples, comp_dev=0.0) == samples

    def test_a_deviation_far_below_the_resolution_of_the_values_keeps_the_bound(self):
        samples = scans(1e16, 1e16 + 2, 1e16 + 4, 1e16 + 6, 1e16 + 10)
        kept = stored(samples, comp_dev=1e-6)
        assert all(line_error(one, kept[0], kept[-2]) <= 1e-6 for one in samples[:-1])
        assert kept[-2:] == samples[-2:]

    def test_deviation_zero_calls_both_zeros_equal(self):
        assert len(stored(scans(0.0, -0.0, 0.0, -0.0), comp_dev=0.0)) == 2
        assert len(stored(scans(0.0, -0.0, 0.0, -0.0), step=True)) == 2


def test_held_samples_are_known_until_they_are_drained():
    door = SwingingDoor(lane_settings([Settings(comp_dev=1.0), Settings(comp_dev=1.0)]))
    door.push(lane_samples({0: Sample(0, 1.0), 1: Sample(0, 1.0)}))
    assert door.held() == []
    door.push(lane_samples({1: Sample(S, 1.0)}))
    assert [by_lane(part) for part in door.held()] == [{1: Sample(S, 1.0)}]
    assert [by_lane(part) for part in door.drain()] == [{1: Sample(S, 1.0)}]
    assert (door.held(), door.drain()) == ([], [])


def test_after_a_drain_the_door_swings_from_the_drained_sample():
    door = SwingingDoor(lane_settings([Settings(comp_dev=1.0)]))
    for sample in scans(0.0, 0.0, 0.0):
        door.push(lane_samples({0: sample}))
    door.drain()
    # From the first sample this slope would be outside the door.
    assert door.push(lane_samples({0: Sample(3 * S, 50.0)})) == []


def test_a_restarted_lane_stores_its_next_sample_and_forgets_what_was_held():
    door = SwingingDoor(lane_settings([Settings(comp_dev=1.0)]))
    for sample in scans(0.0, 0.0):
        door.push(lane_samples({0: sample}))
    door.restart(np.array([0]))
    assert door.held() == []
    assert [by_lane(part) for part in door.push(lane_samples({0: Sample(0, 0.0)}))] == [{0: Sample(0, 0.0)}]


def test_a_line_that_turns_out_to_be_a_state_is_ended_first():
    door = SwingingDoor(lane_settings([Settings(comp_dev=1.0)]))
    for sample in scans(0.0, 0.5):
        door.push(lane_samples({0: sample}))
    door.set_settings(lane_settings([Settings(comp_dev=1.0, step=True)]))
    got = [by_lane(part)[0] for part in door.push(lane_samples({0: Sample(2 * S, 0.5)}))]
    assert got == [Sample(S, 0.5), Sample(2 * S, 0.5)]
    assert door.push(lane_samples({0: Sample(3 * S, 0.5)})) == []


def test_settings_of_another_number_of_lanes_are_refused():
    door = SwingingDoor(lane_settings([Settings()]))
    with pytest.raises(ValueError, match="settings of 1 lanes: got settings of 2"):
        door.set_settings(lane_settings([Settings(), Settings()]))


def test_a_sample_that_is_not_newer_is_refused():
    door = SwingingDoor(lane_settings([Settings(comp_dev=1.0)]))
    door.push(lane_samples({0: Sample(S, 1.0)}))
    with pytest.raises(ValueError, match="lane 0: got a sample at 1000000 us after one at 1000000 us"):
        door.push(lane_samples({0: Sample(S, 1.0)}))


def test_no_samples_store_nothing():
    assert SwingingDoor(lane_settings([Settings()])).push(LaneSamples.empty()) == []


def test_the_worked_example_of_the_documentation_is_what_the_door_does():
    page = Path(__file__).parents[3] / "docs" / "explanation" / "compression.md"
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \|.*\| (yes)? ?\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    samples = [Sample(int(second) * S, float(value)) for second, value, _ in rows]
    assert len(samples) == 9
    marked = [sample for sample, (_, _, mark) in zip(samples, rows, strict=True) if mark]
    assert stored(samples, comp_dev=0.5) == marked
