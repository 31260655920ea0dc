"""Many changing registers at little cost, for measuring a collector: a Modbus TCP server that answers from bytes.

Every answer is a slice of the memory, which changes twenty times a second.  Only the reading functions 3 (holding
registers) and 4 (input registers) are served, both from it.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Final

from collectors.simulator.lifetime import announce, wait_until_told
from collectors.simulator.waves import Waves

LOOPBACK: Final = "127.0.0.1"
FRAME_S: Final = 0.05
NO_FRAME: Final = -1
LARGEST_WORD: Final = 60_000
LARGEST_FLOAT: Final = 100.0
HEADER_BYTES: Final = 6
REQUEST_BYTES: Final = 12
MOST_REGISTERS: Final = 125
READING: Final = (3, 4)
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


class Memory:
    """``words`` unsigned registers, and behind them ``floats`` numbers of two registers each, the high word first."""

    def __init__(self, words: int, floats: int = 0) -> None:
        self.registers = words + 2 * floats
        self._words = words
        self._waves = Waves(words + floats)
        self._frame = NO_FRAME
        self._octets = b""

    def now(self, time_s: float) -> bytes:
        """All registers as they are sent, of the frame that this time is in."""
        frame = int(time_s / FRAME_S)
        if frame != self._frame:
            shares = self._waves.at(frame * FRAME_S)
            words = (LARGEST_WORD * shares[: self._words]).astype(">u2")
            floats = (LARGEST_FLOAT * shares[self._words :]).astype(">f4")
            self._frame, self._octets = frame, words.tobytes() + floats.tobytes()
        return self._octets


class RegisterServer(asyncio.Protocol):
    """One connection.  Requests may come split or several at once."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self._received += data
        while len(self._received) >= HEADER_BYTES:
            end = HEADER_BYTES + int.from_bytes(self._received[4:6], "big")
            if len(self._received) < end:
                return
            request, self._received = self._received[:end], self._received[end:]
            if self._transport is not None:
                self._transport.write(self.answer(request))

    def answer(self, request: bytes) -> bytes:
        """The answer to one complete request, header included."""
        function = request[7] if len(request) > 7 else 0
        if len(request) != REQUEST_BYTES or function not in READING:
            return self._refusal(request, function, ILLEGAL_FUNCTION)
        address, count = struct.unpack_from(">HH", request, 8)
        if not 1 <= count <= MOST_REGISTERS:
            return self._refusal(request, function, ILLEGAL_VALUE)
        if address + count > self._memory.registers:
            return self._refusal(request, function, ILLEGAL_ADDRESS)
        head = struct.pack(">4sHBBB", request[:4], 3 + 2 * count, request[6], function, 2 * count)
        return head + self._memory.now(time.monotonic())[2 * address : 2 * (address + count)]

    @staticmethod
    def _refusal(request: bytes, function: int, code: int) -> bytes:
        return struct.pack(">4sHBBB", request[:4], 3, request[6] if len(request) > 6 else 0, function | 0x80, code)


async def serve(port: int, registers: int, floats: int = 0) -> None:
    """Serve so many words and floats on loopback until told to stop.  Raises OSError when the port is taken."""
    memory = Memory(registers, floats)
    server = await asyncio.get_running_loop().create_server(lambda: RegisterServer(memory), LOOPBACK, port)
    announce(f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
    await wait_until_told()
    server.close()
