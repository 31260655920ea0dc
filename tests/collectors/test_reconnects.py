"""A connection that breaks again and again: each time it is made anew, and nothing is left of the one before."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.process_figures import resident_bytes
from collectors.backoff import Backoff
from collectors.drivers import Drivers
from collectors.health import SourceHealth
from collectors.runner import SourceRunner
from collectors.schedule import SystemTimer
from collectors.simulator.plant import Plant
from collectors.supervisor import Supervisor
from conformance.relay import Relay
from historian.config.load import load_configuration
from historian.config.settings import Configuration, SourceSettings
from historian.model.clock import SystemClock
from historian.model.scan import Scan
from historian.model.status import is_bad

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")

RATE_US = 20_000
WAIT_S = 30.0
WARM_UP = 5
"""Reconnects after which caches and pools are full."""

OBJECTS = 500
MEMORY_BYTES = 10_000_000
"""What may be there more after all reconnects: lists and caches that breathe, and no more after 1,000 than after 5.
Measured after 1,000: 200 objects and 0.3 MB with Modbus, none and 1.3 MB with OPC UA."""


@dataclass
class Counting:
    """A sink that counts scans."""

    good: int = 0
    lost: int = 0
    recovered: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def accept(self, scan: Scan) -> None:
        self.good += int(not is_bad(scan.status).all())
        self.changed.set()

    def accept_late(self, late) -> None:
        """There is no history."""

    @property
    def late_waiting(self) -> int:
        return 0

    def types_resolved(self, types) -> None:
        """Not looked at."""

    def event(self, kind: str, object_: str, text: str) -> None:
        self.lost += kind == "lost"
        self.recovered += kind == "recovered"
        self.changed.set()


@dataclass(frozen=True)
class Taken:
    """What a process has of everything."""

    tasks: int
    threads: int
    files: int
    sockets: int
    objects: int
    memory_bytes: int

    @classmethod
    def now(cls) -> Taken:
        gc.collect()
        files = [_target(each) for each in Path("/proc/self/fd").iterdir()]
        sockets = [each for each in files if each.startswith("socket:")]
        return cls(
            len(asyncio.all_tasks()), threading.active_count(), len(files), len(sockets), len(gc.get_objects()),
            resident_bytes(),
        )  # fmt: skip


def _target(descriptor: Path) -> str:
    """What an open file is; nothing for the one by which the folder itself is read."""
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    with Plant() as plant:
        yield plant


@pytest.fixture
def configuration(plant: Plant, tmp_path: Path) -> Configuration:
    return load_configuration(plant.write_configuration(tmp_path))


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


async def until(condition: Callable[[], bool], sink: Counting, what: str) -> None:
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                sink.changed.clear()
                await sink.changed.wait()
    except TimeoutError:
        raise AssertionError(f"waited {WAIT_S:g} s in vain until {what}") from None


@asynccontextmanager
async def collecting(
    configuration: Configuration, protocol: str, mode: str
) -> AsyncIterator[tuple[Relay, Counting, SourceHealth]]:
    """A source of the plant, collected from over a line that the test cuts."""
    settings, groups = _source(configuration, protocol)
    relay = Relay(port_of(settings.url))
    await relay.open()
    url = settings.url.replace(f":{relay.target_port}", f":{relay.port}")
    settings = replace(settings, url=url, **_more(settings, protocol, mode, relay.port))
    clock, sink, health = SystemClock(), Counting(), SourceHealth(protocol, url)
    timer, drivers = SystemTimer(clock), Drivers(clock)
    runner = SourceRunner(
        settings.name, groups, make_driver=lambda: drivers.make(settings), sink=sink, timer=timer, health=health,
        backoff=Backoff(0.01, 0.05),
    )  # fmt: skip
    supervisor = Supervisor(timer)
    supervisor.start(runner)
    try:
        yield relay, sink, health
    finally:
        await supervisor.close()
        await relay.cut()


def _source(configuration: Configuration, protocol: str):
    """The first source of a protocol, and its groups at one fast rate."""
    for name, settings in configuration.sources.items():
        if type(settings).__name__.lower().startswith(protocol):
            mine = [group for group in configuration.groups() if group.source == name]
            return settings, [replace(group, rate_us=RATE_US, phase_us=0) for group in mine]
    raise AssertionError(f"the plant has no source of {protocol}")


def _more(settings: SourceSettings, protocol: str, mode: str, port: int) -> dict[str, object]:
    return {"mode": mode} if protocol == "opcua" else {"endpoint": replace(settings.endpoint, port=port)}


async def cut_often(relay: Relay, sink: Counting, times: int) -> None:
    for _ in range(times):
        good, lost = sink.good, sink.lost
        await until(lambda good=good: sink.good > good, sink, "something is read")
        relay.drop()
        await until(lambda lost=lost: sink.lost > lost, sink, "the loss is noticed")
    good = sink.good
    await until(lambda: sink.good > good, sink, "something is read in the end")


@pytest.fixture(autouse=True)
def _every_loss_is_told(monkeypatch) -> None:
    """The sink counts what it is told."""
    monkeypatch.setattr("collectors.losses.MOST_TOLD", 10_000)


SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]
# A subscription needs more than a second until its first values are there.
OFTEN = [("modbus", "", 1000), ("opcua", "poll", 1000)]
"""A subscription takes its session up again and is not lost: tests/collectors/opcua has a test of its own."""


@pytest.mark.parametrize(
    ("protocol", "mode", "times"),
    [
        *(pytest.param(protocol, mode, 5, marks=pytest.mark.timeout(120)) for protocol, mode, _ in OFTEN),
        *(pytest.param(*each, marks=SLOW) for each in OFTEN),
    ],
)
async def test_reconnects_leave_nothing_behind(configuration, caplog, protocol, mode, times):
    for name in ("historian.collectors", "asyncua"):  # or pytest keeps up to three records of each
        caplog.set_level(logging.CRITICAL, name)
    async with collecting(configuration, protocol, mode) as (relay, sink, health):
        await cut_often(relay, sink, WARM_UP)
        before = Taken.now()
        await cut_often(relay, sink, times)
        after = Taken.now()
        assert health.reconnects == sink.recovered >= times + WARM_UP
        assert health.errors_by_kind
    told = f"{before} -> {after}"
    assert after.tasks <= before.tasks + 2, told
    assert after.threads <= before.threads + 2, told
    assert after.files <= before.files + 2, told
    assert after.sockets <= before.sockets, told
    assert after.objects <= before.objects + OBJECTS, told
    assert after.memory_bytes <= before.memory_bytes + MEMORY_BYTES, told
