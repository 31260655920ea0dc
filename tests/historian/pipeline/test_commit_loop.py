"""From the pipeline to the store: nothing lost when there is no room, and an honest gap past the limit."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from conformance.held_data import Door
from conformance.store_data import good
from historian.config.settings import Configuration, StoreSettings
from historian.errors import StoreError, StoreFullError, StoreUnavailableError
from historian.model.commit import Commit, HeldSamples
from historian.model.samples import Samples, concatenate
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_RESOURCE_UNAVAILABLE, BAD_SHUTDOWN, GOOD
from historian.model.tag import Tag, ValueType
from historian.pipeline import commit_loop
from historian.pipeline.commit_loop import (
    BYTES_PER_SAMPLE,
    LONGEST_PAUSE_S,
    CommitLoop,
    commit_bytes,
    memory_bytes,
    merged,
)
from historian.pipeline.pipeline import Pipeline
from support.fake_clock import FakeClock

SECOND = 1_000_000


class ListStore:
    """Takes commits into a list, or has no room, as the test says."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.final: list[bool] = []
        self.types: dict[int, ValueType] = {}
        self.full = False
        self.error: StoreError = StoreFullError("no room on the disk")
        self.flushes = 0
        self.flush_error: Exception | None = None

    def commit(self, commit: Commit, *, final: bool = False) -> None:
        if self.full:
            raise self.error
        self.commits.append(commit)
        self.final.append(final)

    def update_types(self, types, time_us: int) -> None:
        self.types.update(types)

    def flush(self, *, force: bool = False) -> None:
        self.flushes += 1
        if self.flush_error is not None:
            raise self.flush_error

    def stored(self) -> Samples:
        return concatenate([commit.stored for commit in self.commits])


class World:
    def __init__(self, *, limit_samples: int = 1000, interval_us: int = 5_000) -> None:
        self.clock = FakeClock()
        self.store = ListStore()
        self.notices: list[str] = []
        self.troubles: list[dict | None] = []
        tags = (Tag("A", "s", "hr:0", "fast"), Tag("B", "s", "hr:1", "fast"))
        groups = (ScanGroup(0, "s", "fast", SECOND, 0, tags),)
        configuration = Configuration(Path("historian.toml"), StoreSettings(Path("store")), {}, {}, tags)
        self.pipeline = Pipeline(configuration, groups, {"A": 1, "B": 2}, Samples.empty(), self.clock)
        self.loop = CommitLoop(
            self.pipeline,
            self.store,
            interval_us=interval_us,
            memory_limit_bytes=limit_samples * BYTES_PER_SAMPLE,
            health=lambda: {"process": {"pid": 1}},
            notice=self.notices.append,
            trouble=self.troubles.append,
        )

    def scan(self, value: float) -> None:
        self.clock.advance(SECOND)
        now = self.clock.wall_us()
        self.pipeline.accept(Scan(0, now, np.full(2, now), np.full(2, value), np.full(2, GOOD, np.uint32)))


@pytest.fixture
async def world():
    world = World()
    yield world
    world.loop.close()


async def test_a_commit_takes_all_that_was_scanned_since_the_last(world):
    world.scan(1.0)
    world.scan(2.0)
    assert await world.loop.commit_once()
    assert world.store.stored().value.tolist() == [1, 1, 2, 2]
    assert world.store.commits[0].health == {"process": {"pid": 1}}
    await world.loop.commit_once()
    assert len(world.store.commits[1].stored) == 0
    assert world.store.commits[1].current == {}, "nothing new is known"


async def test_types_reach_the_store_before_the_samples(world):
    world.pipeline.types_resolved({"A": ValueType.FLOAT32})
    await world.loop.commit_once()
    assert world.store.types == {1: ValueType.FLOAT32}


async def test_a_full_store_loses_nothing(world):
    world.pipeline.types_resolved({"B": ValueType.INT16})
    world.store.full = True
    for value in range(5):
        world.scan(float(value))
        assert not await world.loop.commit_once()
    assert world.loop.state == "full"
    assert world.loop.waiting_samples == 10
    assert [notice for notice in world.notices if "no room" in notice] == world.notices, "said once"
    world.store.full = False
    assert await world.loop.commit_once()
    assert world.store.stored().value[::2].tolist() == [0, 1, 2, 3, 4]
    assert world.store.types == {2: ValueType.INT16}
    assert (world.loop.state, world.loop.waiting_samples) == ("ok", 0)
    assert "takes samples again" in world.notices[-1]


async def test_a_disk_that_fails_loses_nothing_either(world):
    world.store.error = StoreUnavailableError("disk I/O error")
    world.store.full = True
    world.scan(1.0)
    assert not await world.loop.commit_once()
    world.scan(2.0)
    assert not await world.loop.commit_once()
    assert world.loop.state == "failing"
    assert [(each["store_state"], each["pending_rows"], each["pid"]) for each in world.troubles] == [
        ("failing", 2, 1), ("failing", 4, 1),
    ]  # fmt: skip
    world.store.full = False
    assert await world.loop.commit_once()
    assert world.store.stored().value.tolist() == [1, 1, 2, 2]
    assert world.troubles[-1] is None


async def test_a_damaged_database_ends_the_collection(world):
    world.store.error = StoreError("the database is damaged")
    world.store.full = True
    world.scan(1.0)
    with pytest.raises(StoreError, match="damaged"):
        await world.loop.commit_once()


