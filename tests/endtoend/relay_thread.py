"""A line between a collecting process and a server that a synchronous test slows, holds up and cuts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from conformance.relay import Relay


class RelayThread:
    """A :class:`Relay` in an event loop of its own; ``port`` is where it listens."""

    def __init__(self, target_port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        self._thread.start()
        self._relay = Relay(target_port)
        self._do(self._relay.open())
        self.port = self._relay.port

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._relay.cut())

    def open(self) -> None:
        """Take connections again."""
        self._do(self._relay.open())

    def hang(self) -> None:
        """Accept connections and requests, and never answer."""
        self._loop.call_soon_threadsafe(self._relay.hang)

    def resume(self) -> None:
        """Answer again, first what was held back."""
        self._loop.call_soon_threadsafe(self._relay.resume)

    def stammer(self, byte_s: float | None) -> None:
        """Answer byte by byte, with this pause behind each; None: as usual."""
        self._loop.call_soon_threadsafe(setattr, self._relay, "byte_s", byte_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
