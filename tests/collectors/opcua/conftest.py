"""One OPC UA server for all tests of the driver, because making one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.opcua_servers import AsyncuaPlant, AsyncuaServer, FreeOpcUaPlant


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
