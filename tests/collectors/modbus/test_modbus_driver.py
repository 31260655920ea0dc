"""What the Modbus driver does beyond the common suite: times, exception answers, values that no request can carry."""

from __future__ import annotations

import asyncio
import math
import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest

from collectors.modbus import driver as modbus_driver
from collectors.modbus.cost import Cost
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.known import Known
from collectors.modbus.plan import Block, Limits, plan_blocks
from conformance.collector_suite import eventually, group_of
from conformance.counting_device import SOURCE, at_port, connected, counting, registers_from, tag
from conformance.scripted_device import Request, scripted_device
from historian.config.modbus_address import ModbusPoint
from historian.config.settings import NetworkEndpoint
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import status_name


class TickingClock:
    """Moves by 100 us with every look at how much time has passed; ``step_us`` sets the time of day."""

    def __init__(self) -> None:
        self.now_us = 0
        self.step_us = 0

    def wall_us(self) -> int:
        return 1_800_000_000_000_000 + self.now_us + self.step_us

    def monotonic_us(self) -> int:
        self.now_us += 100
        return self.now_us


async def test_the_functions_and_places_that_are_asked_for() -> None:
    group = group_of(tag("coil:17"), tag("di:5"), tag("hr:65535"), tag("ir:0", "float64"), tag("400011"), tag("00001"))
    async with scripted_device(counting) as device, connected(device) as driver:
        plan = await driver.plan(group)
        assert plan.requests == 5
        reading = await driver.read(group, plan)
        asked = sorted((each.function, each.address, each.count) for each in device.requests)
        assert asked == [(1, 0, 18), (2, 5, 1), (3, 10, 1), (3, 65_535, 1), (4, 0, 4)]
        assert {each.unit for each in device.requests} == {3}
        assert reading.value[[0, 1, 2, 4, 5]].tolist() == [1, 1, 65_535, 10, 0]


async def test_one_time_an_answer_half_way_between_request_and_answer() -> None:
    clock = TickingClock()
    group = group_of(tag("hr:0"), tag("hr:200"), tag("hr:1"), tag("hr:201", "float32"))
    async with scripted_device(counting) as device, connected(device, clock) as driver:
        # Between request and answer the clock is looked at by nobody else: 100 us, half of it is 50.
        first, second, again, beside = (await driver.read(group, await driver.plan(group))).time_us.tolist()
        assert (first, second) == (again, beside)
        assert (first % 100, second % 100) == (50, 50)
        assert first < second < clock.wall_us()


async def test_a_clock_that_is_set_before_the_answer_gives_no_time_in_between() -> None:
    clock = TickingClock()
    hour_us = 3_600_000_000

    def answer(request: Request) -> Iterable[bytes]:
        clock.step_us = hour_us
        return counting(request)

    async with scripted_device(answer) as device, connected(device, clock) as driver:
        before_us = clock.wall_us()
        group = registers_from(0, 1)
        reading = await driver.read(group, await driver.plan(group))
        assert 0 < int(reading.time_us[0]) - before_us - hour_us < 10_000


async def test_waiting_for_the_connection_is_no_part_of_the_time() -> None:
    clock = TickingClock()
    async with scripted_device(counting) as device, connected(device, clock) as driver:
        groups = [registers_from(0, 1), registers_from(1, 1), registers_from(2, 1)]
        plans = [await driver.plan(group) for group in groups]
        readings = await asyncio.gather(*map(driver.read, groups, plans))
        middles = [int(reading.time_us[0]) for reading in readings]
        assert [middle % 100 for middle in middles] == [50, 50, 50]
        assert len(set(middles)) == 3


@pytest.mark.parametrize(
    ("script", "settings", "said"),
    [
        (lambda _: [], {}, "wanted an answer of this unit, check its number, its power, the timeout"),
        (lambda _: [], {"in_flight": 4}, "in_flight (many devices answer only the first of several requests)"),
        (lambda _: [None], {}, "check how many clients the device takes at once"),
        (lambda _: [b"HTTP/1.1 400 Bad"], {}, "rtu+tcp://"),
    ],
    ids=["silent", "silent to several", "hangs up", "speaks something else"],
)
async def test_a_failure_says_what_to_look_at(
    script: Callable[[Request], Iterable[bytes | None]], settings: dict[str, int], said: str
) -> None:
    group = registers_from(0, 1)
    async with scripted_device(script) as device:
        source = replace(at_port(SOURCE, device.port), timeout_us=50_000, **settings)
        driver = ModbusDriver(source, SystemClock())
        await driver.connect()
        with pytest.raises(SourceUnavailableError, match=re.escape(said)):
            await driver.read(group, await driver.plan(group))
        await driver.close()


async def test_a_serial_port_that_is_in_use() -> None:
    async with scripted_device(counting, "rtu", "pty") as device:
        source = device.source()
        first, second = (ModbusDriver(source, SystemClock()) for _ in range(2))
        await first.connect()
        with pytest.raises(SourceUnavailableError, match="another program uses the port"):
            await second.connect()
        await first.close()
        await second.connect()
        await second.close()


