"""Time in states, changes of state and round trips."""

from __future__ import annotations

import numpy as np
import pytest

from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.round_trip import round_trip
from historian.retrieval.questions.state_changes import state_changes
from historian.retrieval.questions.state_runs import state_runs
from historian.retrieval.questions.time_in_state import time_in_state
from historian.retrieval.windows import Windows
from support.series_of import BAD, SECOND, Tag, series_of

VALVE = [(0, 0), (10, 1), (20, 1), (40, 0), (50, 2), (70, 0), (80, 1)]


def windows_of(edges):
    at = np.array([edge * SECOND for edge in edges], np.int64)
    return Windows.whole(Intervals(at[:-1], at[1:])), len(at) - 1


def shown(series, row):
    if row < 0:
        return None
    return series.text.get(row, series.exact.get(row, series.value[row]))


def stays(*tags, edges=(0, 100)):
    series = series_of(*tags)
    found = time_in_state(series, *windows_of(edges))
    states = [shown(series, row) for row in found.row.tolist()]
    return list(
        zip(found.answer.tolist(), states, (found.duration_us / SECOND).tolist(), found.entries.tolist(), strict=True)
    ), found


def test_time_and_entries_of_each_state():
    rows, found = stays(Tag(VALVE, stepped=True, known=100))
    assert rows == [(0, 0, 30, 2), (0, 1, 50, 2), (0, 2, 20, 1)]
    assert found.percent.tolist() == [30, 50, 20]
    assert found.stays.count.tolist() == [3, 2, 1]
    assert (found.stays.shortest_us / SECOND).tolist() == [10, 20, 20]
    assert (found.stays.longest_us / SECOND).tolist() == [10, 30, 20]
    assert (found.stays.average_us / SECOND).tolist() == [10, 25, 20]


def test_contained_stays_were_seen_to_begin_and_to_end_inside():
    _, found = stays(Tag(VALVE, stepped=True, known=100))
    # Of 0 the first stay may have begun before the first sample, of 1 the last is not over.
    assert found.contained.count.tolist() == [2, 1, 1]
    assert (found.contained.longest_us / SECOND).tolist() == [10, 30, 20]
    _, cut = stays(Tag(VALVE, stepped=True, known=100), edges=(15, 60))
    assert [each / SECOND for each in cut.duration_us.tolist()] == [10, 25, 10]
    assert cut.contained.count.tolist() == [1, 0, 0]
    assert cut.contained.longest_us.tolist() == [10 * SECOND, 0, 0]
    assert np.isnan(cut.contained.average_us).tolist() == [False, True, True]


def test_an_entry_on_an_edge_is_one_of_the_later_interval():
    rows, _ = stays(Tag([(0, 0), (50, 1)], stepped=True, known=100), edges=(0, 50, 100))
    assert rows == [(0, 0, 50, 0), (1, 1, 50, 1)]


def test_bad_time_is_shown_and_belongs_to_no_state():
    tag = Tag([(20, 1), (30, None), (40, 1), (50, None), (60, 2)], stepped=True, known=80)
    rows, found = stays(tag)
    assert rows == [(0, 1, 20, 0), (0, 2, 20, 1), (0, None, 60, 0)]
    assert found.percent.tolist() == [20, 20, 60]
    assert found.stays.count.tolist() == [2, 1, 4]
    assert found.contained.count.tolist() == [0, 0, 0]


def test_durations_of_every_interval_add_up_to_it():
    tags = [Tag(VALVE, stepped=True, known=90), Tag([]), Tag([(30, "a"), (35, None), (60, "b")], known=61)]
    _, found = stays(*tags, edges=(0, 15, 33, 64, 99))
    totals = np.zeros(12)
    np.add.at(totals, found.answer, found.duration_us / SECOND)
    assert totals.tolist() == [15, 18, 31, 35] * 3


def test_texts_large_numbers_and_equal_ones_are_states():
    text = Tag([(0, "shut"), (10, "open"), (20, "shut")], known=30)
    large = Tag([(0, 2**53), (10, 2**53 + 1), (20, 2**53)], stepped=True, known=30)
    rows, _ = stays(text, large, edges=(0, 30))
    assert rows == [(0, "open", 10, 1), (0, "shut", 20, 1), (1, 2**53, 20, 1), (1, 2**53 + 1, 10, 1)]


