"""Lanes without a door: equal to the rules worked out by hand, settled with every scan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.compression.lanes import LaneSamples
from historian.compression.repeats import Repeats
from properties.compression_lanes import by_lane, lane_samples, lane_settings, scans_of
from properties.compression_reference import ByHand, Sample, Settings
from properties.compression_signals import any_settings, any_tags, extreme_tags
from support.examples import examples

S = 1_000_000
BAD_TIMEOUT = 0x800A0000

without_door = any_settings.map(lambda one: one if one.step else replace(one, exc_dev=None, comp_dev=None))
plants = st.lists(st.tuples(st.one_of(any_tags, extreme_tags), without_door), min_size=1, max_size=4)


def run(scans, configured) -> tuple[list[list[Sample]], list[list[Sample]]]:
    """What is stored, lane by lane, with an orderly stop at the end; and what was stored or held before that."""
    repeats, lanes = Repeats(lane_settings(configured)), [[] for _ in configured]
    for scan in scans:
        add(lanes, repeats.push(scan))
    seen = [list(lane) for lane in lanes]
    add(seen, [repeats.held()])
    add(lanes, [repeats.drain()])
    return lanes, seen


def add(lanes, parts) -> None:
    for part in parts:
        for lane, sample in by_lane(part).items():
            lanes[lane].append(sample)


@settings(max_examples=examples(100), deadline=None)
@given(plants)
def test_what_is_stored_equals_the_rules_by_hand(plant):
    tags, configured = [tag for tag, _ in plant], [one for _, one in plant]
    stored, seen = run(scans_of(tags), configured)
    assert stored == [ByHand(one, None).kept(tag) for tag, one in plant]
    assert seen == stored


@settings(max_examples=examples(60), deadline=None)
@given(plants, st.randoms(use_true_random=False))
def test_lanes_that_come_apart_change_nothing(plant, random):
    rest = {lane: list(tag) for lane, (tag, _) in enumerate(plant) if tag}
    scans = []
    while rest:
        due = [lane for lane in rest if random.random() < 0.6]
        scans.append(lane_samples({lane: rest[lane].pop(0) for lane in due}))
        rest = {lane: tag for lane, tag in rest.items() if tag}
    assert run(scans, [one for _, one in plant])[0] == [ByHand(one, None).kept(tag) for tag, one in plant]


def test_a_change_of_state_is_stored_at_once_and_its_repeat_is_held():
    repeats = Repeats(lane_settings([Settings(step=True)]))
    assert [by_lane(part) for part in repeats.push(lane_samples({0: Sample(0, 1.0)}))] == [{0: Sample(0, 1.0)}]
    assert repeats.push(lane_samples({0: Sample(S, 1.0)})) == []
    assert by_lane(repeats.held()) == {0: Sample(S, 1.0)}
    failed = Sample(2 * S, None, BAD_TIMEOUT)
    assert [by_lane(part)[0] for part in repeats.push(lane_samples({0: failed}))] == [Sample(S, 1.0), failed]


def test_after_a_drain_the_next_sample_is_the_first():
    repeats = Repeats(lane_settings([Settings(step=True)]))
    repeats.push(lane_samples({0: Sample(5 * S, 1.0)}))
    repeats.push(lane_samples({0: Sample(6 * S, 1.0)}))
    assert by_lane(repeats.drain()) == {0: Sample(6 * S, 1.0)}
    assert by_lane(repeats.drain()) == {}
    assert [by_lane(part) for part in repeats.push(lane_samples({0: Sample(S, 1.0)}))] == [{0: Sample(S, 1.0)}]


def test_a_sample_that_is_not_newer_is_refused():
    repeats = Repeats(lane_settings([Settings()]))
    repeats.push(lane_samples({0: Sample(S, 1.0)}))
    with pytest.raises(ValueError, match="lane 0: got a sample at 1000000 us after one at 1000000 us"):
        repeats.push(lane_samples({0: Sample(S, 1.0)}))


def test_no_samples_store_nothing():
    assert Repeats(lane_settings([Settings()])).push(LaneSamples.empty()) == []
