"""Cancellations that are not meant for us: what to do when a library lets one of its own get out.

``asyncio.TaskGroup`` takes a task that ends so for one that was ended on purpose, and says nothing: a scan class would
stop for good, with the last value as its newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from historian.errors import SourceUnavailableError
from historian.model.status import BAD_COMMUNICATION_ERROR

ResultT = TypeVar("ResultT")


def is_being_cancelled() -> bool:
    """Whether somebody has asked the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def uncancelled(call: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What a call of a driver gives, in the task that asks.

    Raises SourceUnavailableError where it ends in a cancellation that nobody has asked for: a connection was lost.
    """
    try:
        return await call
    except asyncio.CancelledError:
        if is_being_cancelled():
            raise
        raise SourceUnavailableError("the connection was given up from inside", BAD_COMMUNICATION_ERROR) from None
