"""A serial line without hardware: what is written at one end is read at the other, by way of a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress

READ_BYTES = 4096


class PseudoTerminal:
    """The far end of a serial line; ``path`` is the port for the near end, ``take`` gets what is written there."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._far, self._near = os.openpty()
        # Our own hold on the near end keeps the line up while nobody has it open.
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self.path = os.ttyname(self._near)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._far, self._read)

    def write(self, data: bytes) -> None:
        """Send to the near end."""
        with suppress(OSError):  # a line that was pulled out
            os.write(self._far, data)

    def close(self) -> None:
        """Pull the line out; may be called twice."""
        if self._far < 0:
            return
        self._loop.remove_reader(self._far)
        os.close(self._far)
        os.close(self._near)
        self._far = -1

    def _read(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._far, READ_BYTES)
            if data:
                self._take(data)