def test_minus_zero_is_zero():
    assert len(state_runs(series_of(Tag([(0, 0.0), (10, -0.0)], stepped=True))).row) == 1


def changes(tag, start=0, end=100):
    series = series_of(Tag([(0, 9)]), tag)
    found = state_changes(series, start * SECOND, end * SECOND)
    assert set(found.tag.tolist()) <= {1}
    return [
        (at / SECOND, shown(series, former), shown(series, row), lasted / SECOND, seen)
        for at, former, row, lasted, seen in zip(
            found.time_us, found.from_row, found.row, found.lasted_us, found.was_seen_to_begin, strict=True
        )
    ]


def test_each_change_with_how_long_the_former_state_lasted():
    assert changes(Tag(VALVE, stepped=True), 10, 80) == [
        (10, 0, 1, 10, False), (40, 1, 0, 30, True), (50, 0, 2, 10, True), (70, 2, 0, 20, True),
    ]  # fmt: skip


def test_changes_to_and_from_bad_are_changes():
    tag = Tag([(0, 1), (10, None), (15, None, BAD + 0x10000), (30, 1), (40, 2)], stepped=True)
    found = changes(tag)
    assert [(at, lasted, seen) for at, _, _, lasted, seen in found] == [
        (10, 10, False),
        (30, 20, True),
        (40, 10, False),
    ]
    assert np.isnan(found[0][2])
    assert np.isnan(found[1][1])
    assert found[2][1:3] == (1, 2)


def test_of_a_state_from_before_the_range_only_the_sample_next_to_it_is_certain():
    # Between the two samples before the range there may have been others, which are not at hand.
    assert changes(Tag([(0, 0), (10, 1), (30, 1), (60, 0), (90, 1)], stepped=True), 50, 100) == [
        (60, 1, 0, 30, False), (90, 0, 1, 30, True),
    ]  # fmt: skip


def test_changes_of_texts():
    assert changes(Tag([(0, "a"), (5, "a"), (10, "b")])) == [(10, "a", "b", 10, False)]
    assert changes(Tag([])) == []


def trips(*tags, edges=(0, 100)):
    series = series_of(*tags)
    found = round_trip(series, *windows_of(edges))
    states = [shown(series, row) for row in found.row.tolist()]
    columns = (found.count, found.shortest_us / SECOND, found.longest_us / SECOND, found.average_us / SECOND)
    return list(zip(found.answer.tolist(), states, *(column.tolist() for column in columns), strict=True))


def test_a_round_trip_is_from_entry_to_entry():
    tag = Tag([(0, 0), (10, 1), (20, 0), (40, 1), (45, 0), (50, 1)], stepped=True, known=99)
    assert trips(tag) == [(0, 0, 1, 25, 25, 25), (0, 1, 2, 10, 30, 20)]
    assert trips(tag, edges=(0, 40, 100)) == [(0, 1, 1, 30, 30, 30), (1, 1, 1, 10, 10, 10)]
    assert trips(tag, edges=(11, 40)) == []


def test_a_round_trip_with_a_gap_in_it_is_left_out():
    tag = Tag([(0, 0), (10, 1), (20, 0), (25, None), (30, 0), (40, 1), (60, 0), (70, 1)], stepped=True, known=99)
    assert trips(tag) == [(0, 1, 1, 30, 30, 30)]


def test_round_trips_of_several_tags():
    tag = [(0, "run"), (10, "stop"), (20, "run"), (30, "stop"), (40, "run")]
    assert trips(Tag([]), Tag(tag, known=50), Tag([(0, 1)]), Tag(tag, known=50), edges=(0, 60)) == [
        (1, "run", 1, 20, 20, 20), (1, "stop", 1, 20, 20, 20), (3, "run", 1, 20, 20, 20), (3, "stop", 1, 20, 20, 20),
    ]  # fmt: skip
    assert trips(Tag([])) == []


@pytest.mark.parametrize("question", [time_in_state, round_trip])
def test_no_windows_no_answer(question):
    none = Windows(np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.int64))
    assert len(question(series_of(Tag(VALVE)), none, 0).row) == 0