async def test_past_the_memory_limit_collection_pauses_and_the_gap_is_marked():
    world = World(limit_samples=4)
    world.store.full = True
    for value in range(8):
        world.scan(float(value))
        await world.loop.commit_once()
    assert world.loop.state == "paused"
    world.store.full = False
    await world.loop.commit_once()
    world.scan(100.0)
    await world.loop.commit_once()
    stored = world.store.stored()
    mine = stored.take(np.flatnonzero(stored.tag_id == 1))
    assert mine.value[~np.isnan(mine.value)].tolist() == [0, 1, 2, 100]
    assert mine.status.tolist() == [GOOD, GOOD, GOOD, BAD_RESOURCE_UNAVAILABLE, GOOD]
    assert (np.diff(mine.time_us) > 0).all()
    world.loop.close()


async def test_a_store_that_takes_nothing_for_long_is_tried_with_growing_pauses(world, monkeypatch):
    """A backlog of hours is put together in the thread of commits: no scan waits for it."""
    pauses, threads, stop = [], set(), asyncio.Event()
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: started_s + sum(pauses))

    async def wait(_, seconds):
        pauses.append(seconds)
        world.store.full = len(pauses) < 15
        if len(pauses) == 18:
            stop.set()

    def put_together(earlier, later):
        threads.add(threading.current_thread())
        return merged(earlier, later)

    monkeypatch.setattr(commit_loop, "wait_or_stop", wait)
    monkeypatch.setattr(commit_loop, "merged", put_together)
    world.store.full = True
    await world.loop.run(stop)
    growing = [0.005 * 2**number for number in range(1, 10)]
    assert pauses == pytest.approx([*growing, *[LONGEST_PAUSE_S] * 6, 0.005, 0.005, 0.005])
    assert threading.main_thread() not in threads
    assert len(threads) == 1


async def test_the_last_commit_ends_the_run(world):
    world.scan(1.0)
    world.pipeline.finish()
    assert await world.loop.finish()
    assert world.store.final == [True]
    assert world.store.stored().status.tolist() == [GOOD, GOOD, BAD_SHUTDOWN, BAD_SHUTDOWN]


async def test_the_loop_commits_and_flushes_until_stopped(world):
    stop = asyncio.Event()
    running = asyncio.create_task(world.loop.run(stop))
    async with asyncio.timeout(10):
        while len(world.store.commits) < 5 or world.store.flushes < 2:
            await asyncio.sleep(0.001)
    stop.set()
    await running
    assert world.loop.commits == len(world.store.commits)


@pytest.mark.parametrize("error", [StoreError("the archive folder is gone"), RuntimeError("a fault")])
async def test_a_flush_that_fails_is_said_once_and_collecting_goes_on(world, error, caplog):
    world.store.flush_error = error
    stop = asyncio.Event()
    running = asyncio.create_task(world.loop.run(stop))
    async with asyncio.timeout(10):
        while world.store.flushes < 3:
            await asyncio.sleep(0.001)
    stop.set()
    await running
    assert len(world.notices) == 1
    assert str(error) in world.notices[0]
    assert world.loop.flush_error


def part(time_us: int) -> Samples:
    one = np.array([1])
    return Samples(one.astype(np.int32), one * time_us, one * 1.0, one.astype(np.uint32), {}, {0: str(time_us)})


def test_merging_keeps_the_order_of_samples_and_the_newest_knowledge():
    earlier = Commit(1, part(10), current={0: "old", 1: "kept"}, health={"process": {"n": 1}})
    later = Commit(2, part(20), current={0: "new"}, health={"process": {"n": 2}})
    both = merged(earlier, later)
    assert both.time_us == 2
    assert both.stored.time_us.tolist() == [10, 20]
    assert both.stored.text == {0: "10", 1: "20"}
    assert both.current == {0: "new", 1: "kept"}
    assert both.health == {"process": {"n": 2}}


def test_of_what_doors_hold_the_later_settling_counts_and_scans_add_up():
    def held(second, settled=None):
        return HeldSamples(part(second), settled)

    old, new = Door(1).settled().settled, Door(1).settled().settled
    earlier = Commit(1, held={0: held(1, old), 1: held(1, old), 2: held(1)})
    later = Commit(2, held={0: held(2), 1: held(2, new), 3: held(2)})
    both = merged(earlier, later).held
    assert {door: each.fresh.time_us.tolist() for door, each in both.items()} == {0: [1, 2], 1: [2], 2: [1], 3: [2]}
    assert both[0].settled is old
    assert both[1].settled is new
    assert (both[2].settled, both[3].settled) == (None, None)


def test_what_doors_hold_counts_towards_the_memory_limit():
    one = part(1)
    door = Door(1)
    door.push([good(1, second, 1.0) for second in range(4)])
    door.settle()
    assert commit_bytes(Commit(1, one, held={0: HeldSamples(one)})) == 2 * memory_bytes(one)
    assert commit_bytes(Commit(1, held={0: door.settled()})) == 2 * BYTES_PER_SAMPLE


def test_text_counts_towards_the_memory_limit():
    assert memory_bytes(Samples.empty()) == 0
    one = np.ones(1)
    plain = Samples(one.astype(np.int32), one.astype(np.int64), one, one.astype(np.uint32))
    text = Samples(plain.tag_id, plain.time_us, plain.value, plain.status, {}, {0: "words"})
    assert memory_bytes(text) > memory_bytes(plain) > 0
