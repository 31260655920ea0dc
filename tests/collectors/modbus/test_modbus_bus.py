"""Several units on one connection: they share it, take turns, and a dead one holds up nobody for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.driver import Driver
from collectors.drivers import Drivers
from collectors.modbus.bus import IN_VAIN, Bus, Member
from collectors.modbus.dead_time import SHARE, DeadTime
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.link import LinkError
from collectors.modbus.request import Answer, Function, ReadRequest
from collectors.modbus.unit import Unit
from conformance.collector_suite import eventually, group_of
from conformance.counting_device import counting, tag
from conformance.scripted_device import Request, ScriptedDevice, scripted_device
from historian.config.settings import ModbusSource, NetworkEndpoint
from historian.errors import SourceUnavailableError
from historian.model.clock import US_PER_S, SystemClock
from historian.model.scan import ScanGroup
from historian.model.status import BAD_TIMEOUT, GOOD, status_name

ONE = group_of(tag("hr:7"))
SCATTERED = group_of(*(tag(f"hr:{at}") for at in range(0, 20_000, 500)))
"""Forty requests."""


@dataclass
class Sources:
    """Drivers of units behind one gateway."""

    device: ScriptedDevice
    drivers: Drivers = field(default_factory=lambda: Drivers(SystemClock()))
    made: list[Driver] = field(default_factory=list)

    def add(self, unit: int, **settings: object) -> ModbusDriver:
        source = replace(self.device.source(unit), name=f"unit {unit}", **settings)  # type: ignore[arg-type]
        driver = self.drivers.make(source)
        assert isinstance(driver, ModbusDriver)
        self.made.append(driver)
        return driver

    def bus(self) -> Bus:
        assert self.drivers._buses is not None
        (bus,) = self.drivers._buses._buses.values()
        return bus


@asynccontextmanager
async def gateway(script: Callable[[Request], Iterable[bytes | None]]) -> AsyncIterator[Sources]:
    async with scripted_device(script) as device:
        sources = Sources(device)
        yield sources
        for driver in sources.made:
            await driver.close()


async def read(driver: ModbusDriver, group: ScanGroup = ONE) -> list[float]:
    reading = await driver.read(group, await driver.plan(group))
    return [float(value) for value in reading.value]


def alive(*units: int) -> Callable[[Request], Iterable[bytes]]:
    """A gateway behind which only these units answer."""
    return lambda request: counting(request) if request.unit in units else []


# --- sharing


async def test_units_behind_one_address_share_its_connection() -> None:
    async with gateway(counting) as sources:
        drivers = [sources.add(unit) for unit in (1, 2, 3)]
        await asyncio.gather(*(driver.connect() for driver in drivers))
        assert await asyncio.gather(*(read(driver) for driver in drivers)) == [[7.0]] * 3
        assert sources.device.connections == 1
        assert {request.unit for request in sources.device.requests} == {1, 2, 3}


async def test_another_address_or_another_certificate_is_another_connection() -> None:
    async with gateway(counting) as sources, gateway(counting) as others:
        sources.drivers.make(sources.device.source())
        sources.drivers.make(others.device.source())
        assert sources.drivers._buses is not None
        assert len(sources.drivers._buses._buses) == 2


async def test_the_connection_ends_with_the_last_who_uses_it() -> None:
    async with gateway(counting) as sources:
        first, second = sources.add(1), sources.add(2)
        await first.connect()
        await second.connect()
        await first.close()
        assert await read(second) == [7.0]
        assert sources.device.connections == 1
        await second.close()
        await eventually(lambda: not sources.device._tasks, "the connection is closed")


async def test_a_lost_connection_is_made_once_for_all() -> None:
    async with gateway(counting) as sources:
        drivers = [sources.add(unit) for unit in (1, 2, 3)]
        await asyncio.gather(*(driver.connect() for driver in drivers))
        sources.device.script = lambda _: [None]
        outcomes = await asyncio.gather(*(read(driver) for driver in drivers), return_exceptions=True)
        assert all(isinstance(outcome, SourceUnavailableError) for outcome in outcomes)
        sources.device.script = counting
        await asyncio.gather(*(driver.connect() for driver in drivers))
        assert await asyncio.gather(*(read(driver) for driver in drivers)) == [[7.0]] * 3
        assert sources.device.connections == 2


# --- turns


async def test_a_source_with_many_requests_does_not_hold_up_one_with_few() -> None:
    async with gateway(counting) as sources:
        busy, quick = sources.add(1), sources.add(2)
        await busy.connect()
        await quick.connect()
        plan = await quick.plan(ONE)
        reading = asyncio.create_task(read(busy, SCATTERED))
        await eventually(lambda: bool(sources.device.requests), "the long reading has begun")
        before = len(sources.device.requests)
        await quick.read(ONE, plan)
        order = [request.unit for request in sources.device.requests[before:]]
        assert 2 in order[:3]
        assert len(await reading) == 40


class Line(Bus):
    """A bus whose wire is a list: what was asked for, by whom, and how many at once."""

    def __init__(self, in_flight: int = 1) -> None:
        super().__init__(NetworkEndpoint("", 0), None, SystemClock())
        self.order: list[int] = []
        self.now = self.most = 0
        self.in_flight = in_flight

    async def _exchange(self, member: Member, request: ReadRequest) -> Answer:
        self.order.append(member.unit.number)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
        finally:
            self.now -= 1
        return Answer(b"")

    async def _open(self, source: ModbusSource) -> None:
        pass

    def _most_under_way(self) -> int:
        return self.in_flight


@given(
    loads=st.lists(st.integers(1, 12), min_size=1, max_size=5), in_flight=st.integers(1, 3), cancelled=st.integers(0, 9)
)
def test_members_take_turns_one_request_each(loads: list[int], in_flight: int, cancelled: int) -> None:
    """While several wait, none has two turns more than another; nobody is forgotten, whoever gives up meanwhile."""
    line = Line(in_flight)

    async def run() -> None:
        tasks: list[asyncio.Task[Answer]] = []
        for unit, load in enumerate(loads):
            source = ModbusSource("s", "", NetworkEndpoint("", 0), unit, in_flight=in_flight)
            member = await line.join(source)
            request = ReadRequest(3, 0, 1, unit)
            tasks += [asyncio.create_task(line.ask(member, request)) for _ in range(load)]
        await asyncio.sleep(0)
        if cancelled < len(tasks):
            tasks[cancelled].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.done() for task in tasks)

    asyncio.run(run())
    assert line.most <= in_flight
    assert len(line.order) >= sum(loads) - 1
    rounds = line.order[in_flight:]  # the first begin before the others are there
    for length in range(len(rounds) + 1):
        turns = [rounds[:length].count(unit) for unit in range(len(loads))]
        left = [rounds[length:].count(unit) for unit in range(len(loads))]
        waiting = [turn for turn, more in zip(turns, left, strict=True) if more]
        assert max(waiting, default=0) - min(waiting, default=0) <= in_flight + 2


async def test_who_waits_for_a_turn_is_told_when_his_source_is_closed() -> None:
    async with gateway(lambda _: []) as sources:
        first, second = sources.add(1, timeout_us=2_000_000), sources.add(2)
        await first.connect()
        await second.connect()
        holding = asyncio.create_task(read(first))
        await eventually(lambda: bool(sources.device.requests), "the first request is under way")
        waiting = asyncio.create_task(read(second))
        await eventually(lambda: sources.bus()._queued == 1, "the second waits for its turn")
        await second.close()
        with pytest.raises(SourceUnavailableError, match="the connection was closed"):
            await waiting
        await first.close()
        with pytest.raises(SourceUnavailableError):
            await holding


# --- several requests in flight


class Gathering:
    """Keeps requests until there are ``size`` of them, and answers the last one first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.held: list[Request] = []

    def __call__(self, request: Request) -> Iterable[bytes]:
        self.held.append(request)
        if len(self.held) < self.size:
            return []
        held, self.held = self.held, []
        return [answer for each in reversed(held) for answer in counting(each)]


