"""Compression of a stream equals the rules worked out by hand, however it comes, is cut, or is broken off."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.compression import doors
from historian.compression.open_door import open_door, remainder
from historian.model.samples import Samples, concatenate
from properties.compression_lanes import Stream, lane_samples, scans_of, streamed
from properties.compression_reference import ByHand
from properties.compression_signals import any_settings, any_tags, extreme_tags
from support.examples import examples

plants = st.lists(st.tuples(st.one_of(any_tags, extreme_tags), any_settings), min_size=1, max_size=4)
seeds = st.integers(0, 2**32)


def columns(plant):
    return [tag for tag, _ in plant], [one for _, one in plant]


def by_hand(plant):
    return [ByHand(one, doors.LOOK_AHEAD if one.look_ahead else None).kept(tag) for tag, one in plant]


@settings(max_examples=examples(120), deadline=None)
@given(plants, seeds, st.sampled_from([0.05, 0.3, 1.0]))
def test_the_same_is_stored_whatever_the_blocks(plant, seed, often):
    tags, configured = columns(plant)
    random = np.random.default_rng(seed)
    assert streamed(scans_of(tags), configured, lambda: random.random() < often) == by_hand(plant)


@settings(max_examples=examples(100), deadline=None)
@given(plants, seeds)
def test_lanes_that_come_apart_and_not_in_lock_step_change_nothing(plant, seed):
    random = np.random.default_rng(seed)
    rest = {lane: list(tag) for lane, (tag, _) in enumerate(plant) if tag}
    scans = []
    while rest:
        due = [lane for lane in rest if random.random() < 0.6]
        scans.append(lane_samples({lane: rest[lane].pop(0) for lane in due}))
        rest = {lane: tag for lane, tag in rest.items() if tag}
    assert streamed(scans, columns(plant)[1], lambda: random.random() < 0.4) == by_hand(plant)


@settings(max_examples=examples(100), deadline=None)
@given(plants, seeds)
def test_lanes_left_on_their_way_arrive_later(plant, seed):
    """As if all lanes but one were many steps behind at each block."""
    tags, configured = columns(plant)
    random = np.random.default_rng(seed)
    few, doors.FEW = doors.FEW, 1
    try:
        assert streamed(scans_of(tags), configured, lambda: random.random() < 0.3) == by_hand(plant)
    finally:
        doors.FEW = few


@settings(max_examples=examples(150), deadline=None)
@given(plants, seeds)
def test_each_sample_is_stored_or_held_or_left_out_at_any_time(plant, seed):
    tags, configured = columns(plant)
    random = np.random.default_rng(seed)
    stream = Stream(configured)
    for place, scan in enumerate(scans_of(tags), 1):
        stream.push(scan)
        if random.random() < 0.4:
            stream.settle()
        for tag, stored, held in zip(tags, stream.lanes, stream.held(), strict=True):
            visible = stored + held
            assert visible == sorted(visible)
            assert len(visible) == len({one.time_us for one in visible})
            assert set(visible) <= set(tag[:place])
            assert visible[-1:] == tag[:place][-1:]


@settings(max_examples=examples(120), deadline=None)
@given(plants, seeds)
def test_what_a_run_that_was_broken_off_held_ends_as_if_it_had_been_stopped(plant, seed):
    tags, configured = columns(plant)
    random = np.random.default_rng(seed)
    tag_ids = 7 + random.permutation(len(tags)).astype(np.int32)
    stream = Stream(configured)
    compression = stream.compression
    known = open_door(compression.known, compression.settings, tag_ids)
    fresh = [Samples.empty()]
    for scan in scans_of(tags):
        stream.push(scan)
        fresh.append(scan.to_samples(tag_ids))
        if random.random() < 0.1:
            stream.settle()
            known = open_door(compression.known, compression.settings, tag_ids)
            fresh = [Samples.empty()]
    rest = remainder(known, concatenate(fresh))
    wanted = compression.drain().to_samples(tag_ids)
    assert rows(rest) == rows(wanted)


def rows(samples):
    values = [samples.text.get(row, samples.exact.get(row, repr(one))) for row, one in enumerate(samples.value)]
    return list(zip(samples.tag_id.tolist(), samples.time_us.tolist(), values, samples.status.tolist(), strict=True))
