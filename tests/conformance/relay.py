"""A TCP relay between a driver and a real server, so that every protocol's network fails in the same ways."""

from __future__ import annotations

import asyncio
import contextlib


class Relay:
    """Listens on a free port and passes bytes to ``target_port``; can hold answers back or cut the line."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self.bytes_from_client = 0
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.byte_s: float | None = None
        """Deliver answers byte by byte, with this pause behind each."""

    async def open(self) -> None:
        """Listen, on the same port every time."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset every connection and refuse new ones: what a client sees when the server's process is killed."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        for handler in tuple(self._handlers):
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def drop(self) -> None:
        """Reset every connection; new ones are taken at once."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def hang(self) -> None:
        """Keep connections and accept new ones, but hold every answer back."""
        self._flowing.clear()

    def resume(self) -> None:
        """Deliver what was held back, late, and everything that follows."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            # A line that breaks is what the relay is for; cancelled only by cut(), which waits for the task.
            pass
        finally:
            self.connections -= 1
            writer.transport.abort()
            self._writers.discard(writer)
            self._handlers.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers.add(up_writer)
        pumps = [
            asyncio.create_task(self._requests(reader, up_writer)),
            asyncio.create_task(self._answers(up_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            up_writer.transport.abort()
            self._writers.discard(up_writer)
            with contextlib.suppress(OSError):
                await up_writer.wait_closed()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.bytes_from_client += len(data)
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            parts = [data] if self.byte_s is None else [data[place : place + 1] for place in range(len(data))]
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(self.byte_s or 0)