async def test_several_requests_in_flight_find_their_answers_in_any_order() -> None:
    async with gateway(Gathering(4)) as sources:
        driver = sources.add(1, in_flight=4)
        await driver.connect()
        assert await read(driver, SCATTERED) == [float(at) for at in range(0, 20_000, 500)]


async def test_one_request_in_flight_by_default() -> None:
    """A device that drops what comes before its answer is out never has to."""
    under_way: list[int] = []

    async with gateway(counting) as sources:

        def script(request: Request) -> Iterable[bytes]:
            under_way.append(1)
            yield b""
            yield from counting(request)
            assert len(under_way) == 1
            under_way.clear()

        sources.device.script = script
        first, second = sources.add(1), sources.add(2)
        await first.connect()
        await second.connect()
        await asyncio.gather(read(first, SCATTERED), read(second, SCATTERED))
        assert len(sources.device.requests) == 80


# --- pauses


async def test_pauses_after_connecting_and_between_requests() -> None:
    times: list[float] = []

    def script(request: Request) -> Iterable[bytes]:
        times.append(time.monotonic())
        return counting(request)

    async with gateway(script) as sources:
        driver = sources.add(1, connect_pause_us=50_000, request_pause_us=20_000)
        started = time.monotonic()
        await driver.connect()
        await read(driver, group_of(tag("hr:0"), tag("hr:500"), tag("hr:1000")))
    assert times[0] - started >= 0.05
    assert all(later - earlier >= 0.019 for earlier, later in pairwise(times))


