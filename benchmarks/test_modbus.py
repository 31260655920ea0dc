"""What the Modbus driver costs over a bare pymodbus loop that reads the same registers from the same server.

The server is a process of its own (``python benchmarks/test_modbus.py`` starts it) with ready-made answers, so that the
client is what is measured.  As a test each runs once.
"""

from __future__ import annotations

import asyncio
import math
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient

from collectors.modbus.decode import batches, decode
from collectors.modbus.driver import ModbusDriver, ModbusPlan
from historian.config.modbus_address import parse_modbus_address
from historian.config.settings import ModbusSource, NetworkEndpoint
from historian.model.clock import SystemClock
from historian.model.scan import ScanGroup
from historian.model.tag import Tag

POINTS = 5_000
ROUNDS = 40
TYPES = {"uint16": 1, "float32:CDAB": 2}
EXPECTED = {"uint16": 0x4120, "float32:CDAB": struct.unpack(">f", b"\x41\x20\x41\x20")[0]}


class ReadyMade(asyncio.Protocol):
    """Answers every read with 125 registers or as many as asked for; needs whole requests, as localhost gives them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer one request."""
        transaction, _, _, unit, function, _, count = struct.unpack(">HHHBBHH", data)
        answer = struct.pack(">HHHBBB", transaction, 0, 2 * count + 3, unit, function, 2 * count)
        self.transport.write(answer + b"\x41\x20" * count)


async def serve() -> None:
    """Serve on a free port, which goes to stdout, until the process is ended."""
    server = await asyncio.get_running_loop().create_server(ReadyMade, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@pytest.fixture
def port() -> Iterator[int]:
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def group_of(type_text: str) -> ScanGroup:
    length = TYPES[type_text]
    tags = (Tag(f"T{at}", "s", f"hr:{at * length}", "fast", type_text=type_text) for at in range(POINTS))
    return ScanGroup(0, "s", "fast", 1_000_000, 0, tuple(tags))


async def bare_pass(client: AsyncModbusTcpClient, plan: ModbusPlan) -> None:
    """All blocks once with pymodbus alone: registers as lists of integers, no checks, no values."""
    for block in plan.layout.blocks:
        answer = await client.read_holding_registers(block.start, count=block.count, device_id=1)
        assert len(answer.registers) == block.count


class Cost(NamedTuple):
    """Of one reading, in seconds: the best time, and the mean of what it took of a processor."""

    wall_s: float
    cpu_s: float


async def driver_and_bare(port: int, group: ScanGroup, rounds: int) -> tuple[Cost, Cost]:
    """Readings in turns: ours, and the bare loop's."""
    driver = ModbusDriver(ModbusSource("s", "", NetworkEndpoint("127.0.0.1", port)), SystemClock())
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=5, reconnect_delay=0)
    await driver.connect()
    assert await client.connect()
    plan = await driver.plan(group)
    best, cpu = [math.inf, math.inf], [0.0, 0.0]
    for _ in range(rounds):
        marks = [(time.perf_counter(), time.process_time())]
        reading = await driver.read(group, plan)
        marks.append((time.perf_counter(), time.process_time()))
        await bare_pass(client, plan)
        marks.append((time.perf_counter(), time.process_time()))
        spans = [(end[0] - start[0], end[1] - start[1]) for start, end in pairwise(marks)]
        best = [min(low, span[0]) for low, span in zip(best, spans, strict=True)]
        cpu = [total + span[1] / rounds for total, span in zip(cpu, spans, strict=True)]
        assert (reading.value == EXPECTED[group.tags[0].type_text]).all()
    client.close()
    await driver.close()
    return Cost(best[0], cpu[0]), Cost(best[1], cpu[1])


@pytest.mark.parametrize("type_text", TYPES)
def test_driver_against_a_bare_loop(benchmark, figure, port: int, type_text: str) -> None:
    """5,000 points: connection, checks, times and decoding, against registers as lists of integers."""
    rounds = ROUNDS if benchmark.enabled else 1
    group = group_of(type_text)
    driver, bare = benchmark.pedantic(lambda: asyncio.run(driver_and_bare(port, group, rounds)), rounds=1)
    name = f"Modbus driver, {POINTS:,} x {type_text}, against bare pymodbus"
    figure(name, 1000 * driver.wall_s, "ms", better="less", peer=1000 * bare.wall_s)
    ours_us, theirs_us = (1e6 * cost.cpu_s / POINTS for cost in (driver, bare))
    figure(f"{name}, processor time a value", ours_us, "us", better="less", peer=theirs_us)


@pytest.mark.parametrize("type_text", TYPES)
def test_decoding(benchmark, figure, type_text: str) -> None:
    """5,000 values out of one buffer."""
    length = TYPES[type_text]
    points = [parse_modbus_address(f"hr:{at * length}", type_text) for at in range(POINTS)]
    prepared = batches(points, np.arange(POINTS) * length)
    buffer = b"\x41\x20" * (POINTS * length)
    no_bits = np.empty(0, np.uint8)
    decoded = benchmark(lambda: decode(prepared, POINTS, buffer, no_bits))
    assert len(decoded.value) == POINTS
    if benchmark.stats is not None:
        figure(f"decode {type_text}", POINTS / benchmark.stats.stats.min / 1e6, "million values/s", better="more")


if __name__ == "__main__":
    asyncio.run(serve())
