"""Failing instruments, as clients of other libraries see them; the plant is moved by hand to where they fail."""

import asyncio
import math
import socket
import struct

import pytest
from umodbus.client import tcp
from umodbus.exceptions import ServerDeviceFailureError

from collectors.simulator import modbus_server, opcua_server
from collectors.simulator.pace import Pace, now_us
from collectors.simulator.process import Process
from historian.model.status import status_code

STEPS = 300


def advance_until(process, condition):
    """Move the plant on until ``condition`` holds, as it must within half a minute."""
    for _ in range(STEPS):
        process.advance(1)
        if condition():
            return
    pytest.fail("the plant never came to that")


def registers(url, address, count):
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5) as link:
        return tcp.send_message(tcp.read_input_registers(1, address, count), link)


async def test_a_failing_instrument_shows_nan_or_an_exception_answer():
    process, image = Process(seed=3), modbus_server.Image()

    async def shown(address, count):
        image.show(process.measurements)
        return await asyncio.to_thread(registers, url, address, count)

    async with modbus_server.listening(image, 0) as url:
        advance_until(process, lambda: process.measurements["AI108.PV"].value is None)
        assert math.isnan(struct.unpack(">f", struct.pack(">HH", *await shown(6, 2)))[0])
        advance_until(process, lambda: process.measurements["AI109.PV"].value is None)
        with pytest.raises(ServerDeviceFailureError):
            await shown(200, 2)
        assert len(await shown(0, 8)) == 8  # the others answer all the same
        advance_until(process, lambda: process.measurements["AI109.PV"].value is not None)
        assert struct.unpack(">f", struct.pack(">HH", *await shown(200, 2)))[0] == pytest.approx(2.5, abs=1.5)


def value_of(url, name):
    """Value and status of a node, as a client sees them that does not refuse bad ones."""
    from opcua import Client, ua

    wanted = ua.ReadParameters()
    wanted.NodesToRead = [ua.ReadValueId()]
    wanted.NodesToRead[0].NodeId = ua.NodeId(name, 2)
    wanted.NodesToRead[0].AttributeId = ua.AttributeIds.Value
    client = Client(url)
    client.connect()
    try:
        (value,) = client.uaclient.read(wanted)
    finally:
        client.disconnect()
    return value.Value.Value, value.StatusCode.value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the other library's own, of Python 3.12
async def test_a_failing_instrument_shows_its_status_and_no_value():
    pace = Pace(Process(seed=3), now_us())
    acidity = pace.process.measurements
    async with opcua_server.listening(pace, 0) as (mixer, url):
        for name in ("UncertainSensorNotAccurate", "BadSensorFailure", "UncertainSensorNotAccurate", "Good"):
            wanted = status_code(name)
            advance_until(pace.process, lambda wanted=wanted: acidity["AI208.PV"].status == wanted)
            await mixer.show(pace)
            value, status = await asyncio.to_thread(value_of, url, "AI208.PV")
            assert status == wanted
            assert value is None if name.startswith("Bad") else value == pytest.approx(7, abs=4)
