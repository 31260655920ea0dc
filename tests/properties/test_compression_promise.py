"""The promise of compression, in exact arithmetic, on what plants send and on what doubles make hard."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from properties.compression_lanes import report_all, run_both, scans_of, store_all
from properties.compression_reference import Sample, Settings, line_error
from properties.compression_signals import any_settings, any_tags, extreme_tags, plant_tags, promising_settings
from support.examples import examples

numbers = st.one_of(plant_tags, extreme_tags)
anything = st.one_of(any_tags, extreme_tags)


def rounding(samples: list[Sample], *deviations: float) -> Fraction:
    """A few units in the last place of the largest number in play."""
    values = [abs(one.value) for one in samples if one.value is not None]
    return 4 * Fraction(math.ulp(max([*values, *deviations], default=0.0)))


def segments(samples: list[Sample], kept: list[Sample]) -> list[tuple[Sample, list[Sample], Sample]]:
    """The samples left out, each list with the two kept ones around it."""
    return [
        (before, [one for one in samples if before.time_us < one.time_us < after.time_us], after)
        for before, after in pairwise(kept)
    ]


def worst_error(samples: list[Sample], kept: list[Sample]) -> Fraction:
    """Largest distance of a left-out value from the line between its kept neighbours."""
    errors = [
        line_error(one, before, after)
        for before, between, after in segments(samples, kept)
        for one in between
        if not one.is_bad
    ]
    return max(errors, default=Fraction(0))


def assert_status_changes_are_kept(samples: list[Sample], kept: list[Sample]) -> None:
    for before, after in pairwise(samples):
        if before.status != after.status:
            assert before in kept
            assert after in kept


@settings(max_examples=examples(400), deadline=None)
@given(numbers, promising_settings)
def test_every_value_left_out_is_within_the_deviation_of_the_line(tag, one):
    kept = store_all(scans_of([tag]), [one]).lanes[0]
    assert worst_error(tag, kept) <= Fraction(one.comp_dev) + rounding(tag, one.comp_dev)


@settings(max_examples=examples(200), deadline=None)
@given(anything, any_settings)
def test_only_true_samples_are_stored_in_order_with_both_ends_and_both_sides_of_a_change(tag, one):
    for kept in (store_all(scans_of([tag]), [one]).lanes[0], run_both(scans_of([tag]), [one]).lanes[0]):
        assert kept == sorted(set(kept))
        assert set(kept) <= set(tag)
        assert kept[:1] == tag[:1]
        assert kept[-1:] == tag[-1:]
        assert_status_changes_are_kept(tag, kept)


@settings(max_examples=examples(200), deadline=None)
@given(anything, any_settings)
def test_of_a_run_of_equal_bad_samples_only_the_ends_are_stored(tag, one):
    free = Settings(exc_dev=one.exc_dev, comp_dev=one.comp_dev, step=one.step)
    kept = run_both(scans_of([tag]), [free]).lanes[0]
    for before, middle, after in zip(tag, tag[1:], tag[2:], strict=False):
        if middle.is_bad and before.status == middle.status == after.status:
            assert middle not in kept


@settings(max_examples=examples(200), deadline=None)
@given(any_tags, any_settings)
def test_a_step_tag_can_be_drawn_again_exactly(tag, one):
    stepped = Settings(comp_dev=one.comp_dev, exc_dev=one.exc_dev, comp_min_us=one.comp_min_us, step=True)
    kept = run_both(scans_of([tag]), [stepped]).lanes[0]
    for sample in tag:
        holds = [one for one in kept if one.time_us <= sample.time_us][-1]
        assert (holds.value, holds.status) == (sample.value, sample.status)


@settings(max_examples=examples(200), deadline=None)
@given(numbers, promising_settings)
def test_stored_samples_are_no_further_apart_than_comp_max(tag, one):
    kept = store_all(scans_of([tag]), [one]).lanes[0]
    limit = one.comp_max_us
    for before, between, _ in segments(tag, kept):
        assert limit is None or all(sample.time_us - before.time_us < limit for sample in between)


@settings(max_examples=examples(200), deadline=None)
@given(numbers, promising_settings)
def test_every_scan_is_within_exc_dev_of_the_report_it_stands_behind(tag, one):
    kept = report_all(scans_of([tag]), [one]).lanes[0]
    for before, between, _ in segments(tag, kept):
        for sample in between:
            if sample.is_bad:
                continue
            distance = abs(Fraction(sample.value) - Fraction(before.value))
            assert distance <= Fraction(one.exc_dev) + rounding(tag, one.exc_dev)


@settings(max_examples=examples(400), deadline=None)
@given(numbers, promising_settings)
def test_the_line_through_what_is_left_of_both_stages_is_within_their_bound(tag, one):
    kept = run_both(scans_of([tag]), [one]).lanes[0]
    exc_dev = one.exc_dev or 0.0
    bound = 2 * Fraction(exc_dev) + Fraction(one.comp_dev)
    assert worst_error(tag, kept) <= bound + rounding(tag, exc_dev, one.comp_dev)
