"""What requests cost is measured, and the plan follows the measure."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from collectors.memory import ShortMemory
from collectors.modbus.cost import ENOUGH, NETWORK, Cost, CostMeter, serial_cost
from collectors.modbus.driver import READINGS_BETWEEN_LOOKS
from conformance.collector_suite import group_of
from conformance.counting_device import connected, counting, tag
from conformance.scripted_device import Request, scripted_device
from support.fake_clock import FakeClock


def measured(cost: Cost, sizes: Iterable[int], *, noise_us: float = 0.0, assumed: Cost = NETWORK) -> Cost:
    meter, noise = CostMeter(assumed), random.Random(1)
    for size in sizes:
        meter.note(size, cost.request_us + cost.register_us * size + noise.expovariate(1) * noise_us)
    return meter.cost


def test_nothing_is_believed_of_a_few_requests() -> None:
    assert measured(Cost(5e4, 2e3), [10, 100] * (ENOUGH // 2 - 1)) == NETWORK


@pytest.mark.parametrize("cost", [Cost(1e3, 1.0), Cost(2e4, 5.0), Cost(3e4, 2300.0), Cost(50.0, 0.1)])
def test_both_costs_are_found(cost: Cost) -> None:
    found = measured(cost, [2, 30, 125, 60] * 20)
    assert found.measured
    assert found.request_us == pytest.approx(cost.request_us, rel=0.01)
    assert found.register_us == pytest.approx(cost.register_us, rel=0.01)


def test_noise_is_part_of_the_request() -> None:
    """Latencies have a long tail: what counts for a scan is their mean."""
    found = measured(Cost(8e3, 20.0), [5, 125] * 100, noise_us=2e3)
    assert found.request_us == pytest.approx(10e3, rel=0.15)
    assert found.widest_gap > 125


def test_one_size_alone_keeps_the_proportion() -> None:
    found = measured(Cost(0.0, 0.0), [])
    assert found == NETWORK
    found = measured(Cost(11e3, 0.0), [100] * 50)
    assert found.of(1, 100) == pytest.approx(11e3)
    assert found.widest_gap == NETWORK.widest_gap


def test_the_cost_follows_a_device_that_becomes_slow() -> None:
    meter = CostMeter(NETWORK)
    for number in range(400):
        request_us = 1e3 if number < 200 else 20e3
        meter.note(10 if number % 2 else 100, request_us)
    assert meter.cost.request_us == pytest.approx(20e3, rel=0.05)


def test_a_serial_line_is_as_slow_as_it_is() -> None:
    """9,600 baud, 11 bits a character: 13 characters and two silences of 4 ms for a request, 2.3 ms a register."""
    cost = serial_cost("rtu", 11e6 / 9600, 4010)
    assert cost.register_us == pytest.approx(2292, abs=1)
    assert cost.request_us == pytest.approx(13 * 1145.8 + 2 * 4010 + 5000, abs=2)
    assert cost.widest_gap == 12
    meter = CostMeter(cost, cost.register_us)
    for _ in range(50):
        meter.note(10, cost.of(1, 10))
    assert meter.cost.register_us >= cost.register_us


# --- the driver


async def read_for_long(register_us: float, readings: int, memory: ShortMemory) -> tuple[list[tuple[int, int]], int]:
    """Two points with 59 registers between them; the requests of the last reading, and how many there were."""
    clock = FakeClock()

    def script(request: Request) -> Iterable[bytes]:
        clock.advance(round(2_000 + register_us * request.count))
        return counting(request)

    group = group_of(tag("hr:0"), tag("hr:60"))
    async with scripted_device(script) as device, connected(device, clock, memory=memory) as driver:
        plan = await driver.plan(group)
        for _ in range(readings):
            asked = len(device.requests)
            await driver.read(group, plan)
        return sorted((each.address, each.count) for each in device.requests[asked:]), len(device.requests)


async def test_gaps_are_read_along_as_long_as_that_pays() -> None:
    """Registers that cost 10 us or 500 us, requests of 2 ms: the gap of 59 pays once and once not."""
    readings = 2 * READINGS_BETWEEN_LOOKS + 1
    last, requests = await read_for_long(10.0, readings, ShortMemory())
    assert last == [(0, 61)]
    assert requests <= 1.15 * readings, "what is asked for the measure's sake is little"
    last, _ = await read_for_long(500.0, readings, ShortMemory())
    assert last == [(0, 1), (60, 1)]


async def test_the_measure_outlives_the_process() -> None:
    memory = ShortMemory()
    await read_for_long(500.0, 2 * READINGS_BETWEEN_LOOKS, memory)
    last, _ = await read_for_long(500.0, 1, memory)
    assert last == [(0, 1), (60, 1)]
