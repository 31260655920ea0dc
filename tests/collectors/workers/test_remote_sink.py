"""The sink in a worker: everything goes through the channel, and too much that waits is a gap that is marked."""

from __future__ import annotations

import numpy as np
import pytest

from collectors.workers.messages import Happened, LateTaken, Noted, TypesTold
from collectors.workers.remote_sink import RemoteSink
from historian.model.scan import LateValues, Scan
from historian.model.status import BAD_RESOURCE_UNAVAILABLE, GOOD
from historian.model.tag import ValueType
from support.fake_clock import START_US, FakeClock


class Pipe:
    """A channel whose other end takes nothing until it is told to; every message counts as 100 bytes."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.waiting_bytes = 0

    def send(self, message: object) -> None:
        self.sent.append(message)
        self.waiting_bytes += 100


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def sink(pipe: Pipe) -> RemoteSink:
    return RemoteSink(pipe, FakeClock(), "worker 1", limit_bytes=1_000)


def scan(group: int, count: int = 2) -> Scan:
    return Scan(group, START_US, np.full(count, START_US), np.ones(count), np.full(count, GOOD, np.uint32))


def late(count: int) -> LateValues:
    lanes = np.zeros(count, np.intp)
    return LateValues(0, lanes, np.arange(count), np.ones(count), np.zeros(count, np.uint32))


def test_everything_is_sent_as_it_comes(pipe, sink):
    scans = [scan(0), scan(1), scan(0)]
    for each in scans:
        sink.accept(each)
    sink.types_resolved({"A": ValueType.INT16})
    sink.types_resolved({})
    sink.event("lost", "s", "no answer")
    sink.remember("s", "limits", "2")
    assert pipe.sent == [
        *scans, TypesTold({"A": ValueType.INT16}), Happened("lost", "s", "no answer"), Noted("s", "limits", "2"),
    ]  # fmt: skip


def test_a_full_channel_marks_the_gap_in_every_group_and_drops_what_follows(pipe, sink):
    for number in range(11):
        sink.accept(scan(number % 2, count=2 + number % 2))
    marks = [each for each in pipe.sent if isinstance(each, Scan) and not each.answered]
    assert sorted((mark.group, len(mark), int(mark.status[0])) for mark in marks) == [
        (0, 2, BAD_RESOURCE_UNAVAILABLE), (1, 3, BAD_RESOURCE_UNAVAILABLE),
    ]  # fmt: skip
    assert isinstance(pipe.sent[-1], Happened)
    assert pipe.sent[-1].kind == "paused"
    count = len(pipe.sent)
    sink.accept(scan(0))
    assert len(pipe.sent) == count


def test_it_goes_on_when_half_of_that_was_taken(pipe, sink):
    for _ in range(11):
        sink.accept(scan(0))
    pipe.waiting_bytes = 501
    sink.accept(scan(0))
    assert isinstance(pipe.sent[-1], Happened)
    pipe.waiting_bytes = 500
    after = scan(0)
    sink.accept(after)
    assert pipe.sent[-1] is after
    told = [(each.kind, each.object_) for each in pipe.sent if isinstance(each, Happened)]
    assert told == [("paused", "worker 1"), ("resumed", "worker 1")]


def test_late_values_wait_until_the_main_process_has_stored_them(sink):
    assert sink.late_waiting == 0
    sink.accept_late(late(30))
    sink.accept_late(late(12))
    assert sink.late_waiting == 42
    sink.note_late(LateTaken(taken=30, waiting=30))
    assert sink.late_waiting == 42, "12 on their way, 30 not stored yet"
    sink.note_late(LateTaken(taken=42, waiting=0))
    assert sink.late_waiting == 0


def test_there_is_room_as_long_as_half_of_what_may_wait_does(pipe, sink):
    pipe.waiting_bytes = 500
    assert sink.has_room
    pipe.waiting_bytes = 501
    assert not sink.has_room
