"""A Modbus device whose registers hold their own addresses, with holes and limits where a test wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from collectors.memory import SourceMemory
from collectors.modbus.driver import ModbusDriver
from conformance.collector_suite import group_of
from conformance.scripted_device import Request, ScriptedDevice
from historian.config.settings import ModbusSource, NetworkEndpoint
from historian.model.clock import Clock, SystemClock
from historian.model.scan import ScanGroup
from historian.model.tag import Tag

SOURCE = ModbusSource("plant", "", NetworkEndpoint("127.0.0.1", 0), unit=3, timeout_us=5_000_000)


def at_port(source: ModbusSource, port: int) -> ModbusSource:
    """The same source, at another port of this machine."""
    return replace(source, endpoint=NetworkEndpoint("127.0.0.1", port))


def tag(address: str, type_text: str = "") -> Tag:
    return Tag(address, "plant", address, "fast", type_text=type_text)


def registers_from(start: int, count: int) -> ScanGroup:
    return group_of(*(tag(f"hr:{address}") for address in range(start, start + count)))


@asynccontextmanager
async def connected(
    device: ScriptedDevice,
    clock: Clock | None = None,
    source: ModbusSource = SOURCE,
    memory: SourceMemory | None = None,
) -> AsyncIterator[ModbusDriver]:
    """A driver that is connected to the device."""
    driver = ModbusDriver(at_port(source, device.port), clock or SystemClock(), memory)
    await driver.connect()
    try:
        yield driver
    finally:
        await driver.close()


def counting(request: Request) -> Iterable[bytes]:
    """Each register holds its own address, each bit is set where its address is odd."""
    cells = range(request.address, request.address + request.count)
    if request.function >= 3:
        return [request.registers(*cells)]
    packed = sum((cell & 1) << place for place, cell in enumerate(cells)).to_bytes(-(-request.count // 8), "little")
    return [request.answer(bytes([request.function, len(packed)]) + packed)]


def without(
    missing: set[int], code: int = 2, *, longest: int = 2000, boundary: int = 0
) -> Callable[[Request], Iterable[bytes]]:
    """Like ``counting``, but with holes, a limit, and an address that no request may reach across."""

    def script(request: Request) -> Iterable[bytes]:
        cells = range(request.address, request.address + request.count)
        crosses = request.address < boundary < request.address + request.count
        is_refused = crosses or request.count > longest or not missing.isdisjoint(cells)
        return [request.exception(code)] if is_refused else counting(request)

    return script
