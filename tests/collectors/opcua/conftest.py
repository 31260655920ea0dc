"""One OPC UA server for all tests of the driver, because making one takes seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from collectors.memory import SourceMemory
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver
from conformance.opcua_servers import AsyncuaPlant, AsyncuaServer, FreeOpcUaPlant
from historian.model.clock import SystemClock


@pytest.fixture(scope="session")
def _shared_server() -> Iterator[AsyncuaServer]:
    server = AsyncuaServer()
    server.start()
    AsyncuaPlant(server).add_points()
    yield server
    server.stop()


@pytest.fixture
def server(_shared_server: AsyncuaServer) -> Iterator[AsyncuaServer]:
    """The shared server, refusing nothing."""
    _shared_server.reads.clear()
    yield _shared_server
    _shared_server.most_nodes = None


@pytest.fixture(scope="session")
def freeopcua_plant() -> Iterator[FreeOpcUaPlant]:
    """A server of python-opcua in a process."""
    pytest.importorskip("opcua", reason="the package opcua is not installed")
    plant = FreeOpcUaPlant()
    yield plant
    plant.end()


@pytest.fixture
async def subscribe(server: AsyncuaServer) -> AsyncIterator[Callable[..., Any]]:
    """Connect a driver that subscribes, with these settings; closed after the test."""
    drivers: list[OpcUaSubscriptionDriver] = []

    async def open_driver(memory: SourceMemory | None = None, **settings: Any) -> OpcUaSubscriptionDriver:
        source = server.source(mode="subscribe", **{"timeout_us": 2_000_000, **settings})
        drivers.append(OpcUaSubscriptionDriver(source, SystemClock(), memory))
        await drivers[-1].connect()
        return drivers[-1]

    yield open_driver
    for driver in drivers:
        await driver.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)
