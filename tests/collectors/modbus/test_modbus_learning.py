"""What a device refuses is found out by the readings themselves, kept, told, and given up when it no longer holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.memory import ShortMemory
from collectors.modbus.device_notes import BELIEVED_US
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.explore import REQUESTS_PER_READING
from collectors.modbus.patience import LONGEST_WAIT
from conformance.collector_suite import group_of
from conformance.counting_device import SOURCE, connected, counting, registers_from, tag, without
from conformance.scripted_device import Request, ScriptedDevice, scripted_device
from historian.model.scan import ScanGroup
from historian.model.status import GOOD
from support.fake_clock import FakeClock


def asked(device: ScriptedDevice) -> list[tuple[int, int]]:
    """The requests since the last look, by address."""
    requests = sorted((each.address, each.count) for each in device.requests)
    device.requests.clear()
    return requests


async def bad_lanes(driver: ModbusDriver, group: ScanGroup, plan: object) -> list[int]:
    """The lanes that are Bad in one reading; all others hold their own addresses."""
    reading = await driver.read(group, plan)  # type: ignore[arg-type]
    for lane, each in enumerate(group.tags):
        if reading.status[lane] == GOOD:
            assert reading.value[lane] == int(each.address.split(":")[1])
    return [lane for lane in range(len(group.tags)) if reading.status[lane] != GOOD]


async def test_a_missing_register_costs_its_neighbours_nothing() -> None:
    group = registers_from(0, 100)
    async with scripted_device(without({37})) as device, connected(device) as driver:
        plan = await driver.plan(group)
        assert await bad_lanes(driver, group, plan) == [37]
        asked(device)
        assert await bad_lanes(driver, group, plan) == [37]
        assert asked(device) == [(0, 37), (37, 1), (38, 62)]
        assert plan.requests == 3


async def test_a_missing_register_is_asked_for_ever_more_rarely() -> None:
    group = registers_from(0, 100)
    async with scripted_device(without({37})) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(400):
            await driver.read(group, plan)
        attempts = [request for request in asked(device) if request == (37, 1)]
        # Once while finding out, then after 1, 2, 4, 8, 16, 32, 64, 64 ... readings.
        assert 10 <= len(attempts) <= 13


async def test_unused_registers_that_the_device_lacks() -> None:
    group = group_of(*(tag(f"hr:{address}") for address in (0, 1, 2, 8, 9, 10)))
    async with scripted_device(without({5})) as device, connected(device) as driver:
        plan = await driver.plan(group)
        assert await bad_lanes(driver, group, plan) == []
        asked(device)
        assert await bad_lanes(driver, group, plan) == []
        assert asked(device) == [(0, 3), (8, 3)]


async def test_missing_bits_in_the_middle_of_a_byte() -> None:
    group = group_of(*(tag(f"coil:{address}") for address in range(40)))
    async with scripted_device(without({13})) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(2):
            reading = await driver.read(group, plan)
            assert [lane for lane in range(40) if reading.status[lane] != GOOD] == [13]
            assert all(reading.value[lane] == lane % 2 for lane in range(40) if lane != 13)


async def test_a_missing_range_is_found_out_over_several_readings_and_then_costs_one_request() -> None:
    group = registers_from(0, 120)
    missing = set(range(20, 100))
    async with scripted_device(without(missing)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(20):
            before = len(device.requests)
            bad = await bad_lanes(driver, group, plan)
            assert len(device.requests) - before <= plan.requests + REQUESTS_PER_READING
        assert bad == sorted(missing)
        assert plan.requests == 3


async def test_a_refused_range_that_comes_back_in_part() -> None:
    group = registers_from(0, 10)
    async with scripted_device(without(set(range(10)))) as device, connected(device) as driver:
        plan = await driver.plan(group)
        await driver.read(group, plan)
        await driver.read(group, plan)
        assert plan.requests == 1
        device.script = without({4})
        for _ in range(3 * LONGEST_WAIT):
            bad = await bad_lanes(driver, group, plan)
        assert bad == [4]


async def test_a_refused_range_that_comes_back_whole_is_one_request_again() -> None:
    group = registers_from(0, 100)
    async with scripted_device(without(set(range(40, 50)))) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(3):
            await driver.read(group, plan)
        device.script = counting
        for _ in range(10):
            bad = await bad_lanes(driver, group, plan)
        assert bad == []
        assert plan.requests == 1


@pytest.mark.parametrize("code", [2, 3])
@pytest.mark.parametrize("longest", [1, 10, 32, 100, 124])
async def test_a_device_that_gives_fewer_registers_than_it_may(code: int, longest: int) -> None:
    """Everything is read from the first reading on; from the second on in the fewest requests that pass."""
    group = registers_from(0, 250)
    async with scripted_device(without(set(), code, longest=longest)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(2):
            assert await bad_lanes(driver, group, plan) == []
            last = asked(device)
        assert len(last) == -(-250 // longest)


async def test_a_limit_and_a_hole() -> None:
    group = registers_from(0, 250)
    async with scripted_device(without({77}, longest=32)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(4):
            bad = await bad_lanes(driver, group, plan)
        assert bad == [77]
        assert plan.requests == 3 + 1 + 6


async def test_an_address_that_no_request_may_reach_across() -> None:
    """Two memory areas side by side: both sides are answered, also together in length, but not in one request."""
    group = registers_from(40, 120)
    async with scripted_device(without(set(), boundary=100)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(2):
            assert await bad_lanes(driver, group, plan) == []
            last = asked(device)
        assert last == [(40, 60), (100, 60)]


async def test_a_device_that_refuses_half_a_value() -> None:
    """Some devices answer a value of two registers only as a whole."""

    def script(request: Request) -> Iterable[bytes]:
        is_whole = request.address % 2 == 0 and request.count % 2 == 0
        return counting(request) if is_whole and request.count <= 40 else [request.exception(2)]

    group = group_of(*(tag(f"hr:{at}", "uint32") for at in range(0, 120, 2)))
    async with scripted_device(script) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(2):
            reading = await driver.read(group, plan)
            assert reading.value.tolist() == [at * 65_536 + at + 1 for at in range(0, 120, 2)]
        assert plan.requests <= 4


async def test_overlapping_values_are_not_mixed_when_a_block_is_taken_apart() -> None:
    """Each request's registers hold its own number: a value of two requests would show it."""
    count = iter(range(1, 1000))

    def script(request: Request) -> Iterable[bytes]:
        if request.address <= 9 < request.address + request.count:
            return [request.exception(2)]
        return [request.registers(*[next(count)] * request.count)]

    group = group_of(tag("hr:0", "uint64"), tag("hr:2", "uint32"), tag("hr:3"), tag("hr:9"))
    async with scripted_device(script) as device, connected(device) as driver:
        reading = await driver.read(group, await driver.plan(group))
        whole = reading.exact.get(0, int(reading.value[0]))
        assert len({whole >> shift & 0xFFFF for shift in (0, 16, 32, 48)}) == 1
        assert len({int(reading.value[1]) >> shift & 0xFFFF for shift in (0, 16)}) == 1


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 100), st.sampled_from(["uint16", "uint32", "uint64"])), min_size=1, max_size=20
    ),
    missing=st.sets(st.integers(0, 104), max_size=10),
    longest=st.sampled_from([4, 20, 125]),
)
def test_only_the_missing_points_are_lost(rows: list[tuple[int, str]], missing: set[int], longest: int) -> None:
    """Whatever a device lacks: after some readings all points are Good of which no cell is missing."""
    asyncio.run(_only_the_missing_points_are_lost(rows, missing, longest))


