"""The Modbus driver passes the drivers' common suite, against servers of two libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from conformance.collector_suite import CollectorConformance
from conformance.modbus_servers import PymodbusPlant, UmodbusPlant


class TestModbusDriverWithPymodbusServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[PymodbusPlant]:
        server = PymodbusPlant()
        await server.start()
        yield server
        await server.stop()


class TestModbusDriverWithUmodbusServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[UmodbusPlant]:
        server = UmodbusPlant()
        await server.start()
        yield server
        await server.stop()
