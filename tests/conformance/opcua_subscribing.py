"""What tests of subscriptions share: giving a node values, reading what came of them, and what an archive has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from asyncua import ua

from collectors.driver import Reading
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver
from conformance.opcua_servers import AsyncuaServer, tag_at
from historian.model.scan import ScanGroup
from historian.model.tag import Tag

RATE_US: Final = 50_000
START: Final = datetime.now(UTC) + timedelta(days=1)
"""After the values that nodes are made with."""


def group_of(*tags: Tag, rate_us: int = RATE_US) -> ScanGroup:
    return ScanGroup(0, "plant", "fast", rate_us, 0, tags)


class Watched(NamedTuple):
    """A node that a driver has subscribed to, alone in its group."""

    address: str
    driver: OpcUaSubscriptionDriver
    group: ScanGroup
    plan: Any


async def watched(
    server: AsyncuaServer, connecting: Awaitable[OpcUaSubscriptionDriver], name: str, value: float
) -> Watched:
    """Add a node with this value, and subscribe to it with the driver that is ``connecting``."""
    address = server.add(name, value, ua.VariantType.Double)
    driver, group = await connecting, group_of(tag_at(address))
    return Watched(address, driver, group, await driver.plan(group))


def set_values(server: AsyncuaServer, address: str, *values: Any, start: datetime | None = None) -> None:
    """Give a node these values one after the other, as its device would, a second of source time apart."""

    async def write() -> None:
        node = server.server.get_node(address)
        for number, value in enumerate(values):
            at = (start or START) + timedelta(seconds=number)
            given = value if isinstance(value, ua.DataValue) else ua.DataValue(ua.Variant(value))
            given.SourceTimestamp = given.ServerTimestamp = at
            await server.server.write_attribute_value(node.nodeid, given)

    server.do(write())


async def collected(
    driver: OpcUaSubscriptionDriver, group: ScanGroup, plan: Any, wanted: Callable[[Reading], bool]
) -> list[Reading]:
    """All readings, until one of them is ``wanted``."""
    readings: list[Reading] = []

    async def is_there() -> bool:
        newest = await driver.read(group, plan)
        readings.extend((*newest.before, newest))
        return wanted(readings[-1])

    async with asyncio.timeout(10):
        while not await is_there():
            await asyncio.sleep(0.02)
    return readings


async def read_on(driver: OpcUaSubscriptionDriver, group: ScanGroup, plan: Any) -> None:
    """Read until that raises."""
    async with asyncio.timeout(10):
        while True:
            await driver.read(group, plan)
            await asyncio.sleep(0.02)


def history(readings: list[Reading], lane: int = 0) -> list[tuple[float, int]]:
    """What a tag's archive would have: values and statuses, each time once."""
    found: dict[int, tuple[float, int]] = {}
    for reading in readings:
        found[int(reading.time_us[lane])] = (float(reading.value[lane]), int(reading.status[lane]))
    return [found[time_us] for time_us in sorted(found)]
