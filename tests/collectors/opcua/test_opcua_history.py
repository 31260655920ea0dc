"""HistoryRead: pages to their end, the oldest first, nodes without a history alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from collectors.opcua import history
from collectors.opcua.driver import OpcUaDriver
from collectors.opcua.session import forget_limits
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver
from conformance.collector_suite import group_of
from conformance.opcua_servers import AsyncuaServer, tag_at
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import BAD_TYPE_MISMATCH, GOOD
from historian.model.tag import Tag, ValueType

START = datetime.now(UTC) + timedelta(days=1)
START_US = (START - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
SECOND = 1_000_000
COUNT = 25


@pytest.fixture(scope="module")
def plant() -> Iterator[AsyncuaServer]:
    """A server that keeps the history of A (doubles), B (texts) and W (large whole numbers), and not of N."""
    server = AsyncuaServer()
    server.start()
    values: dict[str, list[Any]] = {
        "A": [float(number + 1) for number in range(COUNT)],
        "B": [f"state {number}" for number in range(COUNT)],
        "W": [2**53 + 3 + 2 * number for number in range(COUNT)],
    }

    async def fill() -> None:
        for name, some in values.items():
            node = server.server.get_node(f"ns=2;s={name}")
            await server.server.historize_node_data_change(node, period=None)
            for number, value in enumerate(some):
                at = START + timedelta(seconds=number)
                status = ua.StatusCode(ua.UInt32(0x808C0000 if number == 7 else 0))
                variant = ua.Variant(value, ua.VariantType.Int64 if name == "W" else None)
                await node.write_value(ua.DataValue(variant, status, at, at))

    kinds = ua.VariantType
    for name, first, kind in (("A", 0.0, kinds.Double), ("B", "", kinds.String), ("W", 0, kinds.Int64)):
        server.add(name, first, kind)
    server.add("N", 1.0, kinds.Double)
    server.do(fill())
    yield server
    server.stop()


@pytest.fixture(params=["poll", "subscribe"])
async def driver(plant: AsyncuaServer, request: pytest.FixtureRequest) -> AsyncIterator[OpcUaDriver]:
    forget_limits()
    kind = OpcUaDriver if request.param == "poll" else OpcUaSubscriptionDriver
    driver = kind(plant.source(mode=request.param), SystemClock())
    await driver.connect()
    yield driver
    await driver.close()
    forget_limits()


async def read(
    driver: OpcUaDriver, start_s: float, end_s: float, *tags: Tag
) -> tuple[dict[int, list[Any]], set[int], int]:
    """By lane what came of it, in order; lanes without a history; pages."""
    group = group_of(*tags)
    plan = await driver.plan(group)
    found: dict[int, list[Any]] = {}
    without: set[int] = set()
    pages = 0
    start_us, end_us = START_US + round(start_s * SECOND), START_US + round(end_s * SECOND)
    async for page in driver.history(group, plan, start_us, end_us):
        pages += 1
        without.update(page.without)
        late = page.values
        for row, lane in enumerate(late.lane.tolist()):
            value = late.text.get(row, late.exact.get(row, float(late.value[row])))
            second = int(late.time_us[row] - START_US) // SECOND
            found.setdefault(lane, []).append((second, value, int(late.status[row])))
    return found, without, pages


@pytest.mark.parametrize("per_page", [5_000, 7, 1])
async def test_all_that_is_there_in_pages_of_any_size(
    driver: OpcUaDriver, monkeypatch: pytest.MonkeyPatch, per_page: int
) -> None:
    monkeypatch.setattr(history, "VALUES_PER_PAGE", per_page)
    monkeypatch.setattr(history, "LEAST_PER_NODE", per_page)
    tags = [tag_at(f"ns=2;s={name}", name) for name in ("A", "N", "B", "W")]
    found, without, pages = await read(driver, 0, COUNT, *tags)
    assert [(at, value) for at, value, status in found[0] if status == GOOD] == [
        (number, number + 1.0) for number in range(COUNT) if number != 7
    ]
    at, value, status = found[0][7]
    assert (at, status) == (7, 0x808C0000)
    assert np.isnan(value)
    assert [value for _, value, _ in found[2]][10] == "state 10"
    assert [value for _, value, _ in found[3]][10] == 2**53 + 23
    assert without == set(), "this server says that a node without a history has an empty one"
    assert 1 not in found
    assert pages >= COUNT // per_page


async def test_only_the_time_that_was_asked_for(driver: OpcUaDriver) -> None:
    found, _, _ = await read(driver, 3, 6, tag_at("ns=2;s=A"))
    assert [at for at, _, _ in found[0]] == [3, 4, 5], "from the start on, before the end"
    found, _, _ = await read(driver, 100, 200, tag_at("ns=2;s=A"))
    assert found == {}


async def test_values_that_do_not_fit_their_tag_are_not_recorded(driver: OpcUaDriver) -> None:
    found, _, _ = await read(driver, 0, 3, tag_at("ns=2;s=B", "B", ValueType.FLOAT64))
    assert [status for _, _, status in found[0]] == [BAD_TYPE_MISMATCH] * 3


async def test_a_server_that_takes_fewer_nodes_and_keeps_few_unfinished_answers(
    driver: OpcUaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LEAST_PER_NODE", 4)
    monkeypatch.setattr(history, "VALUES_PER_PAGE", 4)
    connection = driver._connected()
    exchange, sizes = connection._exchange, []

    async def grudging(request: int, parameters: bytes, answer: int) -> bytes:
        if request == ua.ObjectIds.HistoryReadRequest_Encoding_DefaultBinary:
            asked = ua.ua_binary.struct_from_binary(ua.HistoryReadParameters, ua.utils.Buffer(parameters))
            sizes.append(len(asked.NodesToRead))
            if sizes[-1] > 2:
                raise ua.uaerrors.BadTooManyOperations
        return await exchange(request, parameters, answer)

    monkeypatch.setattr(connection, "_exchange", grudging)
    tags = [tag_at(f"ns=2;s={name}", name) for name in ("A", "B", "W", "N")]
    found, without, _ = await read(driver, 0, COUNT, *tags)
    assert [len(found[lane]) for lane in (0, 1, 2)] == [COUNT] * 3
    assert without == set()
    assert sizes[0] == 4
    assert max(sizes[1:]) <= 2


@pytest.mark.parametrize("whole", [True, False])
async def test_a_node_without_a_history_spares_the_others(
    driver: OpcUaDriver, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """A server may refuse one node, or a whole request because of it."""
    connection = driver._connected()
    exchange = connection._exchange

    async def refusing(request: int, parameters: bytes, answer: int) -> bytes:
        if request != ua.ObjectIds.HistoryReadRequest_Encoding_DefaultBinary or b"\x01\0\0\0N" not in parameters:
            return await exchange(request, parameters, answer)
        if whole:
            raise ua.uaerrors.BadNodeIdUnknown
        asked = ua.ua_binary.struct_from_binary(ua.HistoryReadParameters, ua.utils.Buffer(parameters))
        results = [ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.UInt32(0x80700000)))] * len(asked.NodesToRead)
        place = [str(each.NodeId.Identifier) for each in asked.NodesToRead].index("N")
        others = await connection._client.uaclient.session.history_read(asked)
        others[place] = results[place]
        return ua.ua_binary.struct_to_binary(ua.HistoryReadResponse(Results=others))[_HEADER:]

    monkeypatch.setattr(connection, "_exchange", refusing)
    found, without, _ = await read(driver, 0, COUNT, *(tag_at(f"ns=2;s={name}", name) for name in ("A", "N", "B")))
    assert [len(found[lane]) for lane in (0, 2)] == [COUNT] * 2
    assert without == {1}


_HEADER = len(ua.ua_binary.struct_to_binary(ua.HistoryReadResponse())) - 8
"""What stands before the results: type and header; behind an empty response are two empty arrays."""


async def test_a_plan_of_another_driver_is_refused(driver: OpcUaDriver) -> None:
    with pytest.raises(TypeError, match="wanted one that this driver made"):
        await anext(driver.history(group_of(tag_at("ns=2;s=A")), object(), START_US, START_US + 1))  # type: ignore[arg-type]


async def test_a_lost_connection_is_unavailable(plant: AsyncuaServer) -> None:
    driver = OpcUaDriver(plant.source(), SystemClock())
    await driver.connect()
    group = group_of(tag_at("ns=2;s=A"))
    plan = await driver.plan(group)
    await driver.close()
    with pytest.raises(SourceUnavailableError):
        await anext(driver.history(group, plan, START_US, START_US + SECOND))
