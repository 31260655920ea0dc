"""The promise of compression, in exact arithmetic, on what plants send and on what doubles make hard."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.compression_lanes import marks_of, scans_of, streamed
from properties.compression_reference import REPORTED, Sample, Settings, rounding, segments, worst_error
from properties.compression_signals import any_settings, any_tags, extreme_tags, plant_tags, promising_settings
from support.examples import examples

numbers = st.one_of(plant_tags, extreme_tags)
anything = st.one_of(any_tags, extreme_tags)
seeds = st.integers(0, 2**32)


def stored(tag: list[Sample], one: Settings, seed: int = 0) -> list[Sample]:
    """What a stream of one tag leaves, in blocks of any size."""
    random = np.random.default_rng(seed)
    return streamed(scans_of([tag]), [one], lambda: random.random() < 0.2)[0]


@settings(max_examples=examples(250), deadline=None)
@given(numbers, promising_settings, seeds)
def test_every_value_left_out_is_within_both_deviations_of_the_line(tag, one, seed):
    exc_dev, comp_dev = one.exc_dev or 0.0, one.comp_dev or 0.0
    bound = Fraction(exc_dev) + Fraction(comp_dev) + rounding(tag, exc_dev, comp_dev)
    assert worst_error(tag, stored(tag, one, seed)) <= bound


@settings(max_examples=examples(200), deadline=None)
@given(numbers, promising_settings)
def test_of_what_is_reported_every_value_left_out_is_within_comp_dev(tag, one):
    reported = [sample for sample, mark in zip(tag, marks_of([tag], [one])[0], strict=True) if mark == REPORTED]
    comp_dev = one.comp_dev or 0.0
    assert worst_error(reported, stored(tag, one)) <= Fraction(comp_dev) + rounding(tag, comp_dev, one.exc_dev or 0.0)


@settings(max_examples=examples(200), deadline=None)
@given(anything, any_settings, seeds)
def test_only_true_samples_are_stored_in_order_with_both_ends_and_both_sides_of_a_change(tag, one, seed):
    kept = stored(tag, one, seed)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(tag)
    assert (kept[:1], kept[-1:]) == (tag[:1], tag[-1:])
    for before, after in pairwise(tag):
        if before.status != after.status:
            assert before in kept
            assert after in kept


@settings(max_examples=examples(100), deadline=None)
@given(anything, any_settings)
def test_of_a_run_of_equal_bad_samples_only_the_ends_are_stored(tag, one):
    kept = stored(tag, replace(one, comp_max_us=None))
    for before, middle, after in zip(tag, tag[1:], tag[2:], strict=False):
        if middle.is_bad and before.status == middle.status == after.status:
            assert middle not in kept


@settings(max_examples=examples(100), deadline=None)
@given(any_tags, any_settings)
def test_a_step_tag_can_be_drawn_again_exactly(tag, one):
    kept = stored(tag, replace(one, step=True))
    for sample in tag:
        holds = [one for one in kept if one.time_us <= sample.time_us][-1]
        assert (holds.value, holds.status) == (sample.value, sample.status)


@settings(max_examples=examples(200), deadline=None)
@given(numbers, any_settings)
def test_stored_samples_are_no_further_apart_than_comp_max(tag, one):
    for before, between, _ in segments(tag, stored(tag, one)):
        limit = one.comp_max_us
        assert limit is None or all(sample.time_us - before.time_us < limit for sample in between)


@settings(max_examples=examples(200), deadline=None)
@given(numbers, promising_settings)
def test_every_scan_is_within_exc_dev_of_the_report_it_stands_behind(tag, one):
    reports = [sample for sample, mark in zip(tag, marks_of([tag], [one])[0], strict=True) if mark == REPORTED]
    exc_dev = one.exc_dev or 0.0
    for before, between, _ in segments(tag, [*reports, Sample(2**62, 0.0)] if reports else []):
        for sample in between:
            if not sample.is_bad:
                distance = abs(Fraction(sample.value) - Fraction(before.value))
                assert distance <= Fraction(exc_dev) + rounding(tag, exc_dev)
