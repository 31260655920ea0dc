"""A serial line between a driver and a real server of RTU or ASCII frames, to fail as networks do.

The near end is a pseudo-terminal; at its far end the bytes go on to the server's TCP port and back.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from conformance.pseudo_terminal import PseudoTerminal


class SerialRelay:
    """Has the methods of :class:`conformance.relay.Relay`; ``path`` is the port, the same whenever it is opened."""

    def __init__(self, target_port: int, folder: Path) -> None:
        self.target_port = target_port
        self.path = folder / "line"
        self.port = 0
        self.bytes_from_client = 0
        self._line: PseudoTerminal | None = None
        self._server: asyncio.Transport | None = None
        self._flowing = True
        self._held: list[bytes] = []

    @property
    def connections(self) -> int:
        """How often this process has the near end open, besides the pseudo-terminal itself."""
        if self._line is None:
            return 0
        ends = [_target(entry) for entry in Path("/proc/self/fd").iterdir()]
        return ends.count(self._line.path) - 1

    async def open(self) -> None:
        """Plug the line in."""
        self._line = PseudoTerminal(self._to_server)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self._line.path)
        relay = self

        class FromServer(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                relay._from_server(data)

        loop = asyncio.get_running_loop()
        self._server, _ = await loop.create_connection(FromServer, "127.0.0.1", self.target_port)

    async def cut(self) -> None:
        """Pull the line out: the port is gone."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
            self.path.unlink()
        if self._server is not None:
            self._server.abort()
            await asyncio.sleep(0)

    def hang(self) -> None:
        """Hold every answer back."""
        self._flowing = False

    def resume(self) -> None:
        """Deliver what was held back, late, and everything that follows."""
        self._flowing = True
        held, self._held = self._held, []
        for data in held:
            self._from_server(data)

    def _to_server(self, data: bytes) -> None:
        self.bytes_from_client += len(data)
        if self._server is not None:
            self._server.write(data)

    def _from_server(self, data: bytes) -> None:
        if not self._flowing:
            self._held.append(data)
        elif self._line is not None:
            self._line.write(data)


def _target(entry: Path) -> str:
    with contextlib.suppress(OSError):
        return str(entry.readlink())
    return ""
