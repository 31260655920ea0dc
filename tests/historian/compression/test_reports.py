"""Exception reporting, case by case from the definitions."""

from __future__ import annotations

from properties.compression_lanes import Stream, lane_samples, marks_of
from properties.compression_reference import REPORTED, SUPPRESSED, TOO_SOON, Sample, Settings

S = 1_000_000
BAD_TIMEOUT = 0x800A0000
BAD_DEVICE_FAILURE = 0x808B0000
UNCERTAIN = 0x40900000


def scans(*values, status=0, every_s=1):
    return [Sample(place * every_s * S, value, status) for place, value in enumerate(values)]


def marks(samples, **settings):
    return marks_of([samples], [Settings(**settings)])[0]


def reported(samples, **settings):
    return [one for one, mark in zip(samples, marks(samples, **settings), strict=True) if mark == REPORTED]


def values(samples):
    return [one.value for one in samples]


def test_a_value_on_the_edge_of_the_band_is_not_reported():
    assert values(reported(scans(10.0, 10.5, 9.5, 10.0), exc_dev=0.5)) == [10.0]


def test_a_value_outside_is_reported_after_the_scan_before_it():
    assert values(reported(scans(10.0, 10.5, 9.5, 10.6), exc_dev=0.5)) == [10.0, 9.5, 10.6]


def test_a_scan_reported_already_is_not_reported_again_as_the_previous_one():
    assert values(reported(scans(1.0, 2.0, 3.0), exc_dev=0.5)) == [1.0, 2.0, 3.0]


def test_the_band_lies_around_the_last_report_not_around_the_last_scan():
    assert values(reported(scans(0.0, 0.4, 0.8, 1.2), exc_dev=0.5)) == [0.0, 0.4, 0.8]
    assert values(reported(scans(0.0, 0.2, 0.4, 0.6, 0.8), exc_dev=0.5)) == [0.0, 0.4, 0.6]


def test_exc_min_delays_a_deviation():
    got = reported(scans(0.0, 9.0, 9.0, 9.0), exc_dev=0.5, exc_min_us=3 * S)
    assert [one.time_us for one in got] == [0, 2 * S, 3 * S]


def test_exc_max_reports_an_unchanged_value_alone():
    got = reported(scans(5.0, 5.0, 5.0, 5.0, 5.0), exc_dev=0.5, exc_max_us=2 * S)
    assert [one.time_us for one in got] == [0, 2 * S, 4 * S]


def test_without_a_deviation_every_scan_is_reported():
    samples = scans(5.0, 5.0, 5.0)
    assert reported(samples) == samples


def test_with_deviation_zero_only_equal_values_are_left_out():
    assert values(reported(scans(5.0, 5.0, 5.0, 5.0 + 2**-50), exc_dev=0.0)) == [5.0, 5.0, 5.0 + 2**-50]
    assert values(reported(scans(0.0, -0.0, 0.0), exc_dev=0.0)) == [0.0]


def test_the_smallest_of_all_changes_is_one():
    assert values(reported(scans(0.0, 0.0, 5e-324), exc_dev=0.0)) == [0.0, 0.0, 5e-324]


def test_a_change_of_status_reports_both_sides():
    samples = [Sample(0, 1.0), Sample(1, 1.1), Sample(2, None, BAD_TIMEOUT), Sample(3, None, BAD_TIMEOUT)]
    samples += [Sample(4, None, BAD_TIMEOUT), Sample(5, 1.0), Sample(6, 1.0)]
    assert [one.time_us for one in reported(samples, exc_dev=0.5)] == [0, 1, 2, 4, 5]


def test_exc_max_counts_for_bad_values_too():
    samples = scans(*[None] * 5, status=BAD_TIMEOUT)
    assert [one.time_us for one in reported(samples, exc_dev=0.5, exc_max_us=3 * S)] == [0, 3 * S]


def test_another_bad_status_is_a_change():
    samples = [Sample(0, None, BAD_TIMEOUT), Sample(1, None, BAD_TIMEOUT), Sample(2, None, BAD_DEVICE_FAILURE)]
    assert reported(samples, exc_dev=0.5) == samples


def test_uncertain_is_a_status_like_any_other():
    samples = [Sample(0, 1.0), Sample(1, 1.0, UNCERTAIN), Sample(2, 1.0, UNCERTAIN), Sample(3, 1.0)]
    assert reported(samples, exc_dev=0.5) == samples


def test_step_tags_have_no_band_every_change_is_for_the_store_to_see():
    assert marks(scans(0.0, 0.0, 1.0), step=True, exc_dev=5.0) == [REPORTED] * 3


def test_deviations_of_large_whole_numbers_are_exact():
    big = 2**60
    assert values(reported(scans(big + 1, big + 3, big + 4), exc_dev=2.0)) == [big + 1, big + 3, big + 4]
    assert values(reported(scans(big + 1, big + 2, big + 3), exc_dev=2.0)) == [big + 1]


def test_a_distance_beyond_the_largest_double_is_a_deviation():
    assert values(reported(scans(-1.7e308, -1.7e308, 1.7e308), exc_dev=1e308)) == [-1.7e308, -1.7e308, 1.7e308]


def test_what_comes_too_soon_is_told_from_what_says_nothing_new():
    got = marks(scans(0.0, 0.1, 9.0, 9.0, 9.0), exc_dev=0.5, exc_min_us=4 * S)
    assert got == [REPORTED, SUPPRESSED, TOO_SOON, REPORTED, REPORTED]


def test_no_samples_give_no_reports():
    assert marks_of([[], []], [Settings(exc_dev=1.0), Settings()]) == [[], []]


def test_reports_are_counted_of_what_was_settled():
    stream = Stream([Settings(exc_dev=1.0, comp_dev=1.0), Settings(comp_dev=1.0)])
    for lane in (0, 1):
        for sample in scans(5.0, 5.5, 5.0, 8.0):
            stream.push(lane_samples({lane: sample}))
    assert stream.compression.reported == 0
    stream.settle()
    assert stream.compression.reported == 3 + 4
    assert stream.compression.suppressed == 1
