from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.errors import UnusableValueError, UsageError
from historian.retrieval.time_range import TimeRange, find_zone, format_time, parse_range, parse_time, to_us

NOW = datetime(2026, 11, 22, 14, 30, 15, 250_000, tzinfo=UTC)
NOW_US = 1_795_357_815_250_000
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-22T14:30:15.250Z"),
        ("NOW", "2026-11-22T14:30:15.250Z"),
        ("today", "2026-11-22T00:00:00Z"),
        ("yesterday", "2026-11-21T00:00:00Z"),
        ("-8h", "2026-11-22T06:30:15.250Z"),
        ("now-8h", "2026-11-22T06:30:15.250Z"),
        ("now - 30m", "2026-11-22T14:00:15.250Z"),
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11-22 06:00", "2026-11-22T06:00:00Z"),
        ("2026-11-22T06:00:01.5Z", "2026-11-22T06:00:01.500Z"),
        ("2026-11-22 06:00+01:00", "2026-11-22T05:00:00Z"),
        ("2026-11-22 06:00:00.000001", "2026-11-22T06:00:00.000001Z"),
    ],
)
def test_a_time_as_people_write_it(text, expected):
    assert format_time(parse_time(text, NOW_US)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22 06:00", "2026-11-22T05:00:00Z"),
        ("2026-07-01 06:00", "2026-07-01T04:00:00Z"),
        ("today", "2026-11-21T23:00:00Z"),
        ("2026-11-22 06:00Z", "2026-11-22T06:00:00Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),  # comes twice: the earlier
    ],
)
def test_a_local_time(text, expected):
    assert format_time(parse_time(text, NOW_US, BERLIN)) == expected


@pytest.mark.parametrize("text", ["", "gestern", "2026-13-01", "8h", "-8", "-8 parsecs", "25:00", "99999-01-01"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(UnusableValueError) as refused:
        parse_time(text, NOW_US)
    assert "wanted" in str(refused.value)


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(UsageError, match=r"start .* is not before its end"):
        parse_range("now", "-1h", NOW_US)


def test_an_empty_range_is_refused():
    with pytest.raises(UsageError):
        TimeRange(5, 5)


def test_an_unknown_zone_is_refused():
    with pytest.raises(UnusableValueError, match=r"Europe/Berlin"):
        find_zone("Europe/Atlantis")


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd"])
def test_a_path_is_no_zone(name):
    with pytest.raises(UnusableValueError):
        find_zone(name)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - the zone is added
def test_what_was_written_is_read_again(moment):
    time_us = to_us(moment.replace(tzinfo=UTC))
    assert parse_time(format_time(time_us), NOW_US) == time_us
    assert parse_time(format_time(time_us, BERLIN), NOW_US) == time_us
