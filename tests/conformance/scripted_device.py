"""A Modbus device that a test scripts byte by byte, without any Modbus library of ours, in any framing.

It listens on a TCP port, takes datagrams, or sits at the far end of a serial line (a pseudo-terminal).
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from umodbus.client.serial.redundancy_check import get_crc

from conformance.pseudo_terminal import PseudoTerminal
from historian.config.modbus_url import parse_modbus_url
from historian.config.settings import ModbusSource

Framing: TypeAlias = Literal["tcp", "rtu", "ascii"]
Transport: TypeAlias = Literal["tcp", "udp", "pty"]


def frame(framing: Framing, pdu: bytes, unit: int, transaction: int = 0) -> bytes:
    """A frame, from the specifications: Modbus TCP 1.0b, 3.1.3; Modbus over Serial Line 1.02, 2.5.1 and 2.5.2."""
    if framing == "tcp":
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
    message = bytes([unit]) + pdu
    if framing == "rtu":
        return message + get_crc(message)
    check = (0x100 - sum(message) % 0x100) % 0x100
    return b":" + "".join(f"{byte:02X}" for byte in [*message, check]).encode() + b"\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A request's parts, and the frame itself."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int
    frame: bytes
    framing: Framing = "tcp"

    def answer(self, pdu: bytes, *, transaction: int | None = None, unit: int | None = None) -> bytes:
        """A frame with ``pdu`` that answers this request, or pretends to."""
        chosen = self.transaction if transaction is None else transaction
        return frame(self.framing, pdu, self.unit if unit is None else unit, chosen)

    def registers(self, *registers: int) -> bytes:
        """The right answer with these registers."""
        return self.answer(struct.pack(f">BB{len(registers)}H", self.function, 2 * len(registers), *registers))

    def exception(self, code: int) -> bytes:
        """An exception answer."""
        return self.answer(bytes((self.function | 0x80, code)))


REQUEST_BYTES: Final = {"tcp": 12, "rtu": 8, "ascii": 17}


def request_of(framing: Framing, data: bytes) -> Request:
    """The request in a whole frame, which must be a right one."""
    if framing == "tcp":
        transaction, protocol, length, unit, function, address, count = struct.unpack(">HHHBBHH", data)
        assert (protocol, length) == (0, 6)
        return Request(transaction, unit, function, address, count, data)
    message = data[:6] if framing == "rtu" else bytes.fromhex(data[1:13].decode())
    unit, function, address, count = struct.unpack(">BBHH", message)
    assert data == frame(framing, message[1:], unit), data
    return Request(0, unit, function, address, count, data, framing)


Script: TypeAlias = Callable[[Request], Iterable[bytes | None]]
"""Gives the pieces to send for a request; None closes the connection."""


@dataclass
class ScriptedDevice:
    """In use between ``start`` and ``stop``; ``requests`` are those that came, ``script`` may be exchanged."""

    script: Script
    framing: Framing = "tcp"
    port: int = 0
    url: str = ""
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        # The end of the test, or a client that hangs up in the middle: both end the connection.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.transport.abort()
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = request_of(self.framing, await reader.readexactly(REQUEST_BYTES[self.framing]))
            self.requests.append(request)
            for piece in self.script(request):
                if piece is None:
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    def answers(self, data: bytes) -> Iterable[bytes]:
        """What to send for one whole frame, at once."""
        request = request_of(self.framing, data)
        self.requests.append(request)
        return [piece for piece in self.script(request) if piece is not None]

    def source(self, unit: int = 9, timeout_s: float = 5.0) -> ModbusSource:
        """Settings of a source that reads this device."""
        return ModbusSource("plant", self.url, parse_modbus_url(self.url), unit, int(timeout_s * 1_000_000))

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks)


class _Datagrams(asyncio.DatagramProtocol):
    """The device where each frame is a datagram."""

    def __init__(self, device: ScriptedDevice) -> None:
        self._device = device

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for piece in self._device.answers(data):
            self._transport.sendto(piece, addr)


@asynccontextmanager
async def scripted_device(
    script: Script, framing: Framing = "tcp", transport: Transport = "tcp"
) -> AsyncIterator[ScriptedDevice]:
    """A device that answers as ``script`` says."""
    device = ScriptedDevice(script, framing)
    serving = {"tcp": _tcp, "udp": _udp, "pty": _pty}[transport]
    async with serving(device):
        yield device


@asynccontextmanager
async def _tcp(device: ScriptedDevice) -> AsyncIterator[None]:
    listener = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    device.port = listener.sockets[0].getsockname()[1]
    device.url = f"{'' if device.framing == 'tcp' else f'{device.framing}+'}tcp://127.0.0.1:{device.port}"
    try:
        yield
    finally:
        listener.close()
        await device.stop()


@asynccontextmanager
async def _udp(device: ScriptedDevice) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(device), ("127.0.0.1", 0))
    device.port = transport.get_extra_info("sockname")[1]
    device.url = f"udp://127.0.0.1:{device.port}"
    try:
        yield
    finally:
        transport.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def _pty(device: ScriptedDevice) -> AsyncIterator[None]:
    received = bytearray()

    def take(data: bytes) -> None:
        received.extend(data)
        size = REQUEST_BYTES[device.framing]
        while len(received) >= size:
            whole = bytes(received[:size])
            del received[:size]
            for piece in device.answers(whole):
                line.write(piece)

    line = PseudoTerminal(take)
    # A pseudo-terminal has neither parity nor characters of seven bits.
    device.url = f"{device.framing}://{line.path}?baudrate=115200&parity=none&bytesize=8"
    try:
        yield
    finally:
        line.close()


@contextmanager
def device_in_thread(script: Script) -> Iterator[ScriptedDevice]:
    """The device in an event loop of its own, for tests of commands, which have theirs."""
    started: Future[ScriptedDevice] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with scripted_device(script) as device:
            started.set_result(device)
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="scripted device")
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
