"""What all tests share: nothing is left behind, free ports, a folder for a store, a clock turned by hand."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from support import leaks
from support.fake_clock import FakeClock

# No deadline: a busy machine is no fault of the code.  ``too_slow`` for the same reason.
hypothesis.settings.register_profile(
    "default", deadline=None, max_examples=50, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("slow", parent=hypothesis.settings.get_profile("default"), max_examples=2000)
hypothesis.settings.load_profile("default")


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or (in an asynchronous test) a task running."""
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("no_task_left")
    threads, children = leaks.threads(), leaks.children()
    yield
    if leaks.threads() - threads:
        gc.collect()  # an executor that nobody holds any longer ends its threads when it is collected
    left = [f"thread {thread.name}" for thread in leaks.remaining(leaks.threads, threads)]
    left += [f"process {leaks.command_line(pid)}" for pid in leaks.remaining(leaks.children, children)]
    if left:
        pytest.fail(f"left running: {', '.join(sorted(left))}")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail an asynchronous test that leaves a task running, instead of letting the loop's end cancel it in silence."""
    yield
    left = sorted(leaks.task_name(task) for task in await leaks.remaining_tasks())
    if left:
        pytest.fail(f"tasks left running: {', '.join(left)}")


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """Give so many different TCP ports of 127.0.0.1 that nobody listens on.

    For servers that cannot be told port 0; where they can, port 0 is better, because nobody comes in between.
    """

    def find(count: int) -> list[int]:
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            return [each.getsockname()[1] for each in sockets]

    return find


@pytest.fixture
def free_port(free_ports: Callable[[int], list[int]]) -> int:
    """One TCP port of 127.0.0.1 that nobody listens on."""
    return free_ports(1)[0]


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Where a store may be made; the folder is not there yet."""
    return tmp_path / "store"


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that only moves when told to."""
    return FakeClock()
