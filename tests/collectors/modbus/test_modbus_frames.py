"""Published frames (node-modbus/stream, pymodbus' own tests) as they go over the wire; other.md names the sources."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from collectors.modbus.link import Link
from collectors.modbus.request import Answer, Function, ReadRequest, answer_of
from conformance.scripted_device import Request, scripted_device
from historian.config.settings import NetworkEndpoint
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
    request = ReadRequest(function, address, count, each["unit"])
    assert request.pdu == pdu


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
        link = Link(NetworkEndpoint("127.0.0.1", device.port), None, SystemClock())
        await link.open(5_000_000)
        link._transaction = 3076
        request = ReadRequest(Function.READ_HOLDING_REGISTERS, 124, 2, int(unit, 16))
        received = await link.exchange(request, 5_000_000)
        link.close()
        await asyncio.sleep(0)
    assert seen[0].frame == published["read"]
    assert answer_of(request, received.pdu) == expected
