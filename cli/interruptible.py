"""Ctrl-C during a query: DuckDB computes where Python cannot hear it, so the work runs beside and is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, Protocol, TypeVar

ResultT = TypeVar("ResultT")

LISTEN_S: Final = 0.2
"""How often the waiting thread wakes, because on Windows Ctrl-C does not end a wait."""


class Stoppable(Protocol):
    """A connection whose query another thread may end."""

    def interrupt(self) -> None:
        """End the running query, if one runs."""


def run_interruptible(connection: Stoppable, work: Callable[[], ResultT]) -> ResultT:
    """The result of ``work``, which uses ``connection``.  Ctrl-C ends its query, lets it tidy up and is raised here."""
    with ThreadPoolExecutor(1, thread_name_prefix="query") as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                wait([future], LISTEN_S)
        except KeyboardInterrupt:
            _stop(connection, future)
            raise
        return future.result()


def _stop(connection: Stoppable, future: Future[ResultT]) -> None:
    """Interrupt until it is done: between two batches there is no query that could be ended."""
    while not future.done():
        connection.interrupt()
        wait([future], LISTEN_S)