async def _only_the_missing_points_are_lost(
    rows: list[tuple[int, str]], missing: set[int], longest: int
) -> None:
    group = group_of(*(tag(f"hr:{address}", kind) for address, kind in rows))
    length = {"uint16": 1, "uint32": 2, "uint64": 4}
    lost = [not missing.isdisjoint(range(at, at + length[kind])) for at, kind in rows]
    async with scripted_device(without(missing, longest=longest)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        for _ in range(12):
            reading = await driver.read(group, plan)
        assert [status != GOOD for status in reading.status] == lost
        device.requests.clear()
        await driver.read(group, plan)
        good = [row for row, is_lost in zip(rows, lost, strict=True) if not is_lost]
        assert len(device.requests) <= len(set(good)) + len({row for row in rows if row not in good})


# --- kept and told


async def test_what_was_found_out_outlives_the_process() -> None:
    memory, group = ShortMemory(), registers_from(0, 250)
    async with scripted_device(without({37}, longest=100)) as device:
        async with connected(device, memory=memory) as driver:
            plan = await driver.plan(group)
            for _ in range(2):
                await driver.read(group, plan)
            asked(device)
        async with connected(device, memory=memory) as driver:
            plan = await driver.plan(group)
            assert await bad_lanes(driver, group, plan) == [37]
            assert asked(device) == [(0, 37), (37, 1), (38, 100), (138, 100), (238, 12)]


async def test_what_was_found_out_long_ago_or_of_another_device_does_not_count() -> None:
    memory, group, clock = ShortMemory(), registers_from(0, 100), FakeClock()
    async with scripted_device(without({37})) as device:
        async with connected(device, clock, memory=memory) as driver:
            await driver.read(group, await driver.plan(group))
            assert (await driver.plan(group)).requests == 3
        clock.advance(BELIEVED_US - 1)
        assert (await ModbusDriver(SOURCE, clock, memory).plan(group)).requests == 3
        clock.advance(1)
        assert (await ModbusDriver(SOURCE, clock, memory).plan(group)).requests == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"device":" unit 3"}', '{"device":" unit 3","limits":{"hr":"x"},"walls":{},"since_us":0}']
)
async def test_notes_that_cannot_be_read_are_no_notes(text: str) -> None:
    memory = ShortMemory({"modbus refused": text, "modbus cost": text})
    assert (await ModbusDriver(SOURCE, FakeClock(), memory).plan(registers_from(0, 100))).requests == 1


async def test_it_is_told_once_and_in_one_piece() -> None:
    group = registers_from(0, 250)
    async with scripted_device(without({37, 38}, longest=100)) as device, connected(device) as driver:
        plan = await driver.plan(group)
        findings = [(await driver.read(group, plan)).finding for _ in range(5)]
        assert [text for text in findings if text] == ["hr: at most 100 in one request; hr:37 to hr:38 cannot be read"]
        device.script = counting
        findings = [(await driver.read(group, plan)).finding for _ in range(20)]
        assert [text for text in findings if text] == ["everything in hr can be read again"]
