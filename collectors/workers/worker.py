"""A worker: collects from the sources it is given, and ends when it is told to or when the main process is gone.

It has no store and no pipeline, and keeps nothing that would be missed: what it has read it has sent.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from io import RawIOBase
from typing import BinaryIO, Final

from collectors.local_sources import LocalSources
from collectors.schedule import SystemTimer
from collectors.source_log import log
from collectors.workers.channel import Channel
from collectors.workers.messages import (
    Add,
    Begin,
    Change,
    Done,
    Exchanged,
    Figures,
    LateTaken,
    Order,
    Remove,
    Start,
    Stop,
)
from collectors.workers.remote_sink import RemoteSink
from historian.model.clock import AnchoredClock

BEAT_S: Final = 0.25
"""So often a worker tells its figures, which is also its sign of life."""

CLOCK_CHECK_S: Final = 1.0

CLOSE_S: Final = 2.0
"""Connections that do not close within this time are left behind; the main process waits a little longer than that."""


async def work(incoming: RawIOBase, outgoing: BinaryIO, process: Callable[[], Mapping[str, object]]) -> None:
    """Be a worker of whoever is at the other end of these pipes; ``process`` gives the figures of this process."""
    orders: asyncio.Queue[Order] = asyncio.Queue()
    stop = asyncio.Event()
    sinks: list[RemoteSink] = []

    def take(order: Order) -> None:
        match order:
            case Stop():
                stop.set()
            case LateTaken():
                # Past the others, which may take as long as a source takes to answer.
                for sink in sinks:
                    sink.note_late(order)
            case _:
                orders.put_nowait(order)

    channel = Channel(incoming, outgoing, take, stop.set)
    begin = asyncio.create_task(orders.get())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([begin, stopping], return_when=asyncio.FIRST_COMPLETED)
    if begin.done() and isinstance(first := begin.result(), Begin):
        sinks.append(RemoteSink(channel, first.clock, first.name))
        await _Worker(channel, first.clock, sinks[0], process).run(orders, stopping)
    begin.cancel()
    await asyncio.to_thread(channel.close, CLOSE_S)


class _Worker:
    """The sources of this process, and what it is told to do with them."""

    def __init__(
        self, channel: Channel, clock: AnchoredClock, sink: RemoteSink, process: Callable[[], Mapping[str, object]]
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._process = process
        self._sink = sink
        self._sources = LocalSources(sink, SystemTimer(clock))

    async def run(self, orders: asyncio.Queue[Order], stopping: asyncio.Task[bool]) -> None:
        """Follow the orders until it is time to stop; raises a fault of our own."""
        tasks = [
            asyncio.create_task(self._follow(orders), name="orders"),
            asyncio.create_task(self._tell(), name="figures"),
            asyncio.create_task(self._keep_time(), name="clock"),
        ]
        try:
            # None of these ends by itself but by a fault.
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait([asyncio.create_task(self._sources.close())], timeout=CLOSE_S)
            self._send_figures()
        for task in tasks:
            if task in done:
                task.result()

    async def _follow(self, orders: asyncio.Queue[Order]) -> None:
        while True:
            match await orders.get():
                case Add() as order:
                    await self._sources.prepare(order.task.settings)
                    self._sources.add(order.task)
                case Start():
                    # What is loaded by now stays; to look through it for garbage again and again holds up scans.
                    gc.freeze()
                    self._sources.start()
                case Change() as order:
                    await self._change(order)
                case Remove() as order:
                    await self._sources.remove(order.source)
                    self._channel.send(Done(order.ticket))

    async def _change(self, order: Change) -> None:
        def exchange() -> None:
            self._channel.send(Exchanged(order.ticket))

        try:
            await self._sources.change(order.source, order.groups, exchange)
        except Exception as error:  # noqa: BLE001 - last line of defence: the main process waits for what came of it
            log.exception("%s: a fault in the collector itself while its groups were changed", order.source)
            self._channel.send(Done(order.ticket, repr(error)))
        else:
            self._channel.send(Done(order.ticket))

    async def _tell(self) -> None:
        while True:
            self._send_figures()
            await asyncio.sleep(BEAT_S)

    def _send_figures(self) -> None:
        # Whoever takes nothing for hours needs no signs of life, which would fill the memory instead of scans.
        if self._sink.has_room:
            self._channel.send(Figures(self._clock.wall_us(), self._sources.figures(), self._process()))

    async def _keep_time(self) -> None:
        """Follow the system clock as the main process does, which tells of steps."""
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
            self._clock.check()
