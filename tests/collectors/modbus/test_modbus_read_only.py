"""Nothing in the package can write to a device: there is no such request, and no such call."""

from __future__ import annotations

import ast
import asyncio
import struct
from pathlib import Path

import pytest
from umodbus.client import tcp as umodbus_client

import collectors.modbus
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.request import Function, ReadRequest
from conformance.collector_suite import POINTS, group_of
from conformance.modbus_image import PLACES, UNIT, encode
from conformance.modbus_servers import PymodbusPlant
from historian.model.clock import SystemClock

SOURCES = sorted(Path(collectors.modbus.__file__).parent.glob("*.py"))
READS = {1, 2, 3, 4}


def test_the_functions_are_the_four_that_read() -> None:
    assert {int(function) for function in Function} == READS


def test_no_other_request_can_be_made() -> None:
    for code in set(range(-1, 257)) - READS:
        with pytest.raises(ValueError, match="Function"):
            ReadRequest(code, 0, 1, 1)  # type: ignore[arg-type]


def test_the_package_uses_no_library_that_could_write() -> None:
    assert {path.name for path in SOURCES} >= {"request.py", "framing.py", "link.py", "driver.py"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(("pymodbus", "umodbus")), path.name
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith(("pymodbus", "umodbus")) for alias in node.names), path.name


def test_only_requests_are_put_into_frames() -> None:
    """A framing's ``encode`` takes a ReadRequest and nothing else, and a link sends nothing but what it gives."""
    link = next(path for path in SOURCES if path.name == "link.py").read_text(encoding="utf-8")
    assert link.count("self._send(") == 1
    assert "self._send(self._framing.encode(request, transaction))" in link


async def test_another_librarys_client_reads_the_same() -> None:
    """umodbus' client and our driver, on the same server."""
    numbers = [name for name, place in PLACES.items() if place.table in ("hr", "ir")]
    plant = PymodbusPlant()
    await plant.start()
    driver = ModbusDriver(plant.source(plant.port, 5.0), SystemClock())
    await driver.connect()
    try:
        group = group_of(*map(plant.tag, numbers))
        reading = await driver.read(group, await driver.plan(group))
        theirs = await asyncio.to_thread(read_with_umodbus, plant.port, numbers)
        assert theirs == {name: encode(name, POINTS[name].value) for name in numbers}
        for lane, name in enumerate(numbers):
            got = reading.text.get(lane, reading.exact.get(lane, reading.value[lane]))
            again = encode(name, got if isinstance(POINTS[name].value, float | str) else int(got))
            assert again == theirs[name], name
    finally:
        await driver.close()
        await plant.stop()


def read_with_umodbus(port: int, names: list[str]) -> dict[str, list[int]]:
    import socket

    found: dict[str, list[int]] = {}
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for name in names:
            place = PLACES[name]
            make = umodbus_client.read_holding_registers if place.table == "hr" else umodbus_client.read_input_registers
            request = make(slave_id=UNIT, starting_address=place.address, quantity=place.cells)
            signed = umodbus_client.send_message(request, connection)
            found[name] = list(struct.unpack(f">{place.cells}H", struct.pack(f">{place.cells}H", *signed)))
    return found
