"""How fast work in the background goes: a share of one processor, and an end as soon as the store closes."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Final

LONGEST_REST_S: Final = 10.0
NICE: Final = 15
_BACKGROUND_BEGIN: Final = 0x00010000
"""Windows: THREAD_MODE_BACKGROUND_BEGIN, which lowers the thread's share of processor and disk."""


class StoppedError(Exception):
    """The work is to end here; what was not finished is taken back.  Never leaves the package."""


class Pace:
    """Between two small steps the worker calls :meth:`rest`, which sleeps in proportion to the time worked.

    ``share`` 1 never sleeps.  :meth:`stop` may be called from any thread.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._stopped = threading.Event()
        self._worked_until_s = time.perf_counter()

    def begin(self) -> None:
        """The work begins, or goes on after something that was none."""
        self._worked_until_s = time.perf_counter()

    def rest(self) -> None:
        """Sleep as long as the work since the last rest demands.  Raises StoppedError after :meth:`stop`."""
        worked_s = time.perf_counter() - self._worked_until_s
        pause_s = min(worked_s * (1 / self._share - 1), LONGEST_REST_S)
        if self._stopped.wait(pause_s) if pause_s > 0 else self._stopped.is_set():
            raise StoppedError
        self._worked_until_s = time.perf_counter()

    def stop(self) -> None:
        """Let the work end at its next rest."""
        self._stopped.set()


def lower_priority() -> None:
    """Let this thread wait for all others, where the system can; elsewhere nothing happens."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - only there

        ctypes.windll.kernel32.SetThreadPriority(ctypes.windll.kernel32.GetCurrentThread(), _BACKGROUND_BEGIN)
    elif sys.platform == "linux":
        # On Linux a priority is a thread's, elsewhere the whole process's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
