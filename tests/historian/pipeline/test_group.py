"""The stages together: what is stored, what is current, and that nothing is lost or doubled on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples, concatenate
from historian.model.scan import Scan, ScanGroup
from historian.model.status import (
    BAD_NO_COMMUNICATION,
    BAD_SHUTDOWN,
    BAD_WAITING_FOR_INITIAL_DATA,
    GOOD,
)
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from historian.pipeline.group import GroupPipeline

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


def settings(exc=None, comp=None) -> dict:
    return {
        "exception": ExceptionSettings(None if exc is None else ErrorBound(exc)),
        "compression": CompressionSettings(None if comp is None else ErrorBound(comp)),
    }


def pipeline(*tags: Tag, newest: Samples | None = None) -> GroupPipeline:
    group = ScanGroup(0, "s", "fast", SECOND, 0, tags)
    ids = np.arange(10, 10 + len(tags), dtype=np.int32)
    known = Samples.empty() if newest is None else newest
    return GroupPipeline(group, ids, known, started_us=START, future_us=3600 * SECOND, past_us=10**6 * SECOND)


def tag(name: str = "T", **kinds) -> Tag:
    return Tag(name, "s", "hr:0", "fast", **kinds)


def scan(second: int, *values: float, status: int = GOOD) -> Scan:
    time_us = START + second * SECOND
    count = len(values)
    bad = status >= 2**31
    return Scan(
        0, time_us, np.full(count, time_us), np.full(count, np.nan) if bad else np.array(values, np.float64),
        np.full(count, status, np.uint32), answered=not bad,
    )  # fmt: skip


def rows(samples: Samples) -> list[tuple]:
    values = [None if np.isnan(value) else value for value in samples.value.tolist()]
    seconds = ((samples.time_us - START) / SECOND).tolist()
    return list(zip(samples.tag_id.tolist(), seconds, values, samples.status.tolist(), strict=True))


def feed(group: GroupPipeline, *scans: Scan) -> list[tuple]:
    return rows(concatenate([group.accept(each)[0] for each in scans]))


def test_by_default_every_scan_is_stored_at_once():
    group = pipeline(tag())
    assert feed(group, *(scan(k, 5.0) for k in range(3))) == [(10, 0, 5, GOOD), (10, 1, 5, GOOD), (10, 2, 5, GOOD)]
    current = group.current()
    assert rows(current.samples) == [(10, 2, 5, GOOD)]
    assert current.newest.tolist() == [True]
    assert current.pending.tolist() == [False]
    assert current.last_scan_us.tolist() == [START + 2 * SECOND]


def test_a_step_tag_stores_its_changes():
    group = pipeline(tag(step=True))
    stored = feed(group, *(scan(k, value) for k, value in enumerate([0, 0, 0, 1, 1, 0])))
    assert [row[1:3] for row in stored] == [(0, 0), (3, 1), (5, 0)]


def test_the_repeat_of_a_state_is_current_and_pending():
    group = pipeline(tag(step=True))
    feed(group, *(scan(k, 5.0) for k in range(5)))
    current = group.current()
    assert rows(current.samples) == [(10, 4, 5.0, GOOD)]
    assert (current.newest.tolist(), current.pending.tolist()) == ([True], [True])


def test_scans_of_a_tag_with_a_door_are_held_until_a_block_of_them_is_settled():
    group = pipeline(tag(**settings(exc=1.0, comp=2.0)))
    scans = [scan(k, 5.0 + 0.1 * k) for k in range(60)]
    assert feed(group, *scans[:30]) == []
    (first,) = group.take_held().values()
    assert first.settled is not None
    assert len(first.settled.held) == len(first.settled.stored) == 0
    assert [row[1] for row in rows(first.fresh)] == list(range(30))
    assert group.take_held() == {}
    assert feed(group, *scans[30:]) == []
    (second,) = group.take_held().values()
    assert second.settled is None
    assert [row[1] for row in rows(second.fresh)] == list(range(30, 60))
    # A minute is the longest a block may take.
    assert feed(group, scan(60, 11.0)) == [(10, 0, 5.0, GOOD)]
    (third,) = group.take_held().values()
    assert rows(third.settled.stored) == [(10, 0, 5.0, GOOD)]
    assert [row[1] for row in rows(third.settled.held)] == [59, 60]
    assert len(third.fresh) == 0
    current = group.current()
    assert rows(current.samples) == [(10, 60, 11.0, GOOD)]
    assert (current.newest.tolist(), current.pending.tolist()) == ([True], [False])


def test_a_door_that_is_drained_holds_nothing_more():
    group = pipeline(tag(**settings(comp=2.0)))
    feed(group, *(scan(k, 5.0) for k in range(5)))
    group.take_held()
    stored = rows(group.interrupt(START + 9 * SECOND, BAD_SHUTDOWN))
    assert stored == [(10, 0, 5, GOOD), (10, 4, 5, GOOD), (10, 9, None, BAD_SHUTDOWN)]
    (held,) = group.take_held().values()
    assert (len(held.settled.lanes["tag_id"]), len(held.fresh)) == (0, 0)


def test_a_source_that_stops_answering_turns_bad_once_and_its_last_good_scan_is_kept():
    group = pipeline(tag(**settings(exc=1.0, comp=1.0)))
    good = [scan(k, 5.0) for k in range(3)]
    bad = [scan(k, np.nan, status=BAD_NO_COMMUNICATION) for k in range(3, 9)]
    stored = feed(group, *good, *bad, scan(9, 6.0))
    stored += rows(group.interrupt(START + 9 * SECOND, BAD_SHUTDOWN))
    assert stored[:-1] == [
        (10, 0, 5, GOOD),
        (10, 2, 5, GOOD),
        (10, 3, None, BAD_NO_COMMUNICATION),
        (10, 8, None, BAD_NO_COMMUNICATION),
        (10, 9, 6, GOOD),
    ]


def test_the_last_scan_is_the_last_that_was_answered():
    group = pipeline(tag())
    feed(group, scan(0, 5.0), scan(1, np.nan, status=BAD_NO_COMMUNICATION))
    assert group.current().last_scan_us.tolist() == [START]


def test_a_refused_answer_does_not_prolong_the_value_before_it():
    group = pipeline(tag(), tag("U"))
    feed(group, scan(0, 5.0, 5.0))
    good = scan(1, 6.0, 6.0)
    far = Scan(0, good.arrival_us, good.time_us + np.array([7200 * SECOND, 0]), good.value, good.status)
    feed(group, far)
    assert group.current().last_scan_us.tolist() == [START, START + SECOND]


def test_before_the_first_answer_a_tag_waits_for_data_and_nothing_is_stored():
    current = pipeline(tag()).current()
    assert rows(current.samples) == [(10, 0, None, BAD_WAITING_FOR_INITIAL_DATA)]
    assert (current.newest.tolist(), current.pending.tolist()) == ([True], [False])


def test_a_tag_known_from_before_is_not_waiting():
    newest = Samples(np.array([10], np.int32), np.array([START]), np.array([1.0]), np.array([GOOD], np.uint32))
    assert len(pipeline(tag(), newest=newest).current().samples) == 0


def test_an_orderly_stop_stores_what_was_held_and_marks_the_end():
    group = pipeline(tag(**settings(exc=1.0, comp=5.0)), tag("U"))
    feed(group, *(scan(k, 5.0 + 0.3 * k, 1.0) for k in range(5)))
    stored = rows(group.interrupt(START + 10 * SECOND, BAD_SHUTDOWN))
    assert (10, 4, 6.2, GOOD) in stored
    assert stored[-2:] == [(10, 10, None, BAD_SHUTDOWN), (11, 10, None, BAD_SHUTDOWN)]
    current = group.current()
    assert rows(current.samples) == stored[-2:]
    assert not current.pending.any()


def test_collecting_goes_on_after_an_interruption():
    group = pipeline(tag())
    feed(group, scan(0, 1.0))
    group.interrupt(START + SECOND, BAD_SHUTDOWN)
    assert feed(group, scan(2, 2.0)) == [(10, 2, 2, GOOD)]


def test_the_end_is_later_than_a_sample_of_a_server_ahead_of_us():
    group = pipeline(tag())
    feed(group, scan(50, 1.0))
    assert rows(group.interrupt(START, BAD_SHUTDOWN)) == [(10, 50.000001, None, BAD_SHUTDOWN)]


def test_a_type_told_by_the_source_makes_a_text_tag_a_step_tag():
    group = pipeline(tag())
    assert group.resolve({"T": ValueType.BOOL})[0] == {10: ValueType.BOOL}
    assert group.resolve({"T": ValueType.BOOL})[0] == {}
    assert [row[1] for row in feed(group, scan(0, 1), scan(1, 1), scan(2, 0))] == [0, 2]


def test_what_a_door_holds_is_stored_when_its_tag_turns_out_to_be_a_state():
    group = pipeline(tag(**settings(comp=2.0)), tag("U", **settings(comp=2.0)))
    feed(group, *(scan(k, 1.0, 1.0) for k in range(3)))
    (door,) = group.take_held()
    _, stored = group.resolve({"T": ValueType.BOOL, "U": ValueType.BOOL})
    assert rows(stored) == [(10, 0, 1, GOOD), (10, 2, 1, GOOD), (11, 0, 1, GOOD), (11, 2, 1, GOOD)]
    assert list(group.take_held()) == [door]
    assert feed(group, scan(3, 1.0, 0.0), scan(4, 1.0, 0.0)) == [(10, 3, 1, GOOD), (11, 3, 0, GOOD)]


def test_a_large_group_settles_its_lanes_by_and_by():
    tags = [tag(f"T{number}", **settings(comp=1.0)) for number in range(5000)]
    group = pipeline(*tags)
    sizes = [len(group.accept(scan(k, *[float(k % 2 * 9)] * len(tags)))[0]) for k in range(56)]
    settled = [(place, size // 2500) for place, size in enumerate(sizes) if size]
    # Two parts of 2,500 lanes and 26 scans each, of which the first one begins with half a block; each lane keeps two
    # open.
    assert settled == [(12, 11), (25, 24), (38, 26), (51, 26)]


values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
statuses = st.sampled_from([GOOD] * 8 + [BAD_NO_COMMUNICATION, 0x40000000])
kinds = st.sampled_from([{}, {"step": True}, settings(exc=0.5), settings(comp=0.5), settings(exc=0.5, comp=1.0)])


@given(st.lists(kinds, min_size=1, max_size=4), st.lists(st.tuples(values, statuses), min_size=1, max_size=40))
def test_stored_and_pending_samples_are_scanned_ones_each_once_and_in_order(kinds, readings):
    tags = [tag(f"T{number}", **kind) for number, kind in enumerate(kinds)]
    group = pipeline(*tags)
    scanned = set()
    parts = []
    held = {}
    for second, (value, status) in enumerate(readings):
        each = scan(second, *[value + lane for lane in range(len(tags))], status=status)
        scanned.update(rows(Samples(group.tag_ids, each.time_us, each.value, each.status)))
        parts.append(group.accept(each)[0])
        current = group.current()
        open_ = current.samples.take(np.flatnonzero(current.pending))
        for door, news in group.take_held().items():
            before = [] if news.settled is not None else held[door]
            held[door] = [*before, *([news.settled.held] if news.settled is not None else []), news.fresh]
        visible = rows(concatenate([*parts, open_, *(part for door in held.values() for part in door)]))
        assert len(set(visible)) == len(visible)
        assert set(visible) <= scanned
        newest = rows(current.samples.take(np.flatnonzero(current.newest)))
        assert {row[:2] for row in newest} == {(number, second) for number in group.tag_ids.tolist()}
    for number in group.tag_ids.tolist():
        times = [row[1] for row in rows(concatenate(parts)) if row[0] == number]
        assert times == sorted(times)
    group.interrupt(START + len(readings) * SECOND, BAD_SHUTDOWN)
    counts = group.counts
    assert counts.received == counts.reported + counts.suppressed == len(readings) * len(tags)


small = st.integers(-6, 6).map(lambda number: number / 2)


@given(st.lists(st.one_of(small, values), min_size=2, max_size=60), st.floats(0, 3), st.floats(0, 3))
def test_the_total_error_is_at_most_the_exception_plus_the_compression_deviation(series, exc, comp):
    group = pipeline(tag(**settings(exc=exc, comp=comp)))
    parts = [group.accept(scan(second, value))[0] for second, value in enumerate(series)]
    stored = concatenate([*parts, group.interrupt(START + len(series) * SECOND, BAD_SHUTDOWN)])
    good = stored.take(np.flatnonzero(stored.status == GOOD))
    line = np.interp(np.arange(len(series)), (good.time_us - START) / SECOND, good.value)
    scale = max(1.0, *(abs(value) for value in series))
    assert np.abs(line - series).max() <= exc + comp + 1e-9 * scale


def test_refused_samples_carry_what_is_needed_to_judge_them():
    group = pipeline(tag())
    far = scan(0, 5.0)
    far = Scan(0, far.arrival_us, far.time_us + 7200 * SECOND, far.value, far.status)
    stored, quarantined = group.accept(far)
    assert len(stored) == 0
    assert [(each.tag_id, each.value, each.time_us) for each in quarantined] == [(10, "5.0", int(far.time_us[0]))]
    assert group.counts.quarantined == 1


@pytest.mark.parametrize("count", [1, 3])
def test_counts_tell_what_each_stage_let_pass(count):
    group = pipeline(*(tag(f"T{number}", step=True) for number in range(count)))
    feed(group, *(scan(k, *[1.0] * count) for k in range(10)))
    assert (group.counts.received, group.counts.reported, group.counts.stored) == (10 * count, count, count)
    assert group.counts.suppressed == 9 * count


def test_what_exception_reporting_leaves_out_is_counted_once_it_is_settled():
    group = pipeline(tag(**settings(exc=0.5, comp=0.0)))
    feed(group, *(scan(k, value) for k, value in enumerate([0.0, 0.1, 0.2, 3.0, 3.1])))
    assert (group.counts.reported, group.counts.suppressed) == (0, 0), "the block is not settled yet"
    group.interrupt(START + 9 * SECOND, BAD_SHUTDOWN)
    # 0.2 is reported with 3.0, as if it had been before.
    assert (group.counts.reported, group.counts.suppressed) == (3, 2)


def test_counts_go_on_when_a_group_is_divided_anew():
    group = pipeline(tag(**settings(exc=0.5, comp=0.5)))
    feed(group, scan(0, 0.0), scan(1, 0.1))
    group.resolve({"T": ValueType.BOOL})
    feed(group, scan(2, 1.0), scan(3, 1.0))
    group.interrupt(START + 9 * SECOND, BAD_SHUTDOWN)
    assert group.counts.reported + group.counts.suppressed == group.counts.received == 4
