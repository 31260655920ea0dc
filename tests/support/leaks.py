"""What a test may leave behind: nothing.  Used by the fixtures of conftest.py.

Each function gives names of what is there; the fixtures compare before and after, and wait a moment for what is just
ending, because a thread or a process that was told to stop needs some time to do so.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ThingT = TypeVar("ThingT")

GRACE_S = 2.0
"""How long something that is ending may take on a busy machine."""

LIBRARY_THREADS = (
    "pytest_timeout",  # pytest-timeout's watchdog where there are no signals
    "pymonitor",  # pytest-xdist's worker
    "execnet",
    "ThreadPoolExecutor-pyarrow",
    "asyncio_",  # the loop's own executor; the end of the loop, later than our look, waits for it
    "asyncio-waitpid-",  # asyncio's child watcher; ends with its child, which is looked at by itself
)
"""Prefixes of threads that libraries start once and keep for the life of the process."""

HELPER_PROCESSES = ("resource_tracker", "forkserver")
"""Processes that Python's multiprocessing keeps until the interpreter ends."""


def threads() -> set[threading.Thread]:
    """All threads of this process but those that libraries keep."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(LIBRARY_THREADS)}


def children() -> set[int]:
    """Process ids of the children that run; everywhere but on Linux only those that multiprocessing started."""
    if sys.platform != "linux":
        return {child.pid for child in multiprocessing.active_children() if child.pid is not None}
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(int(pid) for pid in (task / "children").read_text().split())
        except FileNotFoundError:
            continue  # a thread that ended while we looked
    return {pid for pid in found if _is_running(pid)}


def _is_running(pid: int) -> bool:
    """False for a zombie, for a process that has just gone, and for multiprocessing's own helpers."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        line = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX" and not any(helper in line for helper in HELPER_PROCESSES)


def command_line(pid: int) -> str:
    """What a process was started as."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or f"process {pid}"
    except OSError:
        return f"process {pid}"


def remaining(look: Callable[[], set[ThingT]], before: set[ThingT]) -> set[ThingT]:
    """What is there and was not before, after waiting up to ``GRACE_S`` for it to end."""
    deadline = time.monotonic() + GRACE_S
    while (left := look() - before) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return left


async def remaining_tasks() -> set[asyncio.Task[object]]:
    """Tasks other than the caller's that do not end by themselves within ``GRACE_S``."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if not others:
        return set()
    _, pending = await asyncio.wait(others, timeout=GRACE_S)
    return pending


def task_name(task: asyncio.Task[object]) -> str:
    """The task's name and the coroutine it runs."""
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"