async def test_silence_between_frames_on_a_serial_line() -> None:
    """3.5 characters at 1,200 baud are 29 ms (Modbus over Serial Line 1.02, 2.5.1.1)."""
    times: list[float] = []

    def script(request: Request) -> Iterable[bytes]:
        times.append(time.monotonic())
        return counting(request)

    async with scripted_device(script, "rtu", "pty") as device:
        device.url = device.url.replace("115200", "1200")
        driver = ModbusDriver(device.source(), SystemClock())
        await driver.connect()
        await read(driver, group_of(tag("hr:0"), tag("hr:500"), tag("hr:1000")))
        await driver.close()
    assert all(later - earlier >= 0.029 for earlier, later in pairwise(times))


# --- dead units


async def keep_trying(driver: ModbusDriver, until: float) -> int:
    """As a runner does, without any back-off of its own; how often it was answered."""
    answered = 0
    while time.monotonic() < until:
        try:
            await driver.connect()
            while time.monotonic() < until:
                await read(driver)
                answered += 1
        except SourceUnavailableError:
            await driver.close()
            await asyncio.sleep(0.002)
    return answered


async def test_dead_units_take_no_more_than_their_share_of_the_bus() -> None:
    """Three dead units, tried all the time, and two that answer: the dead ones cost a tenth of the time together."""
    timeout_us = 40_000
    async with gateway(alive(1, 2)) as sources:
        drivers = [sources.add(1), sources.add(2)]
        drivers += [sources.add(unit, timeout_us=timeout_us) for unit in (7, 8, 9)]
        started = time.monotonic()
        answered = await asyncio.gather(*(keep_trying(driver, started + 1.2) for driver in drivers))
        elapsed_us = (time.monotonic() - started) * US_PER_S
        dead_requests = sum(request.unit >= 7 for request in sources.device.requests)
        dead_us = sources.bus().dead_time.spent_us
    # Besides the share: one time-out to learn of each that it is dead, and one that was just allowed.
    assert dead_requests * timeout_us <= SHARE * elapsed_us + 4 * timeout_us
    assert dead_us >= dead_requests * timeout_us * 0.9
    assert answered[2:] == [0, 0, 0]
    assert min(answered[:2]) > 20


async def test_a_dead_unit_is_tried_again_and_comes_back() -> None:
    async with gateway(alive(1)) as sources:
        good, dead = sources.add(1), sources.add(5, timeout_us=20_000)
        await good.connect()
        await dead.connect()
        with pytest.raises(SourceUnavailableError) as caught:
            await read(dead)
        assert status_name(caught.value.status) == "BadTimeout"
        await dead.close()
        before = len(sources.device.requests)
        with pytest.raises(SourceUnavailableError, match="no answer since 0 s; others on this connection answer"):
            await dead.connect()
        assert len(sources.device.requests) == before, "asked nothing, the share is used up"
        sources.device.script = alive(1, 5)
        deadline = time.monotonic() + 10
        while True:
            try:
                await dead.connect()
                break
            except SourceUnavailableError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
        assert await read(dead) == [7.0]
        assert await read(good) == [7.0]
        assert sources.device.connections == 1, "nobody else has noticed"


