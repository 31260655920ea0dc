"""Groups are exchanged while collecting: nothing is lost, and only what ends has a mark of an end."""

from pathlib import Path

import numpy as np
import pytest

from historian.config.settings import Configuration, StoreSettings
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_SHUTDOWN, GOOD
from historian.model.tag import CompressionSettings, Tag, ValueType
from historian.pipeline.pipeline import KnownTags, Pipeline, latest
from support.fake_clock import START_US, FakeClock

SECOND = 1_000_000
IDS = {"A": 1, "B": 2, "C": 3, "D": 4}
WIDE = CompressionSettings(ErrorBound(100.0))


def tag(name: str, source: str = "s") -> Tag:
    return Tag(name, source, "hr:0", "fast", value_type=ValueType.FLOAT64, compression=WIDE)


def group(number: int, names: str, source: str = "s") -> ScanGroup:
    return ScanGroup(number, source, "fast", SECOND, 0, tuple(tag(name, source) for name in names))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pipeline(clock: FakeClock) -> Pipeline:
    configuration = Configuration(Path("h.toml"), StoreSettings(Path()), {}, {}, (tag("A"), tag("B"), tag("D")))
    return Pipeline(configuration, [group(0, "AB"), group(1, "D")], IDS, Samples.empty(), clock)


def scan(pipeline: Pipeline, clock: FakeClock, number: int, *values: float, at_s: float | None = None) -> None:
    now_us = clock.wall_us() if at_s is None else START_US + round(at_s * SECOND)
    count = len(values)
    pipeline.accept(Scan(number, now_us, np.full(count, now_us), np.array(values), np.zeros(count, np.uint32)))


def rows(samples: Samples) -> list[tuple[int, float, float | None, int]]:
    values = [None if np.isnan(value) else value for value in samples.value.tolist()]
    seconds = ((samples.time_us - START_US) / SECOND).tolist()
    return list(zip(samples.tag_id.tolist(), seconds, values, samples.status.tolist(), strict=True))


def take(pipeline: Pipeline) -> Commit:
    return pipeline.take({})


def test_tags_that_go_on_have_no_gap_and_what_they_held_is_stored(pipeline, clock):
    for value in (1.0, 2.0, 3.0):
        scan(pipeline, clock, 0, value, value)
        clock.advance(SECOND)
    pipeline.exchange([0], [group(2, "AC")], KnownTags(IDS, ended=[IDS["B"]]))
    scan(pipeline, clock, 2, 4.0, 9.0)
    pipeline.finish()
    stored = sorted(rows(take(pipeline).stored))
    assert [row for row in stored if row[0] == 1] == [
        (1, 0.0, 1.0, GOOD), (1, 2.0, 3.0, GOOD), (1, 3.0, 4.0, GOOD), (1, 3.000001, None, BAD_SHUTDOWN),
    ]  # fmt: skip
    assert [row for row in stored if row[0] == 2] == [
        (2, 0.0, 1.0, GOOD), (2, 2.0, 3.0, GOOD), (2, 3.0, None, BAD_SHUTDOWN),
    ]  # fmt: skip
    assert [row for row in stored if row[0] == 3] == [(3, 3.0, 9.0, GOOD), (3, 3.000001, None, BAD_SHUTDOWN)]


def test_the_commit_frees_what_the_store_knows_of_a_group_that_is_gone(pipeline, clock):
    scan(pipeline, clock, 0, 1.0, 1.0)
    first = take(pipeline)
    assert 0 in first.held, "the door of the group holds its scan"
    pipeline.exchange([0], [group(2, "A")], KnownTags(IDS, ended=[IDS["B"]]))
    commit = take(pipeline)
    assert not commit.current[0].pending.any()
    settled = commit.held[0].settled
    assert settled is not None
    assert len(settled.lanes["tag_id"]) == 0
    assert 0 not in take(pipeline).current


