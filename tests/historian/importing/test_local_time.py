"""Local times against zoneinfo itself, and the two hours of a year that are hard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.importing.local_time import LocalClock

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are counted from it, without a zone
FIRST, LAST = datetime(1975, 1, 1), datetime(2035, 1, 1)  # noqa: DTZ001 - as above
SECOND = 1_000_000


def local_us(*texts: str) -> np.ndarray:
    return np.array(
        [round((datetime.fromisoformat(text) - EPOCH).total_seconds()) * SECOND for text in texts], np.int64
    )


def utc(clock: LocalClock, texts: list[str], series: list[int] | None = None) -> list[str]:
    keys = np.array(series or [0] * len(texts), np.int32)
    time_us, skipped = clock.to_utc(local_us(*texts), keys)
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(each)) for each in time_us]
    return ["never" if gone else f"{each:%H:%M}" for each, gone in zip(moments, skipped, strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Europe/Dublin"]
    ),
    st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=20),
)
def test_times_that_are_there_once_are_as_zoneinfo_has_them(name, moments):
    zone = ZoneInfo(name)
    once = [
        each.replace(microsecond=0)
        for each in moments
        if each.replace(tzinfo=zone).utcoffset() == each.replace(tzinfo=zone, fold=1).utcoffset()
    ]
    if not once:
        return
    time_us, skipped = LocalClock(zone).to_utc(local_us(*map(str, once)), np.zeros(len(once), np.int32))
    assert not skipped.any()
    assert (time_us // SECOND).tolist() == [round(each.replace(tzinfo=zone).timestamp()) for each in once]


def test_an_hour_that_comes_twice_is_told_apart_by_time_going_back():
    texts = ["2015-10-25 01:50", "2015-10-25 02:00", "2015-10-25 02:50", "2015-10-25 02:00", "2015-10-25 02:50",
             "2015-10-25 03:00"]  # fmt: skip
    clock = LocalClock(BERLIN)
    assert utc(clock, texts) == ["23:50", "00:00", "00:50", "01:00", "01:50", "02:00"]
    assert (clock.repeated, clock.second_pass) == (4, 2)


def test_each_series_has_an_order_of_its_own():
    texts = ["2015-10-25 02:30", "2015-10-25 02:30", "2015-10-25 02:10", "2015-10-25 02:40"]
    assert utc(LocalClock(BERLIN), texts, [0, 1, 0, 1]) == ["00:30", "00:30", "01:10", "00:40"]


def test_hourly_data_shows_the_hour_twice_at_the_same_time():
    texts = ["2015-10-25 01:00", "2015-10-25 02:00", "2015-10-25 02:00", "2015-10-25 03:00"]
    assert utc(LocalClock(BERLIN), texts) == ["23:00", "00:00", "01:00", "02:00"]


def test_a_batch_may_end_within_the_hour():
    clock = LocalClock(BERLIN)
    assert utc(clock, ["2015-10-25 02:00", "2015-10-25 02:50"]) == ["00:00", "00:50"]
    assert utc(clock, ["2015-10-25 02:10"]) == ["01:10"]
    assert utc(clock, ["2015-10-25 02:20"]) == ["01:20"]
    assert utc(clock, ["2016-10-30 02:20"]) == ["00:20"]  # another year begins with the first pass


def test_an_hour_that_never_was():
    texts = ["2015-03-29 01:59", "2015-03-29 02:00", "2015-03-29 02:59", "2015-03-29 03:00"]
    assert utc(LocalClock(BERLIN), texts) == ["00:59", "never", "never", "01:00"]


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Kolkata")])
def test_zones_without_changes_have_neither(zone):
    clock = LocalClock(zone)
    assert "never" not in utc(clock, ["2015-03-29 02:30", "2015-10-25 02:30", "2015-10-25 02:00"])
    assert clock.repeated == 0
