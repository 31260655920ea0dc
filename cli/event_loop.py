"""The event loop of the commands that talk to devices: a name server that does not answer holds up nobody.

asyncio looks up host names in a small pool of threads, which all sources share and which the process waits for at its
end; where a name server is gone, a look-up takes many seconds.  Here each has a thread of its own that is left behind.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

ResultT = TypeVar("ResultT")

THREAD_NAME: Final = "historian look-up"

if sys.platform == "win32":
    _SystemLoop = asyncio.ProactorEventLoop
else:
    _SystemLoop = asyncio.SelectorEventLoop


class DeviceLoop(_SystemLoop):
    """The system's event loop, but for looking up names."""

    async def getaddrinfo(  # noqa: D102 - asyncio's own, as are its names and types
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as above
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        found: Future[list[Any]] = Future()
        look_up = partial(socket.getaddrinfo, host, port, family, type, proto, flags)
        threading.Thread(target=_settle, args=(found, look_up), name=THREAD_NAME, daemon=True).start()
        return await asyncio.wrap_future(found)


def _settle(found: Future[ResultT], look_up: Callable[[], ResultT]) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        found.set_result(look_up())
    except Exception as error:  # noqa: BLE001 - not judged here: it is handed to the one who waits
        found.set_exception(error)


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """As ``asyncio.run``; returns without waiting for names that are still being looked up."""
    with asyncio.Runner(loop_factory=DeviceLoop) as runner:
        return runner.run(main)
