"""Shifts of a plant, through the nights on which clocks are changed."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from historian.errors import UnusableValueError, UsageError
from historian.retrieval.questions.shifts import EVERY_DAY, Shift, parse_shifts, shift_intervals
from historian.retrieval.time_range import format_time, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
THREE = "early 06:00, late 14:00, night 22:00"
HOUR_US = 3_600_000_000


def shifts(table, start, end, zone=BERLIN):
    found = shift_intervals(parse_shifts(table), parse_time(start, 0, zone), parse_time(end, 0, zone), zone)
    starts = [format_time(at, zone)[:16] for at in found.intervals.start_us.tolist()]
    hours = ((found.intervals.end_us - found.intervals.start_us) / HOUR_US).tolist()
    return list(zip(found.names, starts, hours, strict=True))


def test_a_table_of_shifts_round_the_clock():
    assert parse_shifts(THREE) == (
        Shift("early", 360, 840),
        Shift("late", 840, 1320),
        Shift("night", 1320, 360),
    )


def test_days_ends_and_names_of_several_words():
    table = parse_shifts("day crew Mon-Fri 07:30-16:00; weekend Sat/Sun 8:00, watch 00:00")
    assert table == (
        Shift("day crew", 450, 960, frozenset(range(5))),
        Shift("weekend", 480, 480, frozenset({5, 6})),
        Shift("watch", 0, 0, EVERY_DAY),
    )


def test_shifts_of_other_days_do_not_end_each_other():
    table = parse_shifts("early Mon-Fri 06:00, night Mon-Fri 18:00, day Sat-Sun 07:00, dark Sat-Sun 19:00")
    assert [(shift.start_minute // 60, shift.end_minute // 60) for shift in table] == [
        (6, 18),
        (18, 6),
        (7, 19),
        (19, 7),
    ]


@pytest.mark.parametrize(
    "text", ["", "early", "06:00", "early 24:00", "early 06:60", "early Moo 06:00", "early Mon-Fry 06:00"]
)
def test_what_is_no_table_is_refused(text):
    with pytest.raises(UnusableValueError):
        parse_shifts(text)


def test_a_day_of_shifts_cut_at_the_ends_of_the_range():
    assert shifts(THREE, "2026-11-22 05:00", "2026-11-23 02:00") == [
        ("night", "2026-11-22T05:00", 1),
        ("early", "2026-11-22T06:00", 8),
        ("late", "2026-11-22T14:00", 8),
        ("night", "2026-11-22T22:00", 4),
    ]


@pytest.mark.parametrize(
    ("evening", "morning", "hours"), [("2026-03-28", "2026-03-29", 7), ("2026-10-24", "2026-10-25", 9)]
)
def test_the_night_of_the_change_is_an_hour_shorter_or_longer(evening, morning, hours):
    assert shifts(THREE, f"{evening} 22:00", f"{morning} 06:00") == [("night", f"{evening}T22:00", hours)]


def test_shifts_run_on_their_days_only():
    # 20 November 2026 is a Friday.
    found = shifts("early Mon-Fri 06:00, late Mon-Fri 14:00, night Mon-Fri 22:00", "2026-11-20", "2026-11-23 12:00")
    assert found == [
        ("night", "2026-11-20T00:00", 6),
        ("early", "2026-11-20T06:00", 8),
        ("late", "2026-11-20T14:00", 8),
        ("night", "2026-11-20T22:00", 8),
        ("early", "2026-11-23T06:00", 6),
    ]


def test_a_start_later_than_the_end_gives_the_later_shifts_first():
    forward = shifts(THREE, "2026-11-22 05:00", "2026-11-23 02:00")
    assert shifts(THREE, "2026-11-23 02:00", "2026-11-22 05:00") == forward[::-1]


def test_a_range_without_a_shift_is_empty_and_no_range_is_refused():
    assert shifts("day Mon 06:00-07:00", "2026-11-22", "2026-11-23", UTC) == []
    with pytest.raises(UsageError):
        shifts(THREE, "2026-11-22", "2026-11-22")
