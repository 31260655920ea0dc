"""Subscriptions whose data stop: silence, connections lost for short and for long, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from collectors.drivers import make_driver
from collectors.opcua import subscribe_driver
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver, SubscribePlan
from conformance.collector_suite import eventually
from conformance.opcua_servers import AsyncuaServer, tag_at
from conformance.opcua_subscribing import RATE_US, START, collected, group_of, history, read_on, set_values, watched
from conformance.relay import Relay
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import BAD_NO_COMMUNICATION, BAD_TIMEOUT, GOOD

Connect = Callable[..., Any]


async def test_a_server_that_says_nothing_any_more_is_unavailable(
    server: AsyncuaServer, subscribe: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stands, but not even a keep-alive comes."""
    monkeypatch.setattr(subscribe_driver, "ALIVE_US", RATE_US)
    _, driver, group, plan = await watched(server, subscribe(timeout_us=300_000), name, 1.0)
    assert isinstance(plan, SubscribePlan)
    await driver.read(group, plan)
    server.do(server.server.iserver.subscription_service.subscriptions[plan.number].stop())

    with pytest.raises(SourceUnavailableError, match="has said nothing for") as caught:
        await read_on(driver, group, plan)
    assert caught.value.status == BAD_TIMEOUT


async def test_a_lost_connection_is_told_at_the_next_reading(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    _, driver, group, plan = await watched(server, subscribe(), name, 1.0)
    await driver.read(group, plan)
    server.listen(False)
    try:
        with pytest.raises(SourceUnavailableError) as caught:
            await read_on(driver, group, plan)
        assert caught.value.status == BAD_NO_COMMUNICATION
    finally:
        server.listen(True)
    again = await subscribe()
    assert (await again.read(group, await again.plan(group))).value.tolist() == [1.0], "subscribed anew"


async def test_a_short_loss_of_the_connection_costs_nothing(
    server: AsyncuaServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server keeps session and subscription; what it has reported into the void is asked for again."""
    address = server.add(name, 0.0, ua.VariantType.Double)
    relay = Relay(server.port)
    await relay.open()
    source = replace(server.source(mode="subscribe", queue_size=1_000), url=f"opc.tcp://127.0.0.1:{relay.port}/")
    driver = OpcUaSubscriptionDriver(source, SystemClock())
    group = group_of(tag_at(address))
    try:
        await driver.connect()
        plan = await driver.plan(group)
        assert isinstance(plan, SubscribePlan)
        first = await driver.read(group, plan)
        number = plan.number
        relay.hang()  # answers are on their way when the line is cut
        set_values(server, address, *map(float, range(1, 11)))
        internal = server.server.iserver.subscription_service.subscriptions[number]
        await eventually(lambda: not internal._triggered_datachanges, "the server has reported them")
        await relay.cut()
        set_values(server, address, *map(float, range(11, 21)), start=START + timedelta(seconds=10))
        relay.resume()
        await relay.open()
        readings = await collected(driver, group, plan, lambda reading: reading.value[0] == 20.0)
        assert history([first, *readings]) == [(float(value), GOOD) for value in range(21)]
        assert plan.number == number, "the same subscription"
        assert "the session goes on" in caplog.text
    finally:
        await driver.close()
        await relay.cut()


async def test_a_server_that_has_forgotten_the_session_is_connected_anew(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    _, driver, group, plan = await watched(server, subscribe(), name, 1.0)
    await driver.read(group, plan)

    async def forget() -> None:
        for protocol in list(server.server.bserver.clients):
            if protocol.processor.session is not None:
                await protocol.processor.session.close_session(True)
            protocol.transport.abort()

    server.do(forget())
    with pytest.raises(SourceUnavailableError):
        await read_on(driver, group, plan)
    await driver.close()


async def test_a_subscription_that_the_server_ends_is_unavailable(
    server: AsyncuaServer, subscribe: Connect, name: str
) -> None:
    address, driver, group, plan = await watched(server, subscribe(), name, 1.0)
    assert isinstance(plan, SubscribePlan)
    await driver.read(group, plan)
    code = ua.StatusCode(ua.UInt32(0x800A0000))
    internal = server.server.iserver.subscription_service.subscriptions[plan.number]

    async def end() -> None:
        await internal.monitored_item_srv.trigger_statuschange(code)

    server.do(end())
    set_values(server, address, 2.0)
    with pytest.raises(SourceUnavailableError, match="ended the subscription \\(BadTimeout\\)"):
        await read_on(driver, group, plan)


async def test_closing_leaves_no_subscription_and_no_task(server: AsyncuaServer, subscribe: Connect, name: str) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    before = asyncio.all_tasks()
    subscriptions = server.server.iserver.subscription_service.subscriptions
    others = set(subscriptions)
    driver = await subscribe()
    group = group_of(tag_at(address))
    plan = await driver.plan(group)
    await driver.read(group, plan)
    plan = await driver.plan(group)  # the one before is deleted
    assert isinstance(plan, SubscribePlan)
    assert set(subscriptions) - others == {plan.number}
    await driver.close()
    await eventually(lambda: set(subscriptions) <= others, "the server's subscriptions are gone")
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("rounds", [30, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("mode", ["poll", "subscribe"])
async def test_forced_reconnects_leave_nothing_behind(
    server: AsyncuaServer, name: str, mode: str, rounds: int
) -> None:
    """Tasks, sockets and memory are as they were; the server is cut off in every way a line can break."""
    address = server.add(name, 1.0, ua.VariantType.Double)
    relay = Relay(server.port)
    await relay.open()
    source = replace(server.source(mode=mode, timeout_us=2_000_000), url=f"opc.tcp://127.0.0.1:{relay.port}/")
    group = group_of(tag_at(address))
    before, files = asyncio.all_tasks(), open_files()
    sizes = []
    for turn in range(rounds):
        driver = make_driver(source, SystemClock())
        await driver.connect()
        plan = await driver.plan(group)
        assert (await driver.read(group, plan)).status.tolist() == [GOOD]
        if turn % 3:
            await relay.cut()
            await relay.open()
        await driver.close()
        if turn in (rounds // 3, rounds - 1):
            gc.collect()
            sizes.append(len(gc.get_objects()))
    await relay.cut()
    await eventually(lambda: asyncio.all_tasks() <= before, "no task is left")
    await eventually(lambda: open_files() <= files + 2, "no socket is left")
    # The server is in this process too, and keeps what it cannot know to be gone for a while.
    assert sizes[1] - sizes[0] < 400 * rounds


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
