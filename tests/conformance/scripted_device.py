"""A Modbus TCP device that a test scripts byte by byte, without any Modbus library."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Request:
    """A request's parts (Modbus Messaging on TCP/IP 1.0b, 3.1.3), and the frame itself."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int
    frame: bytes

    def answer(self, pdu: bytes, *, transaction: int | None = None, unit: int | None = None) -> bytes:
        """A frame with ``pdu`` that answers this request, or pretends to."""
        chosen = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", chosen, 0, len(pdu) + 1, self.unit if unit is None else unit) + pdu

    def registers(self, *registers: int) -> bytes:
        """The right answer with these registers."""
        return self.answer(struct.pack(f">BB{len(registers)}H", self.function, 2 * len(registers), *registers))

    def exception(self, code: int) -> bytes:
        """An exception answer."""
        return self.answer(bytes((self.function | 0x80, code)))


Script: TypeAlias = Callable[[Request], Iterable[bytes | None]]
"""Gives the pieces to send for a request; None closes the connection."""


@dataclass
class ScriptedDevice:
    """Listens on a free port while in use; ``requests`` are those that came, ``script`` may be exchanged."""

    script: Script
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # The end of the test, or a client that hangs up in the middle: both end the connection.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.transport.abort()
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = await reader.readexactly(12)
            transaction, protocol, length, unit, function, address, count = struct.unpack(">HHHBBHH", frame)
            assert (protocol, length) == (0, 6)
            request = Request(transaction, unit, function, address, count, frame)
            self.requests.append(request)
            for piece in self.script(request):
                if piece is None:
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def scripted_device(script: Script) -> AsyncIterator[ScriptedDevice]:
    """A device that answers as ``script`` says."""
    device = ScriptedDevice(script)
    listener = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    device.port = listener.sockets[0].getsockname()[1]
    try:
        yield device
    finally:
        listener.close()
        await device.stop()