def test_groups_that_stay_are_not_touched(pipeline, clock):
    for number, values in ((0, (1.0, 1.0)), (1, (5.0,))):
        scan(pipeline, clock, number, *values)
    take(pipeline)
    pipeline.exchange([0], [group(2, "AB")], KnownTags(IDS))
    commit = take(pipeline)
    assert 1 not in commit.current
    assert IDS["D"] not in commit.stored.tag_id


def test_a_tag_that_moves_has_no_sample_older_than_its_newest(pipeline, clock):
    scan(pipeline, clock, 1, 5.0)
    clock.advance(SECOND)
    pipeline.exchange([1], [], KnownTags(IDS, ended=[IDS["D"]]))
    pipeline.exchange([], [group(2, "D", source="other")], KnownTags(IDS))
    scan(pipeline, clock, 2, 6.0, at_s=0.5)  # an old time, but news: recorded at its arrival, if that is later
    clock.advance(SECOND)
    scan(pipeline, clock, 2, 7.0)
    pipeline.finish()
    times = [row[1] for row in rows(take(pipeline).stored) if row[0] == IDS["D"]]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert times[1] == 1.0, "where it ended at the source before"


def ends(pipeline: Pipeline) -> list[tuple[int, float]]:
    return [row[:2] for row in sorted(rows(take(pipeline).stored)) if row[3] == BAD_SHUTDOWN]


def test_a_stop_before_the_first_scan_of_the_new_group_ends_the_tags_that_went_on(pipeline, clock):
    scan(pipeline, clock, 0, 1.0, 1.0)
    clock.advance(SECOND)
    pipeline.exchange([0], [group(2, "AC")], KnownTags(IDS, ended=[IDS["B"]]))
    pipeline.exchange([2], [], KnownTags(IDS))
    pipeline.exchange([], [group(3, "CAB", source="other")], KnownTags(IDS))
    clock.advance(SECOND)
    pipeline.finish()
    assert ends(pipeline) == [(1, 2.0), (2, 1.0)], "B ended before, C was never read"


def test_so_does_a_stop_when_a_source_has_told_nothing_new_since_then(pipeline, clock):
    """A server that keeps the source time of a value that does not change."""
    scan(pipeline, clock, 1, 5.0, at_s=0.0)
    pipeline.exchange([1], [group(2, "D")], KnownTags(IDS))
    clock.advance(SECOND)
    before = take(pipeline).current[2]
    assert (before.samples.tag_id.tolist(), before.last_scan_us.tolist()) == ([IDS["D"]], [START_US])
    same = Scan(2, clock.wall_us(), np.array([START_US]), np.array([5.0]), np.zeros(1, np.uint32))
    pipeline.accept(same)
    after = take(pipeline).current[2]
    assert (after.samples.tag_id.tolist(), after.last_scan_us.tolist()) == ([IDS["D"]], [START_US + SECOND])
    pipeline.finish()
    assert ends(pipeline) == [(IDS["D"], 1.0)]


def test_counts_go_on(pipeline, clock):
    scan(pipeline, clock, 0, 1.0, 1.0)
    before = pipeline.counts().received
    pipeline.exchange([0], [group(2, "AB")], KnownTags(IDS))
    assert pipeline.counts().received == before == 2


def test_types_of_tags_that_are_gone_are_not_asked_for(pipeline):
    pipeline.exchange([1], [], KnownTags(IDS, ended=[IDS["D"]]))
    pipeline.types_resolved({"D": ValueType.INT16})
    assert pipeline.take_types() == {}


def test_latest_takes_the_last_that_has_one():
    first = Samples(np.array([2, 1], np.int32), np.array([5, 6]), np.array([1.0, 2.0]), np.zeros(2, np.uint32))
    second = Samples(np.array([2], np.int32), np.array([4]), np.array([3.0]), np.zeros(1, np.uint32))
    found = latest([first, second])
    assert found.tag_id.tolist() == [1, 2]
    assert found.time_us.tolist() == [6, 4]
    assert len(latest([Samples.empty()])) == 0
