"""Looking up host names while the name server is gone."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from cli import event_loop


@pytest.fixture
def hanging(monkeypatch) -> Iterator[threading.Event]:
    """Look-ups of ``gone.example`` hang until the event is set; 127.0.0.1 is found by any other name."""
    released = threading.Event()

    def look_up(host, port, *_: int) -> list[tuple]:
        if host == "gone.example":
            released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield released
    released.set()
    for thread in threading.enumerate():
        if thread.name == event_loop.THREAD_NAME:
            thread.join()


async def look_up(host: str, timeout_s: float | None = None) -> list:
    async with asyncio.timeout(timeout_s):
        return await asyncio.get_running_loop().getaddrinfo(host, 502)


def test_the_loop_ends_while_a_name_is_looked_up(hanging):
    with pytest.raises(TimeoutError):
        event_loop.run(look_up("gone.example", 0.01))
    assert not hanging.is_set()


def test_names_are_found_however_many_others_hang(hanging):
    async def both() -> list:
        stuck = [asyncio.create_task(look_up("gone.example")) for _ in range(40)]
        found = await look_up("plc1")
        for task in stuck:
            task.cancel()
        return found

    assert event_loop.run(both())[0][4] == ("127.0.0.1", 502)


def test_a_name_that_is_not_known_is_an_error_as_ever(hanging):
    hanging.set()
    with pytest.raises(socket.gaierror):
        event_loop.run(look_up("gone.example"))