async def test_a_lone_unit_is_tried_whenever_its_runner_likes() -> None:
    async with gateway(alive()) as sources:
        driver = sources.add(1, timeout_us=100_000)
        for _ in range(4):
            with pytest.raises(SourceUnavailableError):  # noqa: PT012 - the first connect is not refused
                await driver.connect()
                await read(driver)
            await driver.close()
        assert len(sources.device.requests) == 4
        patient = sources.add(1)
        sources.device.script = alive(1)
        await patient.connect()
        assert await read(patient) == [7.0]


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_that_does_not_reach_a_unit(code: int) -> None:
    """Once may be a part of the device, twice is all of it."""
    async with gateway(
        lambda request: counting(request) if request.unit == 1 else [request.exception(code)]
    ) as sources:
        good, dead = sources.add(1), sources.add(5)
        await good.connect()
        await dead.connect()
        reading = await dead.read(ONE, await dead.plan(ONE))
        assert status_name(int(reading.status[0])) == "BadNoCommunication"
        with pytest.raises(SourceUnavailableError, match=f"gateway does not reach it .exception {code}") as caught:
            await read(dead)
        assert status_name(caught.value.status) == "BadNoCommunication"
        assert await read(good) == [7.0]


async def test_a_part_that_a_gateway_does_not_reach_is_bad_alone() -> None:
    group = group_of(tag("hr:7"), tag("hr:500"), tag("hr:900"))
    async with gateway(
        lambda request: [request.exception(11)] if request.address == 500 else counting(request)
    ) as sources:
        driver = sources.add(1)
        await driver.connect()
        for _ in range(3):
            reading = await driver.read(group, await driver.plan(group))
            assert [status == GOOD for status in reading.status] == [True, False, True]


async def test_a_connection_that_hangs_is_made_anew_though_somebody_still_holds_it() -> None:
    async with gateway(alive(1)) as sources:
        idle, asking = sources.add(1), sources.add(5, timeout_us=10_000)
        await idle.connect()
        await asking.connect()
        deadline = time.monotonic() + 10
        while sources.device.connections == 1:
            assert time.monotonic() < deadline
            try:
                await asking.connect()
                await read(asking)
            except SourceUnavailableError:
                await asking.close()
                await asyncio.sleep(0.01)
        assert len(sources.device.requests) == IN_VAIN
        assert await read(idle) == [7.0]


@given(
    steps=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 1_000_000)), min_size=1, max_size=60),
)
def test_the_account_keeps_to_its_share_in_every_span(steps: list[tuple[int, int]]) -> None:
    """Whenever it is asked: what was spent with leave between any two moments is a share of it and one time-out."""
    account, now_us, spent = DeadTime(0), 0, []
    for pause_us, wait_us in steps:
        now_us += pause_us
        if account.may_spend(now_us):
            now_us += wait_us
            account.spend(wait_us, now_us)
            spent.append((now_us - wait_us, now_us))
        else:
            assert account.earned_in_us(now_us) > 0
    for first in range(len(spent)):
        for last in range(first, len(spent)):
            total = sum(end - start for start, end in spent[first : last + 1])
            span = spent[last][1] - spent[first][0]
            longest = max(end - start for start, end in spent[first : last + 1])
            assert total <= SHARE * span + longest + 1


# --- answers that may still come


@given(
    function=st.sampled_from(Function),
    address=st.integers(0, 65_535),
    count=st.integers(1, 125),
    missed=st.lists(st.integers(1, 125), max_size=12),
)
def test_a_sounding_is_like_nothing_that_may_still_come(
    function: Function, address: int, count: int, missed: list[int]
) -> None:
    unit = Unit(1)
    request = ReadRequest(function, min(address, 65_536 - count), count, 1)
    for each in missed:
        unit.missed(replace(request, count=each))
    sounding = unit.sounding(request)
    assert sounding.function == function
    assert 0 <= sounding.address < sounding.address + sounding.count <= 65_536
    assert sounding.data_bytes <= 250
    assert sounding.data_bytes not in {replace(request, count=each).data_bytes for each in [count, *missed[-8:]]}


async def test_a_silent_unit_of_two_sources_is_asked_by_neither() -> None:
    bus = Line()
    source = ModbusSource("s", "", NetworkEndpoint("", 0), 4)
    first = await bus.join(source)
    first.unit.fell_silent(ReadRequest(3, 0, 1, 4), BAD_TIMEOUT, 0)
    with pytest.raises(LinkError):
        await bus.ask(first, ReadRequest(3, 0, 1, 4))
    assert bus.order == []
