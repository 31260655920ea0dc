"""A worker as the main process has it: a real process that dies, hangs or cannot be started, and what comes of that."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collectors.source_task import SourceTask
from collectors.workers.messages import Done, Exchanged, Figures, Noted
from collectors.workers.remote_sources import RemoteSources
from collectors.workers.remote_worker import MOST_SILENT_S, START_S, RemoteWorker
from historian.config.settings import ModbusSource, NetworkEndpoint
from historian.model.clock import AnchoredClock
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_INTERNAL_ERROR, GOOD
from historian.model.tag import Tag
from support.fake_clock import START_US, FakeClock
from support.fake_timer import FakeTimer
from support.kept_sink import KeptSink

SECOND = 1_000_000
BOUND_S = 20.0

SILENT = (sys.executable, "-IS", "-c", "import sys; sys.stdin.buffer.read()")
"""Ends when its input ends, and says nothing."""

ENDS_AT_ONCE = (sys.executable, "-IS", "-c", "raise SystemExit(3)")


def group(number: int, tags: int = 2) -> ScanGroup:
    names = [f"T{lane}" for lane in range(tags)]
    return ScanGroup(number, "s", "fast", SECOND, 0, tuple(Tag(name, "s", "hr:0", "fast") for name in names))


def task(*groups: ScanGroup) -> SourceTask:
    source = ModbusSource("s", "tcp://plc:502", NetworkEndpoint("plc", 502))
    return SourceTask(source, groups, {"limits": "125"}, known_until_us=START_US - SECOND)


def scan(number: int, at_us: int = START_US, count: int = 2) -> Scan:
    return Scan(number, at_us, np.full(count, at_us), np.ones(count), np.full(count, GOOD, np.uint32))


class World:
    def __init__(self, command=SILENT) -> None:
        self.system = FakeClock()
        self.clock = AnchoredClock(self.system)
        self.timer = FakeTimer(self.system)
        self.sink = KeptSink()
        self.worker = RemoteWorker(1, command, self.sink, self.timer, self.clock)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not condition():
                await asyncio.sleep(0.01)

    def bad(self) -> list[tuple[int, int, int]]:
        return [(s.group, s.arrival_us, int(s.status[0])) for s in self.sink.scans if not s.answered]


# -- its sources ------------------------------------------------------------------------------------------------------


def test_scans_of_groups_that_are_gone_are_left_out():
    sink = KeptSink()
    sources = RemoteSources(sink)
    sources.add(task(group(0)))
    sources.take(scan(0))
    sources.change("s", [group(5)])
    sources.take(scan(0))
    sources.take(scan(5))
    assert [each.group for each in sink.scans] == [0, 5]
    sources.remove("s")
    sources.take(scan(5))
    assert len(sink.scans) == 2


def test_what_a_driver_noted_goes_to_the_store_and_to_the_worker_that_follows():
    sink = KeptSink()
    sources = RemoteSources(sink)
    sources.add(task(group(0)))
    sources.take(Noted("s", "limits", "60"))
    assert sink.notes == {("s", "limits"): "60"}
    assert sources.tasks[0].notes == {"limits": "60"}


def test_counters_go_on_where_the_dead_worker_left_them_and_its_gap_begins_at_the_last_good_value():
    sink = KeptSink()
    sources = RemoteSources(sink)
    sources.add(task(group(0)))
    told = {**sources.figures()["s"], "state": "connected", "scans": 7, "good": 2, "last_good_us": START_US}
    sources.take(Figures(START_US, {"s": told, "unknown": {}}, {}))
    sources.mark_bad(START_US + SECOND, "it is gone")
    figures = sources.figures()["s"]
    assert {key: figures[key] for key in ("state", "scans", "good", "bad", "errors", "last_error")} == {
        "state": "failed", "scans": 7, "good": 0, "bad": 2, "errors": 1, "last_error": "it is gone",
    }  # fmt: skip
    assert figures["errors_by_kind"] == {"BadInternalError": 1}
    [following] = sources.tasks
    assert following.known_until_us == START_US
    assert following.new_health().scans == 7
    assert following.new_health().state == "connecting"


def test_a_scan_is_newer_than_the_figures():
    sources = RemoteSources(KeptSink())
    sources.add(task(group(0)))
    sources.take(scan(0, START_US + 7))
    sources.take(Scan.unanswered(0, 2, START_US + 9, BAD_INTERNAL_ERROR))
    sources.mark_bad(START_US + SECOND, "it is gone")
    assert sources.figures()["s"]["last_good_us"] == sources.tasks[0].known_until_us == START_US + 7


def test_a_worker_that_never_read_anything_leaves_what_was_known_before():
    sources = RemoteSources(KeptSink())
    sources.add(task(group(0)))
    sources.mark_bad(START_US, "it is gone")
    assert sources.tasks[0].known_until_us == START_US - SECOND


# -- its process ------------------------------------------------------------------------------------------------------


async def test_a_worker_that_ends_is_replaced_after_a_pause_and_its_sources_are_bad_meanwhile():
    world = World(ENDS_AT_ONCE)
    world.worker.add(task(group(0), group(1)))
    world.worker.launch()
    await world.until(lambda: world.sink.events)
    assert world.bad() == [(0, START_US, BAD_INTERNAL_ERROR), (1, START_US, BAD_INTERNAL_ERROR)]
    assert world.sink.events == [("worker lost", "worker 1", "worker 1 ended with exit code 3")]
    assert world.worker.figures()["state"] == "dead"
    assert world.worker.figures()["restarts"] == 0
    await world.timer.run_until(world.system.monotonic_us() + 2 * SECOND)
    await world.until(lambda: world.worker.figures()["restarts"] == 1)
    await world.until(lambda: len(world.sink.events) == 2)
    await world.worker.close(0.0)


async def test_a_worker_without_a_sign_of_life_is_killed():
    world = World()
    world.worker.launch()
    world.worker.beat(START_S)
    assert world.worker.figures()["state"] == "starting", "it may take its time to start"
    world.worker.beat(0.25)
    await world.until(lambda: world.sink.events)
    [(_, _, text)] = world.sink.events
    assert text == "worker 1 gave no sign of life for 60 s and was killed"
    await world.worker.close(0.0)


async def test_one_that_has_told_its_figures_may_be_silent_for_less():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    world.worker._take(Figures(START_US, {}, {"memory_bytes": 5}))
    assert world.worker.figures()["state"] == "running"
    assert world.worker.figures()["memory_bytes"] == 5
    # With much to take, its figures come late, and other things are as good a sign.
    for sign in (Figures(START_US, {}, {}), scan(0)):
        world.worker.beat(MOST_SILENT_S)
        world.worker._take(sign)
    world.worker.beat(MOST_SILENT_S)
    assert not world.sink.events
    world.worker.beat(0.25)
    await world.until(lambda: world.sink.events)
    await world.worker.close(0.0)


async def test_the_gap_begins_when_it_was_heard_of_last():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    world.system.advance(seconds=3)
    world.worker._take(scan(0, START_US + 3 * SECOND))
    world.system.advance(seconds=15)
    world.worker._kill("hangs")
    await world.until(world.bad)
    assert world.bad() == [(0, START_US + 3 * SECOND, BAD_INTERNAL_ERROR)]
    await world.worker.close(0.0)


async def test_the_gap_begins_where_its_last_word_was_said_however_late_that_is_taken():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    world.system.advance(seconds=30)  # the main process stood still, its worker did not
    world.worker._take(scan(0, START_US + 3 * SECOND))
    world.worker._take(Figures(START_US + 4 * SECOND, {}, {}))
    world.worker._take(scan(0, START_US + SECOND))  # a hole is marked where it begins
    world.worker._kill("dies")
    await world.until(world.bad)
    assert world.bad() == [(0, START_US + 4 * SECOND, BAD_INTERNAL_ERROR)]
    await world.worker.close(0.0)


async def test_what_cannot_be_taken_ends_the_worker_and_is_logged_once(caplog):
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    for _ in range(3):
        world.worker._take(Exchanged(99))
    await world.until(lambda: world.sink.events)
    assert "could not be taken" in world.sink.events[0][2]
    assert caplog.text.count("while taking what worker 1 has read") == 1
    await world.worker.close(0.0)


async def test_another_takes_its_place_even_if_its_tags_cannot_be_marked_bad(monkeypatch, caplog):
    world = World()
    world.worker.add(task(group(0), group(1)))
    accept = world.sink.accept

    def refuse(scan: Scan) -> None:
        if scan.group == 0:
            raise KeyError(scan.group)
        accept(scan)

    monkeypatch.setattr(world.sink, "accept", refuse)
    world.worker.launch()
    world.worker._take(scan(0))
    await world.until(lambda: world.sink.events)
    assert world.bad() == [(1, START_US, BAD_INTERNAL_ERROR)], "the others are marked"
    assert "s: tags of it cannot be marked Bad either" in caplog.text
    await world.timer.run_until(world.system.monotonic_us() + 2 * SECOND)
    await world.until(lambda: world.worker.figures()["restarts"] == 1)
    await world.worker.close(0.0)


async def test_a_command_that_is_not_there_is_told_and_tried_again(tmp_path):
    world = World([str(tmp_path / "nothing")])
    world.worker.add(task(group(0)))
    world.worker.launch()
    await world.until(lambda: world.sink.events)
    assert "could not be started" in world.sink.events[0][2]
    await world.timer.run_until(world.system.monotonic_us() + 2 * SECOND)
    await world.until(lambda: len(world.sink.events) >= 2)
    await world.worker.close(0.0)


async def test_a_change_is_done_when_the_worker_says_so_and_exchanged_where_it_says_so():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    done: list[str] = []
    change = asyncio.create_task(world.worker.change("s", [group(1)], lambda: done.append("exchanged")))
    await asyncio.sleep(0)
    world.worker._take(scan(0))
    world.worker._take(Exchanged(0))
    world.worker._take(scan(1))
    assert done == ["exchanged"]
    assert not change.done()
    world.worker._take(Done(0))
    await change
    assert [each.group for each in world.sink.scans] == [0, 1]
    await world.worker.close(0.0)


async def test_a_worker_that_dies_in_the_middle_of_a_change_has_it_done():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    done: list[str] = []
    change = asyncio.create_task(world.worker.change("s", [group(1)], lambda: done.append("exchanged")))
    await asyncio.sleep(0)
    world.worker._kill("dies")
    async with asyncio.timeout(BOUND_S):
        await change
    assert done == ["exchanged"]
    assert world.bad() == [(1, START_US, BAD_INTERNAL_ERROR)], "the groups after the change are Bad, no others"
    await world.worker.change("s", [group(2)], lambda: done.append("again"))
    assert done == ["exchanged", "again"], "without a process nothing has to be waited for"
    await world.worker.close(0.0)


async def test_a_fault_in_the_worker_while_groups_are_changed_is_raised():
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    change = asyncio.create_task(world.worker.change("s", [group(1)], lambda: None))
    await asyncio.sleep(0)
    world.worker._take(Exchanged(0))
    world.worker._take(Done(0, "KeyError('s')"))
    with pytest.raises(RuntimeError, match="KeyError"):
        await change
    await world.worker.close(0.0)


def fail() -> None:
    raise KeyError("a fault of the pipeline")


@pytest.mark.parametrize("died", [False, True])
async def test_a_fault_while_groups_are_exchanged_is_raised_where_that_was_asked_for(died):
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    change = asyncio.create_task(world.worker.change("s", [group(1)], fail))
    await asyncio.sleep(0)
    if died:
        world.worker._kill("dies")
    else:
        world.worker._take(Exchanged(0))
    with pytest.raises(KeyError, match="pipeline"):
        await change
    await world.until(lambda: world.sink.events)
    assert [each.groups for each in world.worker.sources.tasks] == [(group(0),)], "what follows has the old groups"
    with pytest.raises(KeyError, match="pipeline"):
        await world.worker.change("s", [group(1)], fail)
    await world.worker.close(0.0)


@pytest.mark.parametrize("died", [False, True])
async def test_nobody_need_wait_any_more_for_a_change_that_is_done(died):
    world = World()
    world.worker.add(task(group(0)))
    world.worker.launch()
    change = asyncio.create_task(world.worker.change("s", [group(1)], lambda: None))
    await asyncio.sleep(0)
    change.cancel()
    await asyncio.gather(change, return_exceptions=True)
    if not died:
        world.worker._take(Exchanged(0))
        world.worker._take(Done(0))
        assert not world.worker._why
    await world.worker.close(0.0)
    assert world.worker.figures()["state"] == "stopped"


async def test_one_that_does_not_stop_in_time_is_killed():
    world = World((sys.executable, "-c", "import threading; threading.Event().wait()"))
    world.worker.add(task(group(0)))
    world.worker.launch()
    world.worker._take(Figures(START_US + SECOND, {}, {}))
    async with asyncio.timeout(BOUND_S):
        await world.worker.close(0.0)
        await world.until(lambda: world.worker._process is None)
    assert world.worker.figures()["state"] == "stopped"
    assert world.bad() == [(0, START_US + SECOND, BAD_INTERNAL_ERROR)], "there may be more that it read and nobody took"


async def test_one_that_has_only_begun_to_start_is_not_waited_for():
    world = World((sys.executable, "-c", "import threading; threading.Event().wait()"))
    world.worker.launch()
    async with asyncio.timeout(BOUND_S):
        await world.worker.close(2 * BOUND_S)
    assert world.worker.figures()["state"] == "stopped"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def zombies() -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()
    return [child for child in children if "Z" in Path(f"/proc/{child}/stat").read_text("ascii").split()[2]]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_worker_that_dies_again_and_again_leaves_no_file_and_no_process_behind():
    world = World(ENDS_AT_ONCE)
    world.worker.launch()
    counts = []
    for deaths in range(1, 13):
        # More of them, where one that was started while the timer turned has ended since.
        await world.until(lambda deaths=deaths: deaths <= len(world.sink.events) == world.worker._restarts + 1)
        counts.append(open_files())
        await world.timer.run_until(world.system.monotonic_us() + 200 * SECOND)
    await world.worker.close(0.0)
    assert counts[-1] <= counts[1], counts
    assert zombies() == []
