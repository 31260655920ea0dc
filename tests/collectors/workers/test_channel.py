"""A channel: whole messages in order, an end that comes last, and bounds on what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
from io import FileIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.workers.channel import LENGTH, MOST_UNDER_WAY, Channel

BOUND_S = 20.0


class End:
    """One end of a channel over pipes of this process, and what came out of it."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.taken: list[object] = []
        self.ended = asyncio.Event()
        self.news = asyncio.Event()
        self.outgoing = os.fdopen(outgoing, "wb")
        self.channel = Channel(FileIO(incoming, "rb"), self.outgoing, self._take, self.ended.set)

    def _take(self, message: object) -> None:
        assert not self.ended.is_set(), "the end is told last"
        self.taken.append(message)
        self.news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(BOUND_S):
            while len(self.taken) < count:
                self.news.clear()
                await self.news.wait()

    async def until_ended(self) -> None:
        async with asyncio.timeout(BOUND_S):
            await self.ended.wait()

    async def close(self) -> None:
        await asyncio.to_thread(self.channel.close, BOUND_S)


@contextlib.asynccontextmanager
async def ends():
    """Both ends, each of which closes the other one's input when it closes."""
    here_in, there_out = os.pipe()
    there_in, here_out = os.pipe()
    here, there = End(here_in, here_out), End(there_in, there_out)
    try:
        yield here, there
    finally:
        await here.close()
        await there.close()
        await here.until_ended()
        await there.until_ended()


MESSAGES = st.lists(st.one_of(st.integers(), st.text(max_size=30), st.binary(max_size=200_000)), max_size=30)


@settings(max_examples=20)
@given(MESSAGES, MESSAGES)
def test_both_ends_take_what_the_other_has_sent_in_its_order(one, other):
    async def run() -> None:
        async with ends() as (here, there):
            for message in one:
                here.channel.send(message)
            for message in other:
                there.channel.send(message)
            await there.until(len(one))
            await here.until(len(other))
        assert there.taken == one
        assert here.taken == other

    asyncio.run(run())


async def test_the_end_is_told_when_everything_was_taken():
    async with ends() as (here, there):
        for number in range(1_000):
            here.channel.send(number)
        await here.close()
        await there.until_ended()
        assert there.taken == list(range(1_000))


async def test_a_message_that_was_cut_off_is_none():
    incoming, outgoing = os.pipe()
    unused, _ = os.pipe()
    with os.fdopen(outgoing, "wb") as writer, os.fdopen(unused, "rb"):
        end = End(incoming, os.open(os.devnull, os.O_WRONLY))
        writer.write(LENGTH.pack(1_000) + b"the beginning")
        writer.close()
        await end.until_ended()
        await end.close()
    assert end.taken == []


@pytest.mark.parametrize("sent", [LENGTH.pack(9) + b"not a pic", LENGTH.pack(1 << 62) + b"printed by somebody"])
async def test_what_cannot_be_read_ends_the_channel_and_is_logged(sent, caplog):
    incoming, outgoing = os.pipe()
    with os.fdopen(outgoing, "wb", buffering=0) as writer:
        end = End(incoming, os.open(os.devnull, os.O_WRONLY))
        writer.write(sent)
        await end.until_ended()
        await end.close()
    assert end.taken == []
    assert "cannot read what another process of ours has sent" in caplog.text


async def test_what_the_pipe_does_not_take_is_counted():
    incoming, outgoing = os.pipe()
    nothing, never = os.pipe()
    end = End(nothing, outgoing)
    for _ in range(10):
        end.channel.send(bytes(100_000))
    # A pipe takes 64 KiB, at most a megabyte on any system; nobody reads this one.
    assert end.channel.waiting_bytes > 0
    os.close(incoming)
    os.close(never)
    await end.until_ended()
    await end.close()


async def test_no_more_is_read_than_the_loop_has_room_for():
    async with ends() as (here, there):
        for number in range(10 * MOST_UNDER_WAY):
            here.channel.send(number)
        # The reader is at its limit while this loop has not had a turn; only what it took goes on.
        await there.until(10 * MOST_UNDER_WAY)
        assert there.taken == list(range(10 * MOST_UNDER_WAY))


async def test_sending_to_an_end_that_is_gone_raises_nothing():
    incoming, outgoing = os.pipe()
    nothing, never = os.pipe()
    end = End(nothing, outgoing)
    os.close(incoming)
    os.close(never)
    await end.until_ended()
    end.channel.send("to nobody")
    await end.close()
