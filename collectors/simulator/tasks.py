"""Running the plant beside a server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_beside(companion: Coroutine[Any, Any, None], main: Coroutine[Any, Any, None]) -> None:
    """Run both until ``main`` returns; a failure of ``companion``, which should never return, ends both at once."""
    tasks = [asyncio.create_task(companion), asyncio.create_task(main)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
