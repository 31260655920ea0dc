"""What every driver must do, whatever its protocol: one suite that the tests of each protocol subclass.

A protocol brings a :class:`PlantServer` (a real server of its own on a free port of 127.0.0.1 that holds
:data:`POINTS`) and a ``plant`` fixture that yields it started; the tests here put a :class:`~conformance.relay.Relay`
between it and the driver, and say what must hold::

    class TestMyProtocolConformance(CollectorConformance):
        @pytest.fixture
        async def plant(self):
            server = MyPlantServer(POINTS)
            await server.start()
            yield server
            await server.stop()

The server may live in the test's event loop, in a thread or in a process, and the fixture may have any scope:
:meth:`PlantServer.restore` is called before each test.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pytest

from collectors.driver import Driver, Reading
from collectors.drivers import make_driver
from conformance.relay import Relay
from historian.config.settings import SourceSettings
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.scan import ScanGroup
from historian.model.status import BAD, GOOD, status_name
from historian.model.tag import Tag, ValueType

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the server: its type and the value it starts with."""

    value_type: ValueType
    value: Value


def _float32(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


POINTS: Final[Mapping[str, Point]] = {
    "bool_on": Point(ValueType.BOOL, True),
    "bool_off": Point(ValueType.BOOL, False),
    "int16_low": Point(ValueType.INT16, -(2**15)),
    "int16_high": Point(ValueType.INT16, 2**15 - 1),
    "uint16_high": Point(ValueType.UINT16, 2**16 - 1),
    "int32_low": Point(ValueType.INT32, -(2**31)),
    "int32_high": Point(ValueType.INT32, 2**31 - 1),
    "uint32_high": Point(ValueType.UINT32, 2**32 - 1),
    "int64_low": Point(ValueType.INT64, -(2**63)),
    "int64_high": Point(ValueType.INT64, 2**63 - 1),
    "int64_odd": Point(ValueType.INT64, 2**53 + 1),
    "int64_odd_negative": Point(ValueType.INT64, -(2**53) - 1),
    "int64_small": Point(ValueType.INT64, -7),
    "uint64_high": Point(ValueType.UINT64, 2**64 - 1),
    "uint64_odd": Point(ValueType.UINT64, 2**53 + 1),
    "uint64_even": Point(ValueType.UINT64, 2**60),
    "float32_third": Point(ValueType.FLOAT32, _float32(1 / 3)),
    "float32_high": Point(ValueType.FLOAT32, _float32(3.4028234663852886e38)),
    "float32_tiny": Point(ValueType.FLOAT32, _float32(1e-45)),
    "float32_minus_zero": Point(ValueType.FLOAT32, -0.0),
    "float64_third": Point(ValueType.FLOAT64, 1 / 3),
    "float64_high": Point(ValueType.FLOAT64, 1.7976931348623157e308),
    "float64_tiny": Point(ValueType.FLOAT64, 5e-324),
    "float64_minus_zero": Point(ValueType.FLOAT64, -0.0),
    "text": Point(ValueType.TEXT, "Reactor 1"),
    "text_empty": Point(ValueType.TEXT, ""),
}
"""The points that every server holds: the ends of each type, and what is lost first by careless conversion."""

NOT_NUMBERS: Final = {
    "float32_third": (math.nan, math.inf, -math.inf),
    "float64_third": (math.nan, math.inf, -math.inf),
}

TIMEOUT_S: Final = 0.5
SLACK_S: Final = 2.0
"""Scheduling on a busy machine; far below the seconds a wrong time-out would take."""


class PlantServer(ABC):
    """A real server of one protocol on 127.0.0.1 holding :data:`POINTS`."""

    port: int
    """Where it listens; the same again after ``stop`` and ``start``."""

    @abstractmethod
    async def start(self) -> None:
        """Start to listen, on a free port the first time; the values are as ``restore`` leaves them."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening and drop every connection; may be called when stopped."""

    @abstractmethod
    async def restore(self) -> None:
        """Give every point the value of :data:`POINTS` and refuse none."""

    @abstractmethod
    def source(self, port: int, timeout_s: float) -> SourceSettings:
        """Settings of a source named ``plant`` that connects to 127.0.0.1 at ``port``."""

    @abstractmethod
    def tag(self, name: str) -> Tag:
        """The tag of a point: ``Tag.name`` is the point's name, ``value_type`` its type."""

    @abstractmethod
    def unknown_tag(self) -> Tag:
        """A well-formed tag of a point that the server does not have."""

    @abstractmethod
    async def set_value(self, name: str, value: Value) -> None:
        """Change a point at the server; NaN and infinities are allowed for floats."""

    @abstractmethod
    async def refuse(self, name: str) -> None:
        """Make the server answer this point with an error or a Bad status from now on."""

    @abstractmethod
    def writes(self) -> int:
        """How many write requests the server has received since it was made."""


def group_of(*tags: Tag) -> ScanGroup:
    """A scan group of ``tags``, in that order."""
    return ScanGroup(0, "plant", "fast", 1_000_000, 0, tags)


async def eventually(condition: Callable[[], bool], what: str, limit_s: float = 5.0) -> None:
    """Wait until ``condition`` holds; fails after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain: {what}"
        await asyncio.sleep(0.005)


def lane_value(reading: Reading, lane: int) -> Value:
    """What the lane holds, at its full precision."""
    if lane in reading.text:
        return reading.text[lane]
    if lane in reading.exact:
        return reading.exact[lane]
    return float(reading.value[lane])


def assert_holds(reading: Reading, lane: int, name: str, expected: Value) -> None:
    """The lane is Good and holds exactly ``expected`` (also the sign of zero)."""
    assert reading.status[lane] == GOOD, f"{name}: {status_name(int(reading.status[lane]))}"
    got = lane_value(reading, lane)
    if isinstance(expected, str):
        assert got == expected, name
        assert math.isnan(reading.value[lane]), f"{name}: the value column of a text must be NaN"
        return
    assert not isinstance(got, str), f"{name}: {got!r} instead of a number"
    assert got == expected, name
    assert math.copysign(1.0, got) == math.copysign(1.0, expected), name
    assert reading.value[lane] == float(expected), f"{name}: the value column must hold the rounded value"


def assert_bad(reading: Reading, lane: int) -> None:
    """The lane is Bad and has no value of any kind."""
    assert reading.status[lane] >= BAD
    assert math.isnan(reading.value[lane])
    assert lane not in reading.exact
    assert lane not in reading.text


class CollectorConformance:
    """The tests.  Subclass and define the ``plant`` fixture."""

    missing_types: frozenset[ValueType] = frozenset()
    """Types that the protocol does not have."""

    @pytest.fixture
    def plant(self) -> PlantServer:
        raise NotImplementedError("a subclass defines the fixture `plant`, a started PlantServer")

    @pytest.fixture
    async def relay(self, plant: PlantServer) -> AsyncIterator[Relay]:
        await plant.restore()
        relay = Relay(plant.port)
        await relay.open()
        yield relay
        relay.resume()
        await relay.cut()

    @pytest.fixture
    async def driver(self, plant: PlantServer, relay: Relay) -> AsyncIterator[Driver]:
        """A driver that is not connected; whatever a test does, nothing of it is left afterwards."""
        before = asyncio.all_tasks()
        driver = make_driver(plant.source(relay.port, TIMEOUT_S), SystemClock())
        yield driver
        await driver.close()
        await eventually(lambda: relay.connections == 0, "the driver's connections end after close()")
        before |= {asyncio.current_task()}
        await eventually(lambda: asyncio.all_tasks() <= before | self.server_tasks(), "no task is left after close()")

    def server_tasks(self) -> set[asyncio.Task[object]]:
        """Tasks of a server in this event loop that may outlive a connection; none unless a subclass says so."""
        return set()

    def names(self) -> list[str]:
        """The points that the protocol can hold."""
        return [name for name, point in POINTS.items() if point.value_type not in self.missing_types]

    async def _read(self, driver: Driver, group: ScanGroup) -> Reading:
        reading = await driver.read(group, await driver.plan(group))
        lanes = len(group.tags)
        assert reading.time_us.shape == reading.value.shape == reading.status.shape == (lanes,)
        assert (reading.time_us.dtype, reading.value.dtype, reading.status.dtype) == (np.int64, np.float64, np.uint32)
        return reading

    # --- values

    async def test_every_type_is_read_exactly(self, plant: PlantServer, driver: Driver) -> None:
        names = self.names()
        await driver.connect()
        reading = await self._read(driver, group_of(*map(plant.tag, names)))
        for lane, name in enumerate(names):
            assert_holds(reading, lane, name, POINTS[name].value)

    async def test_only_what_a_double_rounds_is_kept_beside_it(self, plant: PlantServer, driver: Driver) -> None:
        names = self.names()
        await driver.connect()
        reading = await self._read(driver, group_of(*map(plant.tag, names)))
        whole = {lane: POINTS[name].value for lane, name in enumerate(names) if isinstance(POINTS[name].value, int)}
        assert reading.exact == {lane: value for lane, value in whole.items() if int(float(value)) != value}

    async def test_lanes_keep_their_order_with_repeated_points(self, plant: PlantServer, driver: Driver) -> None:
        names = [*self.names(), *reversed(self.names())] * 8
        await driver.connect()
        reading = await self._read(driver, group_of(*map(plant.tag, names)))
        for lane, name in enumerate(names):
            assert_holds(reading, lane, name, POINTS[name].value)

    async def test_a_change_is_seen_by_the_next_read(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        group = group_of(plant.tag("float64_third"), plant.tag("int16_low"))
        plan = await driver.plan(group)
        for value, whole in ((2.5, 7), (-0.0, -1), (1e300, 0)):
            await plant.set_value("float64_third", value)
            await plant.set_value("int16_low", whole)
            reading = await driver.read(group, plan)
            assert_holds(reading, 0, "float64_third", value)
            assert_holds(reading, 1, "int16_low", whole)

    async def test_not_a_number_is_bad_and_has_no_value(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        group = group_of(plant.tag("int32_low"), *map(plant.tag, NOT_NUMBERS))
        plan = await driver.plan(group)
        for choices in zip(*NOT_NUMBERS.values(), strict=True):
            for name, value in zip(NOT_NUMBERS, choices, strict=True):
                await plant.set_value(name, value)
            reading = await driver.read(group, plan)
            assert_holds(reading, 0, "int32_low", POINTS["int32_low"].value)
            assert_bad(reading, 1)
            assert_bad(reading, 2)

    async def test_times_are_now(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        before_us = SystemClock().wall_us()
        await plant.set_value("int32_low", 5)
        reading = await self._read(driver, group_of(plant.tag("int32_low"), plant.unknown_tag()))
        after_us = SystemClock().wall_us()
        # A server's own clock may be coarse (16 ms on Windows), ours must not be further away than that.
        assert before_us - 20_000 <= reading.time_us.min() <= reading.time_us.max() <= after_us + 20_000

    async def test_types_the_device_tells_are_the_true_ones(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        told = await driver.resolve([group_of(*map(plant.tag, self.names()), plant.unknown_tag())])
        assert told == {name: kind for name, kind in told.items() if kind is POINTS[name].value_type}

    # --- a bad point beside good ones

    async def test_a_refused_point_fails_alone(self, plant: PlantServer, driver: Driver) -> None:
        names = self.names()
        await driver.connect()
        group = group_of(*map(plant.tag, names))
        plan = await driver.plan(group)
        await plant.refuse("int32_high")
        for _ in range(3):
            reading = await driver.read(group, plan)
            for lane, name in enumerate(names):
                if name == "int32_high":
                    assert_bad(reading, lane)
                else:
                    assert_holds(reading, lane, name, POINTS[name].value)

    async def test_a_refused_point_comes_back(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        group = group_of(plant.tag("int32_low"), plant.tag("int32_high"))
        plan = await driver.plan(group)
        await plant.refuse("int32_high")
        assert_bad(await driver.read(group, plan), 1)
        await plant.restore()
        assert_holds(await driver.read(group, plan), 1, "int32_high", POINTS["int32_high"].value)

    async def test_an_unknown_point_fails_alone(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        reading = await self._read(driver, group_of(plant.tag("text"), plant.unknown_tag(), plant.tag("int16_low")))
        assert_holds(reading, 0, "text", POINTS["text"].value)
        assert_bad(reading, 1)
        assert_holds(reading, 2, "int16_low", POINTS["int16_low"].value)

    async def test_a_group_of_nothing_but_unknown_points(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        assert_bad(await self._read(driver, group_of(plant.unknown_tag())), 0)

    # --- a server that is not there, dies or hangs

    async def test_no_server_is_said_quickly(self, plant: PlantServer) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            driver = make_driver(plant.source(unused.getsockname()[1], TIMEOUT_S), SystemClock())
            started = time.monotonic()
            with pytest.raises(SourceUnavailableError) as caught:
                await driver.connect()
            assert time.monotonic() - started < TIMEOUT_S + SLACK_S
            assert caught.value.status >= BAD
            assert "plant" in str(caught.value)
            await driver.close()

    async def test_reading_without_a_connection(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        group = group_of(plant.tag("int16_low"))
        plan = await driver.plan(group)
        await driver.close()
        with pytest.raises(SourceUnavailableError):
            await driver.read(group, plan)

    async def test_a_server_killed_while_reading(self, plant: PlantServer, relay: Relay) -> None:
        """The loss of the connection is enough; the driver does not wait for its time-out, here a long one."""
        driver = make_driver(plant.source(relay.port, 30.0), SystemClock())
        await driver.connect()
        task, _ = await self._reading_in_flight(driver, relay, plant.tag("int16_low"))
        started = time.monotonic()
        await relay.cut()
        with pytest.raises(SourceUnavailableError) as caught:
            await task
        assert time.monotonic() - started < SLACK_S
        assert caught.value.status >= BAD
        await driver.close()

    async def _reading_in_flight(
        self, driver: Driver, relay: Relay, *tags: Tag
    ) -> tuple[asyncio.Task[Reading], ScanGroup]:
        """A read whose request has left and whose answer is held back."""
        group = group_of(*tags)
        plan = await driver.plan(group)
        relay.hang()
        sent = relay.bytes_from_client
        task = asyncio.create_task(driver.read(group, plan))
        await eventually(lambda: relay.bytes_from_client > sent, "the request leaves")
        return task, group

    async def test_a_server_stopped_between_reads(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        group = group_of(plant.tag("int16_low"))
        plan = await driver.plan(group)
        assert_holds(await driver.read(group, plan), 0, "int16_low", POINTS["int16_low"].value)
        await plant.stop()
        try:
            with pytest.raises(SourceUnavailableError):
                await driver.read(group, plan)
        finally:
            await plant.start()

    async def test_a_hung_server_costs_one_time_out(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        await driver.connect()
        started = time.monotonic()
        task, _ = await self._reading_in_flight(driver, relay, plant.tag("int16_low"))
        with pytest.raises(SourceUnavailableError) as caught:
            await task
        assert TIMEOUT_S * 0.5 < time.monotonic() - started < TIMEOUT_S + SLACK_S
        assert caught.value.status >= BAD

    async def test_a_server_that_hangs_from_the_start(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        relay.hang()
        group = group_of(plant.tag("int16_low"))
        started = time.monotonic()
        with pytest.raises(SourceUnavailableError):
            await self._connect_and_read(driver, group)
        assert time.monotonic() - started < 3 * TIMEOUT_S + SLACK_S

    async def _connect_and_read(self, driver: Driver, group: ScanGroup) -> Reading:
        await driver.connect()
        return await driver.read(group, await driver.plan(group))

    async def test_a_late_answer_never_becomes_a_value(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        await driver.connect()
        task, group = await self._reading_in_flight(driver, relay, plant.tag("int16_low"))
        with pytest.raises(SourceUnavailableError):
            await task
        await plant.set_value("int16_low", 42)
        await driver.close()
        relay.resume()
        assert_holds(await self._connect_and_read(driver, group), 0, "int16_low", 42)

    async def test_a_restarted_server_is_read_again(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        group = group_of(*map(plant.tag, self.names()))
        await self._connect_and_read(driver, group)
        await relay.cut()
        await plant.stop()
        with pytest.raises(SourceUnavailableError):
            await driver.read(group, await driver.plan(group))
        await driver.close()
        with pytest.raises(SourceUnavailableError):
            await driver.connect()
        await driver.close()
        await plant.start()
        await relay.open()
        reading = await self._connect_and_read(driver, group)
        for lane, name in enumerate(self.names()):
            assert_holds(reading, lane, name, POINTS[name].value)

    # --- one connection, used and closed properly

    async def test_closing_twice_or_before_connecting(self, driver: Driver) -> None:
        await driver.close()
        await driver.connect()
        await driver.close()
        await driver.close()

    async def test_closing_a_dead_connection(self, driver: Driver, relay: Relay) -> None:
        await driver.connect()
        await relay.cut()
        await driver.close()
        await driver.close()

    async def test_a_cancelled_read_leaves_nothing(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        await driver.connect()
        task, group = await self._reading_in_flight(driver, relay, plant.tag("int16_low"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await driver.close()
        relay.resume()
        reading = await self._connect_and_read(driver, group)
        assert_holds(reading, 0, "int16_low", POINTS["int16_low"].value)

    async def test_a_cancelled_connect_leaves_nothing(self, driver: Driver, relay: Relay) -> None:
        relay.hang()
        task = asyncio.create_task(driver.connect())
        await asyncio.sleep(0)  # one turn of the loop, so that connecting has begun
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_groups_take_turns_on_one_connection(self, plant: PlantServer, driver: Driver, relay: Relay) -> None:
        names = self.names()
        groups = [group_of(*map(plant.tag, names)), group_of(*map(plant.tag, reversed(names)))]
        await driver.connect()
        plans = [await driver.plan(group) for group in groups]
        readings = await asyncio.gather(*map(driver.read, groups * 3, plans * 3))
        assert relay.connections == 1
        for group, reading in zip(groups * 3, readings, strict=True):
            for lane, tag in enumerate(group.tags):
                assert_holds(reading, lane, tag.name, POINTS[tag.name].value)

    async def test_a_plan_says_how_many_requests_it_takes(self, plant: PlantServer, driver: Driver) -> None:
        await driver.connect()
        assert (await driver.plan(group_of(plant.tag("int16_low")))).requests == 1

    # --- read-only by construction

    async def test_nothing_is_ever_written(self, plant: PlantServer, driver: Driver) -> None:
        before = plant.writes()
        group = group_of(*map(plant.tag, self.names()))
        await driver.connect()
        await driver.resolve([group])
        await self._read(driver, group)
        await driver.close()
        assert plant.writes() == before
        public = [name for name, _ in inspect.getmembers(driver, callable) if not name.startswith("_")]
        assert sorted({*public} - {"history"}) == ["close", "connect", "forget", "plan", "read", "resolve"]
