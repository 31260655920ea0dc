"""Values of the past on their way to the store: scaled, past compression, in a transaction before the commit."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import historian
from historian.config.settings import Configuration, StoreSettings
from historian.errors import StoreFullError
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import LateValues, Scan, ScanGroup
from historian.model.status import BAD, BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, GOOD, is_bad
from historian.model.tag import CompressionSettings, Tag, ValueType
from historian.pipeline.commit_loop import LATE, CommitLoop, merged
from historian.pipeline.pipeline import Pipeline
from historian.pipeline.scaling import Scaling
from storage.store import Store
from support.fake_clock import FakeClock

SECOND = 1_000_000
TAGS = (
    Tag("A", "s", "n", "fast", ValueType.FLOAT64, compression=CompressionSettings(ErrorBound(100.0))),
    Tag("B", "s", "n", "fast", ValueType.INT64, scale=2.0, offset=1.0),
    Tag("C", "s", "n", "fast", ValueType.INT32, enumeration={0: "closed", 1: "open"}),
    Tag("D", "s", "n", "fast", ValueType.TEXT),
)
GROUP = ScanGroup(0, "s", "fast", SECOND, 0, TAGS)


def late(rows: list[tuple[int, int, Any]], statuses: list[int] | None = None) -> LateValues:
    """Rows of lane, time and value (a number, a text or None)."""
    numbers = [value if isinstance(value, int | float) else np.nan for _, _, value in rows]
    return LateValues(
        0,
        np.array([lane for lane, _, _ in rows], np.intp),
        np.array([time_us for _, time_us, _ in rows], np.int64),
        np.array(numbers, np.float64),
        np.array(statuses or [GOOD] * len(rows), np.uint32),
        {row: value for row, (_, _, value) in enumerate(rows) if isinstance(value, int) and int(float(value)) != value},
        {row: value for row, (_, _, value) in enumerate(rows) if isinstance(value, str)},
    )


VALUES = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float) | st.just(float("nan"))


@given(st.lists(st.tuples(st.integers(0, 2), VALUES, st.sampled_from([GOOD, BAD])), max_size=20))
def test_late_values_are_scaled_as_a_scan_of_each_would_be(rows: list[tuple[int, float, int]]) -> None:
    scaling = Scaling(TAGS)
    statuses = [status for *_, status in rows]
    asked = late([(lane, row, value) for row, (lane, value, _) in enumerate(rows)], statuses or None)
    found = scaling.apply_late(asked, 1)
    for row, (lane, value, status) in enumerate(rows):
        values = np.full(4, 0.0)
        values[lane] = value
        each = np.full(4, GOOD, np.uint32)
        each[lane] = status
        expected = scaling.apply(Scan(0, 1, np.zeros(4, np.int64), values, each))
        assert found.status[row] == expected.status[lane]
        np.testing.assert_array_equal(found.value[row], expected.value[lane])


def test_texts_codes_and_large_numbers_of_the_past() -> None:
    whole = 2**53 + 1
    found = Scaling(TAGS).apply_late(late([(3, 1, "idle"), (0, 2, "text"), (2, 3, 7), (1, 4, whole), (1, 5, 3)]), 1)
    assert found.status.tolist() == [GOOD, BAD_TYPE_MISMATCH, BAD_OUT_OF_RANGE, GOOD, GOOD]
    assert found.text == {0: "idle"}
    assert found.exact == {}, "a scaled number is a double"
    assert found.value[4] == 7.0


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.open(folder / "store", create=True)
        ids = self.store.register_tags(TAGS, self.clock.wall_us(), "test")
        configuration = Configuration(Path("historian.toml"), StoreSettings(folder / "store"), {}, {}, TAGS)
        self.pipeline = Pipeline(configuration, (GROUP,), ids, Samples.empty(), self.clock)
        self.loop = CommitLoop(
            self.pipeline, self.store, interval_us=SECOND, memory_limit_bytes=2**20, health=dict, notice=lambda _: None
        )

    def scan(self, value: float) -> None:
        self.clock.advance(SECOND)
        now = self.clock.wall_us()
        values = np.array([value, 1.0, 1.0, np.nan])
        self.pipeline.accept(Scan(0, now, np.full(4, now), values, np.full(4, GOOD, np.uint32), {}, {3: "on"}))

    def rows(self, tag: str) -> list[tuple[int, float]]:
        """Times and values of a tag, as anybody reads them."""
        with historian.open(self.store.folder) as opened:
            found = opened.sql("select tag, epoch_us(time) as t, value from samples order by time").to_pylist()
        return [(row["t"], row["value"]) for row in found if row["tag"] == tag]


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    world = World(tmp_path)
    with closing(world.store):
        yield world
        world.loop.close()


async def test_a_gap_is_filled_past_compression_and_nothing_is_there_twice(world: World) -> None:
    world.scan(0.0)
    start = world.clock.wall_us()
    world.clock.advance(100 * SECOND)
    world.scan(5.0)
    end = world.clock.wall_us()
    await world.loop.commit_once()
    times = range(start + SECOND, end, SECOND)
    brought = late([(0, time_us, 1.0 + (time_us - start) / SECOND / 100) for time_us in times])
    world.pipeline.accept_late(brought)
    world.pipeline.accept_late(late([(0, start, 77.0), (0, end, 77.0), (1, start + 5, 4)]))
    assert world.pipeline.late_waiting == len(times) + 3
    await world.loop.commit_once()
    assert world.pipeline.late_waiting == 0
    rows = world.rows("A")
    assert [time_us for time_us, _ in rows] == [start, *times, end]
    assert (rows[0][1], rows[-1][1]) == (0.0, 5.0), "what was there stays, also what is held back"
    assert dict(world.rows("B"))[start + 5] == 9.0, "4 * 2 + 1"
    before = world.rows("A")
    world.pipeline.accept_late(brought)
    await world.loop.commit_once()
    assert world.rows("A") == before, "twice is the same as once"
    for value in (200.0, 5.0, 300.0):
        world.scan(value)
    await world.loop.commit_once()
    assert world.rows("A")[: len(before)] == before, "also when what was held back is stored"


async def test_the_audit_says_what_was_filled(world: World) -> None:
    world.scan(0.0)
    world.pipeline.accept_late(late([(0, world.clock.wall_us() - 50, 1.0)]))
    await world.loop.commit_once()
    with historian.open(world.store.folder) as opened:
        lines = opened.sql("select who, object, why from audit where action = 'samples inserted'").to_pylist()
    assert [(row["who"], row["object"], row["why"]) for row in lines] == [("collect", "A", LATE)]


async def test_times_that_no_sample_can_have_go_to_quarantine(world: World) -> None:
    world.scan(0.0)
    year_9000 = 221_845_392_000_000_000
    world.pipeline.accept_late(late([(0, year_9000, 1.0), (0, 5, 2.0)]))
    assert world.pipeline.late_waiting == 0
    commit = world.pipeline.take({})
    assert [(sample.time_us, sample.value) for sample in commit.quarantined] == [(year_9000, "1.0"), (5, "2.0")]


def test_nobody_brings_more_while_there_is_no_room_at_all(world: World) -> None:
    world.scan(0.0)
    world.pipeline.accept_late(late([(0, world.clock.wall_us() - 50, 1.0)]))
    assert world.pipeline.late_rows == world.pipeline.late_waiting == 1
    world.pipeline.suspend()
    assert world.pipeline.late_rows == 1
    assert world.pipeline.late_waiting > 1_000_000


async def test_a_store_without_room_keeps_them_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.scan(0.0)
    await world.loop.commit_once()

    def full(*_: Any, **__: Any) -> None:
        raise StoreFullError("no room")

    world.pipeline.accept_late(late([(0, world.clock.wall_us() - 50, 1.0)]))
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "insert", full)
        assert not await world.loop.commit_once()
    assert world.pipeline.late_waiting == 1
    world.pipeline.accept_late(late([(0, world.clock.wall_us() - 60, 2.0)]))
    assert await world.loop.commit_once()
    assert world.pipeline.late_waiting == 0
    assert [value for _, value in world.rows("A")] == [2.0, 1.0, 0.0]


def test_while_collection_pauses_nobody_brings_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    with closing(world.store):
        world.pipeline.suspend()
        assert world.pipeline.late_waiting > 10**9
        world.pipeline.resume()
        assert world.pipeline.late_waiting == 0
        world.loop.close()


def test_merging_keeps_what_is_late_of_both() -> None:
    def one(time_us: int) -> Commit:
        samples = Samples(np.ones(1, np.int32), np.array([time_us]), np.ones(1), np.zeros(1, np.uint32))
        return Commit(time_us, late=samples)

    both = merged(one(1), one(2)).late
    assert both.time_us.tolist() == [1, 2]
    assert not is_bad(both.status).any()
