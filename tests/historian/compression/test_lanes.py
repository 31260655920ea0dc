"""Samples by lane, the slots that remember them, and settings made from tags."""

from __future__ import annotations

import numpy as np
import pytest

from historian.compression.lanes import NO_LIMIT_US, LaneSamples, LaneSettings, SampleSlots, where_of
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from properties.compression_lanes import by_lane, lane_samples
from properties.compression_reference import Sample

BIG = 2**53 + 1
MIXED = {1: Sample(10, 1.5), 3: Sample(11, BIG), 4: Sample(12, "on"), 7: Sample(13, None, 0x80000000)}


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [([2, 3, 4], slice(2, 5)), ([0], slice(0, 1)), ([0, 2], None), ([], None)],
)
def test_lanes_side_by_side_become_a_slice(lanes, expected):
    array = np.array(lanes, np.intp)
    assert where_of(array) == expected if expected else where_of(array) is array


def test_take_keeps_the_extras_with_their_rows():
    taken = lane_samples(MIXED).take(np.array([1, 2]))
    assert by_lane(taken) == {3: MIXED[3], 4: MIXED[4]}
    assert (dict(taken.exact), dict(taken.text)) == ({0: BIG}, {1: "on"})


def test_where_gives_all_itself_or_a_part():
    samples = lane_samples(MIXED)
    assert samples.where(np.ones(4, np.bool_)) is samples
    assert by_lane(samples.where(np.array([False, False, False, True]))) == {7: MIXED[7]}


def test_to_samples_names_the_tags_of_the_lanes():
    samples = lane_samples(MIXED).to_samples(np.arange(100, 110, dtype=np.int32))
    assert samples.tag_id.tolist() == [101, 103, 104, 107]
    assert samples.tag_id.dtype == np.int32
    assert (dict(samples.exact), dict(samples.text)) == ({1: BIG}, {2: "on"})


def test_slots_give_back_what_was_put_last():
    slots = SampleSlots(10)
    slots.put(lane_samples(MIXED))
    changed = {3: Sample(20, 2.0), 4: Sample(21, BIG + 2), 5: Sample(22, "off")}
    slots.put(lane_samples(changed))
    assert by_lane(slots.all()) == {1: MIXED[1], **changed, 7: MIXED[7]}
    assert by_lane(slots.get(np.array([4, 5]))) == {4: changed[4], 5: changed[5]}


def test_a_cleared_slot_is_empty_and_older_than_everything():
    slots = SampleSlots(10)
    slots.put(lane_samples(MIXED))
    slots.clear(np.array([3, 4]))
    assert by_lane(slots.all()) == {1: MIXED[1], 7: MIXED[7]}
    assert (slots.exact, slots.text) == ({}, {})
    assert (slots.time_us[[3, 4]] < -(2**62)).all()


@pytest.mark.parametrize(
    ("kept", "new", "unlike"),
    [
        (1.0, 1.0, False),
        (0.0, -0.0, False),
        (None, None, False),
        (1.0, None, True),
        ("a", "a", False),
        ("a", "b", True),
        ("a", 1.0, True),
        (BIG, BIG, False),
        (BIG, BIG - 2, True),
        (BIG, float(BIG), True),
        (float(2**60), float(2**60), False),
    ],
)
def test_values_are_compared_in_full(kept, new, unlike):
    slots = SampleSlots(2)
    # The other lane has a text, so that the sparse columns are looked at in every case.
    slots.put(lane_samples({0: Sample(0, kept), 1: Sample(0, "x")}))
    samples = lane_samples({0: Sample(1, new), 1: Sample(1, "x")})
    assert slots.unlike(samples, where_of(samples.lane)).tolist() == [unlike, False]


def test_settings_are_columns_over_the_tags():
    tags = [
        Tag("A", "s", "hr:0", "fast"),
        Tag(
            "B", "s", "hr:1", "fast", ValueType.FLOAT64,
            exception=ExceptionSettings(ErrorBound(0.5), 10, 20),
            compression=CompressionSettings(ErrorBound(0.0), 30, 40),
        ),
        Tag("C", "s", "coil:0", "fast", ValueType.BOOL),
    ]  # fmt: skip
    settings = LaneSettings.of(tags)
    assert len(settings) == 3
    np.testing.assert_array_equal(settings.exc_dev, [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(settings.comp_dev, [np.nan, 0.0, np.nan])
    assert settings.exc_min_us.tolist() == [0, 10, 0]
    assert settings.exc_max_us.tolist() == [NO_LIMIT_US, 20, NO_LIMIT_US]
    assert settings.comp_min_us.tolist() == [0, 30, 0]
    assert settings.comp_max_us.tolist() == [NO_LIMIT_US, 40, NO_LIMIT_US]
    assert settings.step.tolist() == [False, False, True]


def test_settings_of_no_tags_have_no_lanes():
    assert len(LaneSettings.of([])) == 0
    assert len(LaneSamples.empty()) == 0
