"""Streaming over lanes gives what the slow loops over one tag give, however the samples arrive."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from properties import compression_reference as reference
from properties.compression_lanes import lane_samples, report_all, run_both, scans_of, store_all
from properties.compression_signals import any_settings, any_tags
from support.examples import examples

plants = st.lists(st.tuples(any_tags, any_settings), min_size=1, max_size=5)


def columns(plant):
    return [tag for tag, _ in plant], [one for _, one in plant]


@settings(max_examples=examples(150), deadline=None)
@given(plants)
def test_exception_reporting_equals_the_slow_loops(plant):
    tags, configured = columns(plant)
    got = report_all(scans_of(tags), configured)
    for tag, one, lane in zip(tags, configured, got.lanes, strict=True):
        passed, pending = reference.reported(tag, one)
        assert lane == ([*passed, pending] if pending else passed)


@settings(max_examples=examples(150), deadline=None)
@given(plants)
def test_the_door_equals_the_slow_loops(plant):
    tags, configured = columns(plant)
    got = store_all(scans_of(tags), configured)
    for tag, one, lane in zip(tags, configured, got.lanes, strict=True):
        assert lane == reference.compressed(tag, one)


@settings(max_examples=examples(100), deadline=None)
@given(plants, st.randoms(use_true_random=False))
def test_lanes_that_come_apart_and_not_in_lock_step_change_nothing(plant, random):
    tags, configured = columns(plant)
    rest = {lane: list(tag) for lane, tag in enumerate(tags) if tag}
    pushes = []
    while rest:
        due = [lane for lane in rest if random.random() < 0.6]
        pushes.append(lane_samples({lane: rest[lane].pop(0) for lane in due}))
        rest = {lane: tag for lane, tag in rest.items() if tag}
    got = run_both(pushes, configured)
    assert got.lanes == [reference.both(tag, one) for tag, one in plant]
