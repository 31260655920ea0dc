"""The pool: which worker a source goes to, and that nobody is started when all is over."""

from __future__ import annotations

import sys

import pytest

from collectors.source_task import SourceTask
from collectors.workers.pool import WorkerPool
from historian.config.settings import ModbusSource, NetworkEndpoint
from historian.model.clock import AnchoredClock
from historian.model.scan import ScanGroup
from historian.model.tag import Tag
from support.fake_clock import FakeClock
from support.fake_timer import FakeTimer
from support.kept_sink import KeptSink

SILENT = (sys.executable, "-IS", "-c", "import sys; sys.stdin.buffer.read()")
"""Ends when its input ends, and says nothing."""


@pytest.fixture
async def pool():
    system = FakeClock()
    pool = WorkerPool(2, SILENT, KeptSink(), FakeTimer(system), AnchoredClock(system))
    yield pool
    await pool.close()


def task(name: str, host: str, tags: int = 1) -> SourceTask:
    lanes = tuple(Tag(f"{name}{lane}", name, "hr:0", "fast") for lane in range(tags))
    source = ModbusSource(name, f"tcp://{host}:502", NetworkEndpoint(host, 502))
    return SourceTask(source, [ScanGroup(0, name, "fast", 1_000_000, 0, lanes)])


def placed(pool: WorkerPool) -> dict[str, object]:
    return {name: figures["worker"] for name, figures in pool.figures().items()}


async def test_sources_with_one_connection_share_a_worker_and_others_go_where_the_least_is_to_do(pool):
    for each in (task("a", "x", 500), task("b", "y", 50), task("c", "y", 50), task("d", "z"), task("e", "x")):
        pool.add(each)
    assert placed(pool) == {"a": 1, "b": 2, "c": 2, "d": 2, "e": 1}
    assert [worker["sources"] for worker in pool.workers().values()] == [2, 3]


async def test_a_worker_that_has_lost_all_its_sources_is_the_next_to_get_one(pool):
    pool.add(task("a", "x"))
    pool._workers[0].sources.remove("a")
    pool.add(task("a", "moved"))
    assert placed(pool) == {"a": 1}


async def test_a_source_that_is_added_while_all_ends_starts_no_worker(pool):
    await pool.close()
    pool.add(task("a", "x"))
    assert [(worker["pid"], worker["state"]) for worker in pool.workers().values()] == [(None, "dead")]
