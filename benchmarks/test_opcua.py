"""What the OPC UA driver costs over a bare loop of asyncua's read_attributes on the same server.

The server is a process of its own with ready-made values, so that the client is what is measured; processor time is
its own, the rest is waiting for the server.  As a test each runs once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_to_binary

from collectors.opcua.connection import NODES_PER_READ
from collectors.opcua.data_values import Decoder
from collectors.opcua.driver import OpcUaDriver
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver
from collectors.opcua.values import Columns
from collectors.simulator.plant import SimulatedServer
from historian.config.settings import OpcUaSource
from historian.model.clock import SystemClock
from historian.model.scan import ScanGroup
from historian.model.tag import Tag

POINTS = 5_000
ROUNDS = 12


@pytest.fixture
def url() -> Iterator[str]:
    with contextlib.closing(SimulatedServer(["load-opcua", "--nodes", str(POINTS)])) as server:
        yield server.wait_until_ready()


def group_of() -> ScanGroup:
    tags = (Tag(f"T{number}", "s", f"ns=2;s=N{number}", "fast") for number in range(POINTS))
    return ScanGroup(0, "s", "fast", 1_000_000, 0, tuple(tags))


class Best:
    """The shortest wall and processor time of some work, in seconds."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = math.inf

    async def time(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work once more."""
        wall, cpu = time.perf_counter(), time.process_time()
        await work()
        self.wall_s = min(self.wall_s, time.perf_counter() - wall)
        self.cpu_s = min(self.cpu_s, time.process_time() - cpu)


async def driver_and_bare(url: str, rounds: int) -> tuple[Best, Best]:
    """The best of ``rounds`` readings of all points, in turns: ours, and the bare loop's."""
    group, nodes = group_of(), [ua.NodeId(f"N{number}", 2) for number in range(POINTS)]
    driver, ours, bare = OpcUaDriver(OpcUaSource("s", url, timeout_us=30_000_000), SystemClock()), Best(), Best()

    async def bare_pass() -> None:
        for start in range(0, POINTS, NODES_PER_READ):
            part = nodes[start : start + NODES_PER_READ]
            assert len(await client.uaclient.session.read_attributes(part, ua.AttributeIds.Value)) == len(part)

    await driver.connect()
    try:
        plan = await driver.plan(group)
        reading = await driver.read(group, plan)
        assert (reading.status == 0).all()
        assert np.isfinite(reading.value).all()
        async with Client(url, timeout=30) as client:
            for _ in range(rounds):
                await ours.time(lambda: driver.read(group, plan))
                await bare.time(bare_pass)
    finally:
        await driver.close()
    return ours, bare


def test_driver_against_a_bare_loop(benchmark, figure, url: str) -> None:
    """5,000 doubles with status and time, against asyncua's objects of the same."""
    rounds = ROUNDS if benchmark.enabled else 1
    ours, bare = benchmark.pedantic(lambda: asyncio.run(driver_and_bare(url, rounds)), rounds=1)
    name = f"OPC UA driver, {POINTS:,} doubles, against asyncua's read_attributes"
    figure(name, POINTS / ours.wall_s, "values/s", better="more", peer=POINTS / bare.wall_s)
    figure(
        f"{name}, processor time", 1e6 * ours.cpu_s / POINTS, "us/value", better="less", peer=1e6 * bare.cpu_s / POINTS
    )


REPORTED = 500
REPORT_S = 0.2
REPORT_TURNS = 10


@pytest.fixture
def reporting_url() -> Iterator[str]:
    arguments = ["load-opcua", "--nodes", str(REPORTED), "--report-s", str(REPORT_S)]
    with contextlib.closing(SimulatedServer(arguments)) as server:
        yield server.wait_until_ready()


async def ours_a_value(url: str, values: int) -> float:
    """Processor time, in seconds, of a value that the driver takes from its subscription."""
    source = OpcUaSource("s", url, mode="subscribe", timeout_us=30_000_000)
    driver = OpcUaSubscriptionDriver(source, SystemClock())
    tags = (Tag(f"T{number}", "s", f"ns=2;s=N{number}", "fast") for number in range(REPORTED))
    group = ScanGroup(0, "s", "fast", round(REPORT_S * 1e6), 0, tuple(tags))
    await driver.connect()
    try:
        plan = await driver.plan(group)
        await driver.read(group, plan)
        cpu_s, seen, before_us = time.process_time(), 0, 0
        while seen < values:
            await asyncio.sleep(REPORT_S)
            reading = await driver.read(group, plan)
            for one in (*reading.before, reading):
                seen += int(np.count_nonzero(one.time_us > before_us))
                before_us = int(one.time_us.max())
        return (time.process_time() - cpu_s) / seen
    finally:
        await driver.close()


async def bare_a_value(url: str, values: int) -> float:
    """The same of asyncua's own iterator, which keeps a thousand events."""
    async with Client(url, timeout=30) as client:
        subscription = await client.create_subscription(REPORT_S * 1_000, queue_maxsize=10 * REPORTED)
        nodes = [client.get_node(f"ns=2;s=N{number}") for number in range(REPORTED)]
        async with subscription:
            await subscription.subscribe_data_change(nodes)
            events = subscription.__aiter__()
            for _ in range(REPORTED):
                await anext(events)
            cpu_s = time.process_time()
            for _ in range(values):
                await anext(events)
            return (time.process_time() - cpu_s) / values


def test_subscription_against_a_bare_iterator(benchmark, figure, reporting_url: str) -> None:
    """500 doubles that change five times a second, against asyncua's events of the same."""
    values = REPORTED * (REPORT_TURNS if benchmark.enabled else 1)

    async def both() -> tuple[float, float]:
        return await ours_a_value(reporting_url, values), await bare_a_value(reporting_url, values)

    ours_s, bare_s = benchmark.pedantic(lambda: asyncio.run(both()), rounds=1)
    name = "OPC UA subscription against asyncua's iterator, a core"
    figure(name, 1 / ours_s, "values/s", better="more", peer=1 / bare_s)


def test_decoding(benchmark, figure) -> None:
    """The client's own part: the bytes of an answer into columns."""
    now = SystemClock().wall_us()
    stamp = ua.uatypes.win_epoch_to_datetime((now + 11_644_473_600_000_000) * 10)
    answers = [
        ua.DataValue(ua.Variant(float(number)), SourceTimestamp=stamp, ServerTimestamp=stamp)
        for number in range(NODES_PER_READ)
    ]
    body = b"".join(map(struct_to_binary, answers)) + bytes(4)
    decoder, lanes = Decoder(), np.arange(NODES_PER_READ)
    columns = Columns(np.zeros(NODES_PER_READ, np.uint32), now, "source", 1)
    benchmark(lambda: columns.fill(lanes, decoder.decode(body, 0, NODES_PER_READ)[0], now))
    assert (columns.reading().time_us == now).all()
    if benchmark.stats is not None:
        figure("OPC UA decoding", 1e6 * benchmark.stats.stats.min / NODES_PER_READ, "us/value", better="less")
