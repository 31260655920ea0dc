"""A Modbus TCP device in a process of its own, whose behaviour a test changes while it runs: it reads a file for that.

``python modbus_device.py PORT MODE_FILE``; the port goes to stdout.  Register 7 holds 1007, register 8 counts the
requests that were answered.  Modes: ``answer``, ``silent`` (accepts and never answers), ``slowly`` (byte by byte, in
time), ``trickle`` (byte by byte, never in time).  Units from 9 on are never there, and so are registers 30 to 34.  A
line in ``MODE_FILE.log`` for each request: unit, address, count and whether it was refused.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path

SLOW_S = {"slowly": 0.005, "trickle": 0.2}
FIRST_DEAD_UNIT = 9
MISSING = range(30, 35)


class Device:
    def __init__(self, mode_file: Path) -> None:
        self._mode_file = mode_file
        self._log = mode_file.with_suffix(".log").open("a", encoding="ascii")
        self._answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(await reader.readexactly(12), writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()

    async def _answer(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", frame)
        mode = self._mode_file.read_text(encoding="ascii")
        is_refused = any(cell in MISSING for cell in range(address, address + count))
        self._log.write(f"{unit} {address} {count} {int(is_refused)}\n")
        self._log.flush()
        if mode == "silent" or unit >= FIRST_DEAD_UNIT:
            return
        pdu = bytes([function | 0x80, 2]) if is_refused else self._registers(function, address, count)
        answer = struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
        if mode not in SLOW_S:
            writer.write(answer)
            return
        for byte in answer:
            writer.write(bytes([byte]))
            await asyncio.sleep(SLOW_S[mode])

    def _registers(self, function: int, address: int, count: int) -> bytes:
        self._answered += 1
        cells = {7: 1007, 8: self._answered % 65_536}
        values = [cells.get(cell, cell) for cell in range(address, address + count)]
        return struct.pack(f">BB{count}H", function, 2 * count, *values)


async def main() -> None:
    device = Device(Path(sys.argv[2]))
    server = await asyncio.start_server(device.serve, "127.0.0.1", int(sys.argv[1]))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
