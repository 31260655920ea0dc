"""The process of a worker as the main process has it: started with two pipes, ended at the latest with us."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from io import BufferedReader, RawIOBase
from typing import BinaryIO, Final, cast

from collectors.workers.channel import Channel
from collectors.workers.messages import Order, Report

EXIT_WAIT_S: Final = 5.0
"""From the end of its messages to the end of the process."""

CLOSE_WAIT_S: Final = 0.5

OWN_GROUP: Final[int] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows, the flag that keeps a Ctrl-C of the console away; elsewhere a session of its own does."""


class WorkerProcess:
    """Runs ``command``, which speaks with us through its input and output; ``take`` and ``ended`` as of a channel.

    Raises OSError when the process cannot be started.
    """

    def __init__(self, command: Sequence[str], take: Callable[[Report], None], ended: Callable[[], None]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C at the terminal is for the main process, which stops its workers in order.
            start_new_session=sys.platform != "win32",
            creationflags=OWN_GROUP,
        )
        incoming = cast("BufferedReader", self._process.stdout).raw
        self._channel = Channel(cast("RawIOBase", incoming), cast("BinaryIO", self._process.stdin), take, ended)

    @property
    def pid(self) -> int:
        """Process identifier."""
        return self._process.pid

    def send(self, order: Order) -> None:
        """Send it a message; never blocks."""
        self._channel.send(order)

    def kill(self) -> None:
        """End it now, whatever it does; ``ended`` is called when everything it sent was taken."""
        self._process.kill()

    def wait(self) -> str:
        """How it ended, in words, soon after the end of its messages.  Blocks."""
        self._channel.close(CLOSE_WAIT_S)
        try:
            code = self._process.wait(EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return f"ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
