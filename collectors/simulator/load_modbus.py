"""Many changing registers at little cost, for measuring a collector: a Modbus TCP server that answers from bytes.

Every answer is a slice of frames that were made once; the frame changes ten times a second.  Only the reading functions
3 (holding registers) and 4 (input registers) are served, from one memory.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Final

import numpy as np

from collectors.simulator.lifetime import announce, wait_until_told

LOOPBACK: Final = "127.0.0.1"
FRAMES: Final = 64
FRAME_S: Final = 0.1
HEADER_BYTES: Final = 6
REQUEST_BYTES: Final = 12
MOST_REGISTERS: Final = 125
READING: Final = (3, 4)
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


def make_frames(registers: int) -> list[bytes]:
    """``FRAMES`` memories of ``registers`` big-endian words: waves of different length, in steps of one count."""
    address = np.arange(registers)
    phase = np.arange(FRAMES)[:, None] / FRAMES
    waves = 30_000 + 20_000 * np.sin(2 * np.pi * ((1 + address % 5) * phase + address / registers))
    return [frame.tobytes() for frame in waves.astype(">u2")]


class RegisterServer(asyncio.Protocol):
    """One connection.  Requests may come split or several at once."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames
        self._registers = len(frames[0]) // 2
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
        if address + count > self._registers:
            return self._refusal(request, function, ILLEGAL_ADDRESS)
        frame = self._frames[int(time.monotonic() / FRAME_S) % FRAMES]
        head = struct.pack(">4sHBBB", request[:4], 3 + 2 * count, request[6], function, 2 * count)
        return head + frame[2 * address : 2 * (address + count)]

    @staticmethod
    def _refusal(request: bytes, function: int, code: int) -> bytes:
        return struct.pack(">4sHBBB", request[:4], 3, request[6] if len(request) > 6 else 0, function | 0x80, code)


async def serve(port: int, registers: int) -> None:
    """Serve ``registers`` words on loopback until told to stop.  Raises OSError when the port is taken."""
    frames = make_frames(registers)
    server = await asyncio.get_running_loop().create_server(lambda: RegisterServer(frames), LOOPBACK, port)
    announce(f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
    await wait_until_told()
    server.close()