async def test_closing_ends_the_read_of_another_task() -> None:
    group = registers_from(0, 1)
    async with scripted_device(lambda _: []) as device:
        driver = ModbusDriver(at_port(replace(SOURCE, timeout_us=30_000_000), device.port), SystemClock())
        await driver.connect()
        reads = [asyncio.create_task(driver.read(group, await driver.plan(group))) for _ in range(2)]
        await eventually(lambda: len(device.requests) == 1, "the first request leaves")
        await driver.close()
        device.script = counting
        await driver.connect()  # the failing reads must not take the new connection with them
        both = asyncio.gather(*reads, return_exceptions=True)
        first, second = await asyncio.wait_for(both, 5)  # far less than the source's time-out
        assert isinstance(first, SourceUnavailableError)
        assert not isinstance(second, Exception) or isinstance(second, SourceUnavailableError)
        assert (await driver.read(group, await driver.plan(group))).value.tolist() == [0]
        await driver.close()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, "BadConfigurationError"), (2, "BadConfigurationError"), (3, "BadConfigurationError"),
        (4, "BadDeviceFailure"), (5, "BadOutOfService"), (6, "BadOutOfService"), (8, "BadDeviceFailure"),
        (10, "BadNoCommunication"), (11, "BadNoCommunication"), (99, "BadDeviceFailure"),
    ],
)  # fmt: skip
async def test_an_exception_is_the_status_of_its_own_request(code: int, status: str) -> None:
    group = group_of(tag("hr:0"), tag("hr:500", "int64"), tag("hr:504", "string:4"), tag("ir:9"))

    def script(request: Request) -> Iterable[bytes]:
        return [request.exception(code)] if request.address >= 500 else counting(request)

    async with scripted_device(script) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(2):
            reading = await driver.read(group, plan)
            assert [status_name(int(each)) for each in reading.status] == ["Good", status, status, "Good"]
            assert math.isnan(reading.value[1])
            assert math.isnan(reading.value[2])
            assert reading.value[[0, 3]].tolist() == [0, 9]
            assert not reading.exact
            assert not reading.text


async def test_a_busy_device_is_not_taken_apart() -> None:
    """Only refusals that depend on the place or the number of registers are worth more requests."""
    group = registers_from(0, 50)
    async with scripted_device(lambda request: [request.exception(6)]) as device, connected(device) as driver:
        plan = await driver.plan(group)
        await driver.read(group, plan)
        assert len(device.requests) == 1
        assert plan.requests == 1


async def test_a_text_that_is_longer_than_a_request() -> None:
    source = replace(SOURCE, max_registers=10)
    group = group_of(tag("hr:0", "string:40"), tag("hr:3"))
    async with scripted_device(counting) as device, connected(device, source=source) as driver:
        reading = await driver.read(group, await driver.plan(group))
        assert [status_name(int(each)) for each in reading.status] == ["BadConfigurationError", "Good"]
        assert reading.value[1] == 3
        assert reading.time_us.min() > 1_700_000_000_000_000


async def test_no_points() -> None:
    async with scripted_device(counting) as device, connected(device) as driver:
        reading = await driver.read(group_of(), await driver.plan(group_of()))
        assert len(reading.value) == 0
        assert not device.requests


async def test_the_error_says_which_device_and_why(free_port: int) -> None:
    driver = ModbusDriver(at_port(SOURCE, free_port), SystemClock())
    with pytest.raises(ConnectionError, match=rf"source 'plant' at 127\.0\.0\.1:{free_port}, unit 3: .*refused"):
        await driver.connect()


async def test_a_host_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    driver = ModbusDriver(replace(SOURCE, endpoint=NetworkEndpoint("no-such-device", 0)), SystemClock())
    with pytest.raises(ConnectionError, match=r"at no-such-device:0.*the host name cannot be resolved \(Name"):
        await driver.connect()


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
async def test_a_host_that_is_no_name(host: str) -> None:
    driver = ModbusDriver(replace(SOURCE, endpoint=NetworkEndpoint(host, 0)), SystemClock())
    with pytest.raises(ConnectionError, match="the host name"):
        await driver.connect()


async def test_other_sources_have_their_turns_while_points_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = threading.Event()

    def plan_when_another_had_its_turn(
        points: Sequence[ModbusPoint], limits: Limits, cost: Cost, known: Known
    ) -> tuple[Block, ...]:
        assert turned.wait(10)
        return plan_blocks(points, limits, cost, known)

    monkeypatch.setattr(modbus_driver, "plan_blocks", plan_when_another_had_its_turn)
    planning = asyncio.create_task(ModbusDriver(SOURCE, SystemClock()).plan(registers_from(0, 250)))
    await asyncio.sleep(0)
    turned.set()
    assert (await planning).requests == 2
