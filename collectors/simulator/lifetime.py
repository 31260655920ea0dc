"""How long a simulated server lives: until it is told to stop, and never longer than the process that started it.

The starter holds the writing end of the server's standard input.  However the starter ends, killed or not, the system
closes that end, and the server sees the end of its input: this works alike on Linux and Windows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

READ_BYTES: Final = 4096


def announce(url: str) -> None:
    """Say on standard output, as one line of JSON, that the server answers at ``url``."""
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def is_tied_to_starter() -> bool:
    """True when standard input is a pipe or a socket, so that its end tells of the starter's end."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def when_starter_ends(act: Callable[[], None]) -> None:
    """Call ``act`` from a thread when standard input ends; nothing happens when it is a terminal or a file."""
    if is_tied_to_starter():
        threading.Thread(target=_watch_input, args=(act,), name="starter watch", daemon=True).start()


def _watch_input(act: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, READ_BYTES):
            pass
    act()


async def wait_until_told() -> None:
    """Return at SIGTERM or Ctrl-C, or when the starter is gone."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        # The loop may be closed already when the starter ends during our own stop.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(told.set)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        tell()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    when_starter_ends(tell)
    await told.wait()
