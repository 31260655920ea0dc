"""Published frames (node-modbus/stream, pymodbus' own tests) as they go over the wire; other.md names the sources."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from collectors.modbus.connection import Answer, Function, ModbusConnection, ReadRequest
from conformance.scripted_device import Request, scripted_device
from historian.config.settings import ModbusSource
from historian.model.clock import SystemClock
from historian.model.status import BAD_CONFIGURATION_ERROR

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "other.json"

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"the published vectors are not at {VECTORS}")


def frames() -> list[dict[str, Any]]:
    return list(json.loads(VECTORS.read_text(encoding="utf-8"))["modbus"]) if VECTORS.exists() else []


def frame_named(name: str) -> bytes:
    return bytes.fromhex(next(each["tcp_frame"] for each in frames() if each["id"] == name))


READS = [each for each in frames() if each["id"].startswith("stream-read-")]


@pytest.mark.parametrize("each", READS, ids=[each["id"] for each in READS])
def test_read_requests_as_published(each: dict[str, Any]) -> None:
    pdu = bytes.fromhex(each["pdu"])
    function, address, count = struct.unpack(">BHH", pdu)
    request = ReadRequest(Function(function), address, count, each["unit"])
    assert bytes([request.function_code]) + request.encode() == pdu


@pytest.mark.parametrize("unit", ["00", "11", "FF"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("response", Answer(struct.pack(">2H", 141, 142))),
        ("exception", Answer(b"", BAD_CONFIGURATION_ERROR, 2)),
    ],
)
async def test_a_published_exchange(unit: str, answer: str, expected: Answer) -> None:
    """Transaction 3077: two holding registers from 124 on."""
    published = {name: frame_named(f"pymodbus-tcp-3077-{unit}-{name}") for name in ("read", answer)}
    seen: list[Request] = []

    def script(request: Request) -> list[bytes]:
        seen.append(request)
        return [published[answer]]

    async with scripted_device(script) as device:
        connection = ModbusConnection(ModbusSource("plant", "", "127.0.0.1", device.port, int(unit, 16)), SystemClock())
        await connection.open()
        assert connection._client is not None
        connection._client.ctx.next_tid = 3076
        got = await connection.ask(Function.READ_HOLDING_REGISTERS, 124, 2)
        await connection.close()
    assert seen[0].frame == published["read"]
    assert got[:3] == expected[:3]
