"""The OPC UA driver passes the drivers' common suite, against servers of two makers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from conformance.collector_suite import CollectorConformance
from conformance.opcua_servers import AsyncuaPlant, AsyncuaServer, FreeOpcUaPlant


class TestOpcUaDriverWithAsyncuaServer(CollectorConformance):
    @pytest.fixture
    async def plant(self, server: AsyncuaServer) -> AsyncIterator[AsyncuaPlant]:
        plant = AsyncuaPlant(server)
        yield plant
        await plant.start()


class TestOpcUaDriverWithFreeOpcUaServer(CollectorConformance):
    @pytest.fixture
    async def plant(self, freeopcua_plant: FreeOpcUaPlant) -> AsyncIterator[FreeOpcUaPlant]:
        yield freeopcua_plant
        await freeopcua_plant.start()
