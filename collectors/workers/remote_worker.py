"""A worker as the main process sees it: its process, what is asked of it, and what happens when it dies.

Its sources turn Bad from its last word on, and another process gets the same tasks, after a pause that grows when that
happens again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from collectors.backoff import Backoff
from collectors.schedule import Timer
from collectors.sink import Sink
from collectors.source_log import NAMED, log
from collectors.source_task import SourceTask
from collectors.supervisor import FIRST_PAUSE_S, LAST_PAUSE_S, SOUND_US
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
    Report,
    Start,
    Stop,
)
from collectors.workers.remote_sources import RemoteSources
from collectors.workers.worker_process import WorkerProcess
from historian.model.clock import US_PER_S, AnchoredClock
from historian.model.scan import Scan, ScanGroup

MOST_SILENT_S: Final = 15.0
"""A worker without a sign of life for so long hangs, and is killed."""

START_S: Final = 60.0
"""So long the first sign of life may take, on a machine that starts everything at once."""

State: TypeAlias = Literal["starting", "running", "dead", "stopped"]


@dataclass(slots=True)
class _Ticket:
    """Something the worker was asked for; ``exchange`` is still to be called."""

    done: asyncio.Future[None]
    exchange: Callable[[], None] | None = None

    def call_exchange(self) -> None:
        """Call it, once.  Raises what it raises, which the one who waits is told too."""
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        try:
            exchange()
        except Exception as error:
            self.settle(error)
            raise

    def settle(self, error: Exception | None = None) -> None:
        """Let the one who waits go on, or raise ``error`` there."""
        if self.done.done():
            return  # told already, or does not wait any more
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class RemoteWorker:
    """Worker ``number``, which collects into ``sink``; ``command`` runs its process."""

    def __init__(self, number: int, command: Sequence[str], sink: Sink, timer: Timer, clock: AnchoredClock) -> None:
        self.number = number
        self.sources = RemoteSources(sink)
        self._name = f"worker {number}"
        self._command = command
        self._sink = sink
        self._timer = timer
        self._clock = clock
        self._state: State = "dead"
        self._process: WorkerProcess | None = None
        self._own: Mapping[str, object] = {}
        self._tickets: dict[int, _Ticket] = {}
        self._next_ticket = 0
        self._is_started = self._is_closing = False
        self._silent_s = 0.0
        self._late_told = LateTaken(0, 0)
        self._began_us = self._heard_us = 0
        self._backoff = Backoff(FIRST_PAUSE_S, LAST_PAUSE_S)
        self._why = self._last_error = ""
        self._restarts = 0
        self._gone = asyncio.Event()
        self._gone.set()
        self._burial: asyncio.Task[None] | None = None
        self._revival: asyncio.Task[None] | None = None

    # -- its life ------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start its process and give it its tasks."""
        self._state, self._why, self._silent_s = "starting", "", 0.0
        self._late_told, self.sources.late_taken = LateTaken(0, 0), 0
        self._began_us, self._heard_us = self._clock.monotonic_us(), self._clock.wall_us()
        self._gone.clear()
        try:
            self._process = WorkerProcess(self._command, self._take, self._ended)
        except OSError as error:
            self._why = f"could not be started: {error}"
            self._ended()
            return
        self._send(Begin(self._name, self._clock))
        for task in self.sources.tasks:
            self._send(Add(task))
        if self._is_started:
            self._send(Start())

    def start(self) -> None:
        """Begin with the sources that were added so far."""
        self._is_started = True
        self._send(Start())

    def beat(self, passed_s: float) -> None:
        """To be called often: sees whether it is alive, and tells it how far its late values are."""
        if self._process is None:
            return
        self._silent_s += passed_s
        if self._silent_s > (START_S if self._state == "starting" else MOST_SILENT_S):
            self._kill(f"gave no sign of life for {self._silent_s:.0f} s and was killed")
        late = LateTaken(self.sources.late_taken, self._sink.late_waiting)
        if late.taken and late != self._late_told:
            self._late_told = late
            self._send(late)

    async def close(self, wait_s: float) -> None:
        """Let it close its connections and end; it is killed if that takes longer than ``wait_s``."""
        self._is_closing = True
        try:
            # One that has not said a word has read nothing; it would take its time to start only to end.
            if self._process is not None and self._state == "running":
                self._send(Stop())
                async with asyncio.timeout(wait_s):
                    await self._gone.wait()
        except TimeoutError:
            self._why = "does not end in time"
            log.warning("%s %s; what its sources read last may be missing", self._name, self._why)
        finally:
            if self._process is not None:
                self._process.kill()
            self._state = "stopped"
        await self._end_tasks()

    async def _end_tasks(self) -> None:
        await self._gone.wait()
        if self._revival is not None:
            self._revival.cancel()
        tasks = [task for task in (self._burial, self._revival) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _kill(self, why: str) -> None:
        """End it, to be replaced; the first reason counts."""
        self._why = self._why or why
        if self._process is not None:
            self._process.kill()

    def _ended(self) -> None:
        """Everything that it sent was taken, and no more will come."""
        process, self._process = self._process, None
        self._gone.set()
        for ticket in self._tickets.values():
            with contextlib.suppress(Exception):  # the one who waits is told
                ticket.call_exchange()
            ticket.settle()
        self._tickets.clear()
        if not self._is_closing:
            self._state = "dead"
            self.sources.mark_bad(self._heard_us, f"{self._name}, which reads it, is gone; another takes its place")
        elif self._why:
            self.sources.mark_bad(self._heard_us, f"{self._name}, which read it, had to be killed")
        self._burial = asyncio.create_task(self._bury(process), name=f"{self._name}: end")

    async def _bury(self, process: WorkerProcess | None) -> None:
        """Tell how it ended, and see to another."""
        ending = await asyncio.to_thread(process.wait) if process is not None else ""
        if self._is_closing:
            return
        self._last_error = f"{self._name} {self._why or ending}"
        log.error("%s; Bad until another takes its place: %s", self._last_error, self._named_sources())
        self._sink.event("worker lost", self._name, self._last_error)
        self._revival = asyncio.create_task(self._revive(), name=f"{self._name}: next")

    def _named_sources(self) -> str:
        names = [task.name for task in self.sources.tasks]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return ", ".join(names[:NAMED]) + more or "nothing"

    async def _revive(self) -> None:
        """Start another in its place, after a pause."""
        if self._clock.monotonic_us() - self._began_us > SOUND_US:
            self._backoff.reset()
        pause_us = round(max(self._backoff.next_s(), FIRST_PAUSE_S) * US_PER_S)
        await self._timer.sleep_until(self._clock.monotonic_us() + pause_us)
        self._restarts += 1
        self.launch()

    # -- its sources ---------------------------------------------------------------------------------------------

    def add(self, task: SourceTask) -> None:
        """Collect from one more source."""
        self.sources.add(task)
        self._send(Add(task))

    async def change(self, name: str, groups: Sequence[ScanGroup], exchange: Callable[[], None]) -> None:
        """As :meth:`collectors.sources.Sources.change`."""

        def exchanged() -> None:
            exchange()
            self.sources.change(name, groups)

        await self._ask(lambda ticket: Change(ticket, name, tuple(groups)), exchanged)

    async def remove(self, name: str) -> None:
        """Collect no more from a source."""
        await self._ask(lambda ticket: Remove(ticket, name))
        self.sources.remove(name)

    async def _ask(self, order: Callable[[int], Order], exchange: Callable[[], None] | None = None) -> None:
        """Return when it is done; where there is no process, or no more, then nothing has to be done but ``exchange``.

        Raises what ``exchange`` raises, and RuntimeError for a fault of ours in the worker.
        """
        if self._process is None:
            if exchange is not None:
                exchange()
            return
        number, self._next_ticket = self._next_ticket, self._next_ticket + 1
        ticket = self._tickets[number] = _Ticket(asyncio.get_running_loop().create_future(), exchange)
        self._process.send(order(number))
        await ticket.done

    def _send(self, order: Order) -> None:
        if self._process is not None:
            self._process.send(order)

    # -- what it tells -------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, object]:
        """Figures of the worker itself, by name."""
        return {
            "pid": self._process.pid if self._process else None,
            "state": self._state,
            "sources": len(self.sources.tasks),
            "restarts": self._restarts,
            "last_error": self._last_error,
            "updated_us": self._clock.wall_us(),
            **(self._own if self._process else {}),
        }

    def _take(self, report: Report) -> None:
        self._silent_s = 0.0
        try:
            self._handle(report)
        except Exception as error:  # noqa: BLE001 - last line of defence: as a runner that ends by a fault of ours
            if not self._why:  # more of the same may be on its way
                log.exception("a fault in the collector itself while taking what %s has read", self._name)
            self._kill(f"was killed because what it read could not be taken: {error!r}")

    def _handle(self, report: Report) -> None:
        match report:
            case Exchanged():
                self._tickets[report.ticket].call_exchange()
            case Done():
                self._tickets.pop(report.ticket).settle(RuntimeError(report.error) if report.error else None)
            case _:
                self._note(report)
                self.sources.take(report)

    def _note(self, report: Report) -> None:
        # By its own time: it may have waited for long to be taken.
        match report:
            case Scan():
                self._heard_us = max(self._heard_us, report.arrival_us)
            case Figures():
                self._heard_us = max(self._heard_us, report.time_us)
                self._state, self._own = "running", report.process
