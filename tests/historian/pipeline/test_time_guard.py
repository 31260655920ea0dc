"""Which samples are new, and at what time."""

import numpy as np
import pytest

from historian.compression.lanes import LaneSamples
from historian.model.scan import Scan
from historian.model.status import BAD_NO_COMMUNICATION, BAD_SHUTDOWN, GOOD
from historian.pipeline.time_guard import KEPT_A_DAY, TimeGuard

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000


def scan(times, values, *, arrival_us=NOW, status=GOOD, text=None) -> Scan:
    count = len(times)
    return Scan(
        0, arrival_us, np.array(times, np.int64), np.array(values, np.float64),
        np.full(count, status, np.uint32), {}, text or {},
    )  # fmt: skip


@pytest.fixture
def guard() -> TimeGuard:
    return TimeGuard(2, future_us=HOUR, past_us=1000 * HOUR)


def test_later_samples_pass(guard):
    first = guard.admit(scan([NOW, NOW - 5], [1, 2]))
    second = guard.admit(scan([NOW + 1, NOW - 4], [1, 2]))
    assert first.fresh.time_us.tolist() == [NOW, NOW - 5]
    assert second.fresh.time_us.tolist() == [NOW + 1, NOW - 4]
    assert first.unchanged == second.unchanged == 0


def test_the_same_sample_again_is_unchanged(guard):
    guard.admit(scan([NOW, NOW], [1, 2]))
    again = guard.admit(scan([NOW, NOW + 10], [1, 2], arrival_us=NOW + 10))
    assert again.unchanged == 1
    assert again.fresh.lane.tolist() == [1]


def test_an_old_value_with_an_older_time_is_unchanged_too(guard):
    guard.admit(scan([NOW, NOW], [1, 2]))
    assert guard.admit(scan([NOW - 99, NOW - 99], [1, 2])).unchanged == 2


def test_a_changed_value_with_an_old_time_is_recorded_when_it_arrived(guard):
    guard.admit(scan([NOW, NOW], [1, 2]))
    changed = guard.admit(scan([NOW, NOW - HOUR], [1.5, 2.5], arrival_us=NOW + 7))
    assert changed.fresh.time_us.tolist() == [NOW + 7, NOW + 7]
    assert changed.fresh.value.tolist() == [1.5, 2.5]
    assert changed.restamped == 2


def test_a_value_from_before_a_gap_is_recorded_at_its_arrival(guard):
    nan = np.full(2, np.nan)
    shutdown = LaneSamples(np.arange(2), np.full(2, NOW), nan, np.full(2, BAD_SHUTDOWN, np.uint32))
    guard.remember(shutdown)
    back = guard.admit(scan([NOW - HOUR, NOW - HOUR], [1, 2], arrival_us=NOW + 60))
    assert back.fresh.time_us.tolist() == [NOW + 60, NOW + 60]


def test_a_changed_text_counts_as_changed(guard):
    nan = [np.nan, np.nan]
    guard.admit(scan([NOW, NOW], nan, text={0: "a", 1: "b"}))
    changed = guard.admit(scan([NOW, NOW], nan, text={0: "a", 1: "c"}, arrival_us=NOW + 1))
    assert changed.unchanged == 1
    assert changed.fresh.text == {0: "c"}


def test_a_status_change_with_the_old_time_is_not_lost(guard):
    guard.admit(scan([NOW, NOW], [1, 2]))
    bad = guard.admit(scan([NOW, NOW], [np.nan] * 2, status=BAD_NO_COMMUNICATION, arrival_us=NOW + 3))
    assert bad.fresh.time_us.tolist() == [NOW + 3, NOW + 3]


@pytest.mark.parametrize("time_us", [NOW + HOUR + 1, NOW - 1000 * HOUR - 1])
def test_times_far_from_the_arrival_are_refused_with_their_reason(guard, time_us):
    guarded = guard.admit(scan([time_us, NOW], [1, 2]))
    assert guarded.refused.lane.tolist() == [0]
    assert guarded.reasons == ["time stamp too far from the time of arrival"]
    assert guarded.fresh.lane.tolist() == [1]


def test_a_frozen_wrong_time_is_refused_once(guard):
    wrong = NOW + 2 * HOUR
    refused = [len(guard.admit(scan([wrong, NOW + k], [1, k])).refused) for k in range(5)]
    assert refused == [1, 0, 0, 0, 0]
    assert len(guard.admit(scan([wrong, NOW + 9], [7, 9])).refused) == 1, "another value is news"


def test_a_change_that_no_clock_can_place_is_refused_not_dropped(guard):
    guard.admit(scan([NOW + 1000, NOW], [1, 2]))
    guarded = guard.admit(scan([NOW + 500, NOW + 20], [3, 2], arrival_us=NOW + 20))
    assert guarded.refused.value.tolist() == [3]
    assert "our own clock" in guarded.reasons[0]
    assert guard.admit(scan([NOW + 1001, NOW + 30], [3, 2], arrival_us=NOW + 30)).fresh.time_us[0] == NOW + 1001


def test_the_end_of_a_value_is_told_though_the_source_was_ahead_of_our_clock(guard):
    guard.admit(scan([NOW + 1000, NOW], [1, 2]))
    lost = guard.admit(scan([NOW + 7] * 2, [np.nan] * 2, arrival_us=NOW + 7, status=BAD_NO_COMMUNICATION))
    assert lost.fresh.time_us.tolist() == [NOW + 1001, NOW + 7]
    assert len(lost.refused) == 0
    still = guard.admit(scan([NOW + 8] * 2, [np.nan] * 2, arrival_us=NOW + 8, status=BAD_NO_COMMUNICATION))
    assert (still.fresh.lane.tolist(), still.unchanged) == ([1], 1)
    assert guard.admit(scan([NOW + 1002, NOW + 9], [1, 2], arrival_us=NOW + 9)).fresh.lane.tolist() == [0, 1]


def test_what_was_refused_is_not_believed_the_first_time_or_later(guard):
    guard.admit(scan([NOW, NOW], [1, 2]))
    far = [guard.admit(scan([NOW + 2 * HOUR, NOW + k], [3, 2], arrival_us=NOW + k)) for k in (1, 2)]
    assert [each.believed.tolist() for each in far] == [[False, True]] * 2
    assert [(len(each.fresh), len(each.refused), each.unchanged) for each in far] == [(1, 1, 0), (1, 0, 1)]
    assert guard.admit(scan([NOW, NOW], [1, 2], arrival_us=NOW + 3)).believed.all(), "the same again is believed"


def test_a_server_in_a_wrong_time_zone_does_not_fill_the_quarantine(guard):
    day = 24 * HOUR
    start = NOW - NOW % day

    def refused(second: int) -> tuple[int, int]:
        arrival = start + second * 1_000_000
        guarded = guard.admit(scan([arrival + 2 * HOUR, arrival], [second, second], arrival_us=arrival))
        return len(guarded.refused), guarded.only_counted

    first_day = [refused(second) for second in range(KEPT_A_DAY + 50)]
    assert first_day == [(1, 0)] * KEPT_A_DAY + [(0, 1)] * 50
    assert refused(24 * 3600) == (1, 0), "every day has its share"
