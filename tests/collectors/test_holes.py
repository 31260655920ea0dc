"""Which lanes have a hole before a late reading: those whose own times do not say that nothing is missing."""

from __future__ import annotations

import numpy as np
import pytest

from collectors.driver import Reading
from collectors.holes import LEAST_US, Holes
from historian.model.scan import ScanGroup
from historian.model.status import BAD_DATA_LOST, GOOD
from historian.model.tag import Tag
from support.fake_clock import START_US

SECOND = 1_000_000
HOUR = 3_600 * SECOND
TAGS = tuple(Tag(name, "s", "hr:0", "fast") for name in "ABCD")
GROUP = ScanGroup(0, "s", "fast", SECOND, 0, TAGS)


def reading(*times_us: int) -> Reading:
    values = np.array([1.0, 2.0, np.nan, np.nan])
    return Reading(np.array(times_us, np.int64), values, np.zeros(4, np.uint32), {1: 2**60 + 1}, {2: "idle"})


@pytest.fixture
def holes() -> Holes:
    """The last reading: A has the time of its arrival, B is an hour old, C and D are two hours ahead and behind."""
    holes = Holes()
    holes.note(GROUP, reading(START_US, START_US - HOUR, START_US + 2 * HOUR, START_US - 2 * HOUR), START_US)
    return holes


def marked(holes: Holes, *times_us: int) -> list[bool]:
    hole = holes.before(GROUP, START_US + HOUR, reading(*times_us))
    if hole is None:
        return [False] * 4
    assert (hole.since_us, hole.length_us) == (START_US, HOUR)
    return [status == BAD_DATA_LOST for status in hole.scan.status.tolist()]


def test_times_of_arrival_jump_with_the_hole(holes: Holes) -> None:
    assert marked(holes, *[START_US + HOUR] * 4) == [True, True, False, True]


def test_a_value_that_has_its_old_time_has_not_changed_meanwhile(holes: Holes) -> None:
    old = (START_US, START_US - HOUR, START_US + 2 * HOUR, START_US - 2 * HOUR)
    assert marked(holes, *old) == [False] * 4


def test_a_device_whose_clock_goes_on_says_that_it_was_ours_that_was_set(holes: Holes) -> None:
    after = START_US + SECOND
    assert marked(holes, after, after, after + 2 * HOUR, after - 2 * HOUR) == [False] * 4


def test_a_device_that_is_ahead_has_the_hole_too(holes: Holes) -> None:
    assert marked(holes, START_US, START_US, START_US + 3 * HOUR, START_US) == [False, False, True, False]


def test_the_other_lanes_say_what_they_said(holes: Holes) -> None:
    hole = holes.before(GROUP, START_US + HOUR, reading(START_US + HOUR, START_US - HOUR, START_US, START_US + HOUR))
    assert hole is not None
    scan = hole.scan
    assert scan.status.tolist() == [BAD_DATA_LOST, GOOD, GOOD, BAD_DATA_LOST]
    assert scan.time_us.tolist() == [START_US + SECOND, START_US - HOUR, START_US + 2 * HOUR, START_US + SECOND]
    assert scan.value[1] == 2.0
    assert np.isnan(scan.value[[0, 3]]).all()
    assert (scan.exact, scan.text) == ({1: 2**60 + 1}, {2: "idle"})
    assert not scan.answered


def test_before_a_loss_all_lanes_have_it(holes: Holes) -> None:
    hole = holes.before(GROUP, START_US + HOUR)
    assert hole is not None
    assert hole.scan.status.tolist() == [BAD_DATA_LOST] * 4
    assert (hole.scan.exact, hole.scan.text) == ({}, {})


def test_what_follows_on_nothing_has_none(holes: Holes) -> None:
    assert holes.before(GROUP, START_US + LEAST_US) is None
    holes.forget(GROUP)
    assert holes.before(GROUP, START_US + HOUR) is None
