"""Compression of whole histories equals the rules worked out by hand, and keeps its promise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.compression import bulk, doors
from historian.compression.reports import marks_of
from historian.compression.series import LaneSeries
from properties import compression_reference as by_hand
from properties.compression_lanes import kept_of, lane_settings, series_of
from properties.compression_reference import ByHand, Sample, Settings, rounding, worst_error
from properties.compression_signals import any_settings, any_tags, extreme_tags, plant_tags, promising_settings
from support.examples import examples

plants = st.lists(st.tuples(st.one_of(any_tags, extreme_tags), any_settings), min_size=1, max_size=4)


def look_ahead(one: Settings) -> int | None:
    return doors.LOOK_AHEAD if one.look_ahead else None


@settings(max_examples=examples(150), deadline=None)
@given(plants)
def test_what_is_reported_equals_the_rule_by_hand(plant):
    tags, configured = [tag for tag, _ in plant], [one for _, one in plant]
    series = series_of(tags)
    marks = np.split(marks_of(series, lane_settings(configured)), series.starts[1:-1])
    for tag, one, got in zip(tags, configured, marks, strict=True):
        assert got.tolist() == by_hand.marks_of(tag, one)


@settings(max_examples=examples(250), deadline=None)
@given(plants)
def test_what_is_kept_equals_the_rules_by_hand(plant):
    tags, configured = [tag for tag, _ in plant], [one for _, one in plant]
    got = kept_of(tags, configured)
    for tag, one, samples in zip(tags, configured, got, strict=True):
        assert samples == ByHand(one, look_ahead(one)).kept(tag)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_line_ends_so_many_samples_behind_its_last_possible_end(limit, monkeypatch):
    monkeypatch.setattr(doors, "LOOK_AHEAD", limit)

    @settings(max_examples=examples(60), deadline=None)
    @given(plant_tags, promising_settings)
    def check(tag, one):
        assert kept_of([tag], [one]) == [ByHand(one, look_ahead(one)).kept(tag)]

    check()


@settings(max_examples=examples(300), deadline=None)
@given(st.one_of(plant_tags, extreme_tags), promising_settings)
def test_every_value_left_out_is_within_both_deviations_of_the_line(tag, one):
    (stays,) = kept_of([tag], [one])
    exc_dev = one.exc_dev or 0.0
    bound = Fraction(exc_dev) + Fraction(one.comp_dev or 0.0)
    assert worst_error(tag, stays) <= bound + rounding(tag, exc_dev, one.comp_dev or 0.0)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(plant_tags, promising_settings), min_size=1, max_size=4), st.integers(1, 5))
def test_cuts_keep_the_promise_and_both_ends(plant, longest):
    tags, configured = [tag for tag, _ in plant], [one for _, one in plant]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "LONGEST_PIECE", longest)
        patch.setattr("historian.compression.reports.LONGEST_PIECE", longest)
        got = kept_of(tags, configured)
    for tag, one, stays in zip(tags, configured, got, strict=True):
        bound = Fraction(one.exc_dev or 0.0) + Fraction(one.comp_dev or 0.0)
        assert worst_error(tag, stays) <= bound + rounding(tag, one.exc_dev or 0.0, one.comp_dev or 0.0)
        assert (stays[:1], stays[-1:]) == (tag[:1], tag[-1:])


def test_a_long_lane_is_cut_and_its_lines_are_joined_two_by_two():
    count = 3 * bulk.LONGEST_PIECE + 2
    flat = LaneSeries(
        np.array([0, count]), np.arange(count, dtype=np.int64), np.zeros(count), np.zeros(count, np.uint32)
    )
    assert np.flatnonzero(bulk.kept(flat, lane_settings([Settings(comp_dev=1.0)]))).tolist() == [
        0, 2 * bulk.LONGEST_PIECE, count - 1,
    ]  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(st.one_of(plant_tags, extreme_tags), promising_settings)
def test_joined_lines_take_the_place_of_those_that_the_cuts_ended(tag, one):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("historian.compression.reports.LONGEST_PIECE", 1000)
        joined = samples_of_pieces(tag, one, 7)
        patch.setattr(bulk, "_join", lambda *_: None)
        assert set(joined) <= set(samples_of_pieces(tag, one, 7))


def samples_of_pieces(tag, one, longest):
    series = series_of([tag])
    stays = bulk.kept(series, lane_settings([one]), longest_piece=longest)
    return [sample for sample, stay in zip(tag, stays, strict=True) if stay]


def test_no_samples_and_lanes_without_any():
    assert kept_of([[], [Sample(5, 1.0)], []], [Settings(comp_dev=1.0)] * 3) == [[], [Sample(5, 1.0)], []]
    assert kept_of([], []) == []


def test_times_that_do_not_increase_are_refused():
    with pytest.raises(ValueError, match="lane 1: got a sample at 5 us after one at 5 us"):
        kept_of([[Sample(7, 1.0)], [Sample(5, 1.0), Sample(5, 2.0)]], [Settings(comp_dev=1.0)] * 2)


def test_settings_of_another_number_of_lanes_are_refused():
    with pytest.raises(ValueError, match="2 lanes: got settings of 1"):
        kept_of([[], []], [Settings()])
