"""Intervals by the clock and by the calendar.

The days on which clocks change are those published for Europe (29 March and 25 October 2026) and the United States
(8 March and 1 November 2026).
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from historian.errors import UnusableValueError, UsageError
from historian.retrieval.questions.calendar_steps import intervals_by
from historian.retrieval.questions.step_text import CalendarStep, ElapsedStep, parse_step
from historian.retrieval.time_range import format_time, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HOUR_US = 3_600_000_000


def intervals(step, start, end, zone=UTC):
    found = intervals_by(parse_step(step) if step else None, parse_time(start, 0, zone), parse_time(end, 0, zone), zone)
    starts = [format_time(at, zone)[:16] for at in found.start_us.tolist()]
    return starts, ((found.end_us - found.start_us) / HOUR_US).tolist(), found


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("15m", ElapsedStep(900_000_000)),
        ("1h", ElapsedStep(HOUR_US)),
        ("1 hour", ElapsedStep(HOUR_US)),
        ("10 minutes", ElapsedStep(600_000_000)),
        ("250ms", ElapsedStep(250_000)),
        ("1d", ElapsedStep(24 * HOUR_US)),
        ("1 day", CalendarStep(1, "day")),
        ("Day", CalendarStep(1, "day")),
        (" 2 weeks ", CalendarStep(2, "week")),
        ("1 month", CalendarStep(1, "month")),
        ("quarter", CalendarStep(1, "quarter")),
        ("1 year", CalendarStep(1, "year")),
    ],
)
def test_steps_people_write(text, step):
    assert parse_step(text) == step


@pytest.mark.parametrize("text", ["", "fast", "0s", "0 days", "-1h", "1.5 days", "1 mont", "5", "1 fortnight"])
def test_what_is_no_step_is_refused(text):
    with pytest.raises(UnusableValueError):
        parse_step(text)


def test_a_misspelt_step_is_told_the_nearest():
    with pytest.raises(UnusableValueError, match="did you mean 'month'"):
        parse_step("1 mont")


def test_elapsed_steps_count_from_the_start_and_the_last_is_cut():
    starts, hours, _ = intervals("1h", "2026-11-22 06:10", "2026-11-22 08:40")
    assert starts == ["2026-11-22T06:10", "2026-11-22T07:10", "2026-11-22T08:10"]
    assert hours == [1, 1, 0.5]


@pytest.mark.parametrize("step", [None, "1 year", "30d", "2h"])
def test_a_step_past_the_range_is_one_interval(step):
    starts, hours, _ = intervals(step, "2026-11-22 06:00", "2026-11-22 08:00")
    assert (starts, hours) == (["2026-11-22T06:00"], [2])


def test_days_begin_at_local_midnight_and_the_outer_ones_are_cut():
    starts, hours, _ = intervals("1 day", "2026-11-22 06:00", "2026-11-24 01:00", BERLIN)
    assert starts == ["2026-11-22T06:00", "2026-11-23T00:00", "2026-11-24T00:00"]
    assert hours == [18, 24, 1]


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        (BERLIN, "2026-03-28", "2026-03-31", [24, 23, 24]),
        (BERLIN, "2026-10-24", "2026-10-27", [24, 25, 24]),
        (NEW_YORK, "2026-03-07", "2026-03-10", [24, 23, 24]),
        (NEW_YORK, "2026-10-31", "2026-11-03", [24, 25, 24]),
        (UTC, "2026-03-28", "2026-03-31", [24, 24, 24]),
    ],
)
def test_days_have_23_and_25_hours(zone, start, end, hours):
    assert intervals("1 day", start, end, zone)[1] == hours


def test_a_day_of_24_hours_is_another_thing():
    starts, hours, _ = intervals("1d", "2026-03-28", "2026-03-31", BERLIN)
    assert starts == ["2026-03-28T00:00", "2026-03-29T00:00", "2026-03-30T01:00"]
    assert hours == [24, 24, 23]


def test_hours_go_through_the_change_of_clocks():
    starts, hours, _ = intervals("1h", "2026-10-25 01:00", "2026-10-25 04:00", BERLIN)
    assert starts == [f"2026-10-25T0{hour}:00" for hour in (1, 2, 2, 3)]
    assert hours == [1, 1, 1, 1]


def test_weeks_begin_on_monday():
    starts, hours, _ = intervals("1 week", "2026-10-21", "2026-11-04", BERLIN)
    assert starts == ["2026-10-21T00:00", "2026-10-26T00:00", "2026-11-02T00:00"]
    assert hours == [5 * 24 + 1, 7 * 24, 2 * 24]


def test_months_quarters_and_years():
    starts, hours, _ = intervals("1 month", "2026-01-01", "2026-12-01", BERLIN)
    assert starts == [f"2026-{month:02}-01T00:00" for month in range(1, 12)]
    assert [round(each / 24, 3) for each in hours[:4]] == [31, 28, 30.958, 30]
    assert intervals("1 quarter", "2026-02-10", "2026-08-01")[0] == [
        "2026-02-10T00:00",
        "2026-04-01T00:00",
        "2026-07-01T00:00",
    ]
    assert intervals("1 year", "2024-01-01", "2026-01-01")[1] == [366 * 24, 365 * 24]
    assert intervals("2 months", "2026-01-01", "2026-07-01")[0] == [
        "2026-01-01T00:00",
        "2026-03-01T00:00",
        "2026-05-01T00:00",
    ]


def test_a_start_later_than_the_end_reads_backwards():
    starts, hours, found = intervals("1h", "2026-11-22 08:40", "2026-11-22 06:10")
    assert found.reverse
    assert starts == ["2026-11-22T07:40", "2026-11-22T06:40", "2026-11-22T06:10"]
    assert hours == [1, 1, 0.5]
    starts, hours, found = intervals("1 day", "2026-10-26 12:00", "2026-10-24", BERLIN)
    assert found.reverse
    assert starts == ["2026-10-26T00:00", "2026-10-25T00:00", "2026-10-24T00:00"]
    assert hours == [12, 25, 24]


def test_a_midnight_that_never_was_is_the_moment_of_the_change():
    # Beirut goes from 00:00 to 01:00, on 29 March 2026; Samoa had no 30 December 2011 at all.
    starts, hours, _ = intervals("1 day", "2026-03-28", "2026-03-31", ZoneInfo("Asia/Beirut"))
    assert starts == ["2026-03-28T00:00", "2026-03-29T01:00", "2026-03-30T00:00"]
    assert hours == [24, 23, 24]
    starts, hours, _ = intervals("1 day", "2011-12-29", "2012-01-01", ZoneInfo("Pacific/Apia"))
    assert starts == ["2011-12-29T00:00", "2011-12-31T00:00"]
    assert hours == [24, 24]


@pytest.mark.parametrize("step", ["1 day", "1 week", "1 month", "1 quarter", "1 year", "7h"])
@pytest.mark.parametrize("zone", [UTC, BERLIN, NEW_YORK])
def test_intervals_follow_each_other_and_cover_the_range_in_both_directions(step, zone):
    start, end = "2023-12-31 17:00", "2026-02-03 04:30"
    forward, back = intervals(step, start, end, zone)[2], intervals(step, end, start, zone)[2]
    assert forward.start_us[0] == back.start_us[-1] == parse_time(start, 0, zone)
    assert forward.end_us[-1] == back.end_us[0] == parse_time(end, 0, zone)
    assert np.array_equal(forward.start_us[1:], forward.end_us[:-1])
    assert np.array_equal(back.start_us[:-1], back.end_us[1:])
    assert (forward.start_us < forward.end_us).all()
    assert (back.start_us < back.end_us).all()


@pytest.mark.parametrize(("start", "end"), [("0001-01-01", "0001-02-01"), ("9999-12-01", "9999-12-31 23:59:59")])
@pytest.mark.parametrize("step", ["1 day", "1 week", "3 months", "1 year"])
def test_the_ends_of_all_calendars_are_no_fault(start, end, step):
    for zone in (BERLIN, NEW_YORK):
        found = intervals_by(parse_step(step), parse_time(start, 0), parse_time(end, 0), zone)
        assert (found.start_us < found.end_us).all()


def test_no_range_and_far_too_many_intervals_are_refused():
    with pytest.raises(UsageError, match="both 2026-11-22T06:00:00Z"):
        intervals("1h", "2026-11-22 06:00", "2026-11-22 06:00")
    with pytest.raises(UsageError, match="31,536,000,000 times"):
        intervals("1ms", "2025-01-01", "2026-01-01")


def test_local_midnights_are_those_of_the_datetime_module():
    days = intervals("1 day", "2020-01-01", "2027-01-01", NEW_YORK)[2].start_us
    shown = [datetime.fromtimestamp(at / 1e6, NEW_YORK) for at in days.tolist()]
    assert {(each.hour, each.minute) for each in shown} == {(0, 0)}
    assert len(days) == 7 * 365 + 2
