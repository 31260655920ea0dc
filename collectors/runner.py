"""One source under supervision: its connection, its scan groups, its back-off and its health.

Protocol-free: a :class:`~collectors.driver.Driver` does the talking.  Sources never wait for one another, because
each has a runner of its own.  A source that does not answer turns all its tags Bad at once, is tried again with
growing delays, and comes back by itself; scans of groups that are not connected say so on every due time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

from collectors.backfill import Backfill, HistoryDriver
from collectors.backoff import Backoff
from collectors.cancellation import uncancelled
from collectors.driver import Driver, Reading, ReadPlan
from collectors.health import Points, SourceHealth
from collectors.holes import Holes
from collectors.schedule import ScanGrid, Timer
from collectors.sink import Sink
from collectors.source_log import SourceLog, log
from historian.errors import SourceError, SourceUnavailableError
from historian.model.clock import US_PER_S
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_COMMUNICATION_ERROR, BAD_INTERNAL_ERROR

READ_AT_ONCE_US: Final = 2 * US_PER_S
"""A group due later than this after a connect is read at once, so that slow tags do not stay unknown for long."""

LOOK_AGAIN_US: Final = 10 * US_PER_S
LOOK_AGAIN_LIMIT_US: Final = 600 * US_PER_S
"""Points that a device does not know are looked for again after this time, then after twice as long, up to the limit: a
server that has just started may not have them yet, and a misspelt one must not cost a scan a minute for ever."""


class SourceRunner:
    """Collects one source's groups until cancelled; never ends by itself and never raises for a fault of the source."""

    def __init__(
        self,
        name: str,
        groups: Sequence[ScanGroup],
        *,
        make_driver: Callable[[], Driver],
        sink: Sink,
        timer: Timer,
        health: SourceHealth,
        backoff: Backoff | None = None,
        backfill: Backfill | None = None,
    ) -> None:
        self.name = name
        self.health = health
        self._make_driver = make_driver
        self._groups = tuple(groups)
        self._sink = sink
        self._timer = timer
        self._backoff = backoff or Backoff()
        self._backfill = backfill
        self._log = SourceLog(name)
        self._driver: Driver | None = None
        self._plans: dict[int, ReadPlan] = {}
        self._turn = asyncio.Lock()
        self._lost = asyncio.Event()
        self._silent = False
        self._status: int | None = None
        self._points: dict[int, Points] = {}
        self._holes = Holes()
        self._tasks: asyncio.TaskGroup | None = None
        self._scans: dict[int, asyncio.Task[None]] = {}
        health.points = sum(len(group.tags) for group in groups)

    async def run(self) -> None:
        """Connect, keep connected and scan, until cancelled; the connection is closed on the way out."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._keep_connected(), name=f"{self.name}: connection")
                for group in self._groups:
                    self._start_scans(tasks, group)
        finally:
            self._tasks = None
            self._scans.clear()
            await self._disconnect()

    def _start_scans(self, tasks: asyncio.TaskGroup, group: ScanGroup) -> None:
        name = f"{self.name}: {group.scan_class}"
        self._scans[group.number] = tasks.create_task(self._scan_forever(group, self._grid(group)), name=name)

    def _grid(self, group: ScanGroup) -> ScanGrid:
        return ScanGrid.anchored(self._timer.clock, group.rate_us, group.phase_us)

    # -- other groups --------------------------------------------------------------------------------------------

    async def change(self, groups: Sequence[ScanGroup], exchange: Callable[[], None]) -> None:
        """Go on with ``groups``; those of them that were there before are not disturbed.

        ``exchange`` lets whoever takes the scans know, at a moment when no group that goes has one under way.
        """
        async with self._turn:
            before, self._groups = self._groups, tuple(groups)
            kept = {group.number for group in groups}
            gone = [group for group in before if group.number not in kept]
            new = [group for group in groups if group not in before]
            for group in gone:
                self._let_go(group)
            if self._backfill is not None:
                self._backfill.groups = self._groups
            exchange()
            self.health.points = sum(len(group.tags) for group in groups)
            if self._driver is not None and self.health.state == "connected" and not self._lost.is_set():
                await self._plan_again(self._driver, new, gone)
            if self._tasks is not None:
                for group in new:
                    self._start_scans(self._tasks, group)
        for group in new:
            if self._is_due_late(group):
                await self._scan(group)

    def _let_go(self, group: ScanGroup) -> None:
        self._plans.pop(group.number, None)
        self._points.pop(group.number, None)
        self._holes.forget(group)
        scans = self._scans.pop(group.number, None)
        if scans is not None:
            scans.cancel()

    def note_fault(self, error: BaseException) -> None:
        """The runner has ended by a fault of our own: nobody may think that its source is collected from."""
        self._note_silence()
        self._status = BAD_INTERNAL_ERROR
        self.health.note_error(BAD_INTERNAL_ERROR, f"fault in the collector itself: {error!r}")
        try:
            self._send_all_bad()
        except Exception as second:  # noqa: BLE001 - last line of defence: what takes the scans may be what is broken
            log.error("%s: its tags cannot be marked Bad either", self.name, exc_info=second)

    def _send_all_bad(self) -> None:
        for group in self._groups:
            self._send_bad(group)

    # -- the connection ------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        while True:
            delay_us = int(self._backoff.next_s() * US_PER_S)
            await self._timer.sleep_until(self._timer.clock.monotonic_us() + delay_us)
            if await self._connect():
                async with self._backfilling():
                    await self._read_slow_groups()
                    await self._complete_plans()
            await self._disconnect()

    @asynccontextmanager
    async def _backfilling(self) -> AsyncIterator[None]:
        """Gaps are filled meanwhile, if the source is asked for its history."""
        if self._backfill is None:
            yield
            return
        # Whoever asks for that has a driver that can do it.
        driver = cast("HistoryDriver", self._driver)
        filling = self._backfill.run(self.name, driver, lambda group: self._plans.get(group.number))
        task = asyncio.create_task(filling, name=f"{self.name}: history")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _connect(self) -> bool:
        self._lost.clear()
        driver = self._driver = self._make_driver()
        plans: dict[int, ReadPlan] = {}
        try:
            await uncancelled(driver.connect())
            # Others may come while these are planned.
            while missing := [group for group in self._groups if group.number not in plans]:
                plans.update(await self._planned(driver, missing))
        except Exception as error:  # noqa: BLE001 - last line of defence: whatever a driver does, the source is retried
            self._fail(error)
            return False
        self._plans = plans
        self.health.state = "connected"
        self._log.connected(self.health.url, self._groups)
        return True

    async def _planned(self, driver: Driver, groups: Sequence[ScanGroup]) -> dict[int, ReadPlan]:
        self._sink.types_resolved(await uncancelled(driver.resolve(groups)))
        return {group.number: await uncancelled(driver.plan(group)) for group in groups}

    async def _read_slow_groups(self) -> None:
        for group in self._groups:
            if self._is_due_late(group):
                await self._scan(group)

    def _is_due_late(self, group: ScanGroup) -> bool:
        grid, now_us = self._grid(group), self._timer.clock.monotonic_us()
        return grid.due_us(grid.index_after(now_us)) - now_us > READ_AT_ONCE_US

    async def _complete_plans(self) -> None:
        """Look again for points that the device does not know (any more), until the connection is lost."""
        pause_us = LOOK_AGAIN_US
        while not self._lost.is_set():
            await self._sleep_unless_lost(pause_us)
            groups = self._incomplete_groups()
            pause_us = min(2 * pause_us, LOOK_AGAIN_LIMIT_US) if groups else LOOK_AGAIN_US
            async with self._turn:
                if groups and self._driver is not None and not self._lost.is_set():
                    await self._plan_again(self._driver, groups)

    def _incomplete_groups(self) -> list[ScanGroup]:
        planned = [group for group in self._groups if group.number in self._plans]
        return [group for group in planned if not self._plans[group.number].is_complete]

    async def _plan_again(self, driver: Driver, groups: Sequence[ScanGroup], gone: Sequence[ScanGroup] = ()) -> None:
        try:
            for group in gone:
                await uncancelled(driver.forget(group))
            if groups:
                self._plans.update(await self._planned(driver, groups))
        except Exception as error:  # noqa: BLE001 - last line of defence, as at the first plans
            self._fail(error)

    async def _sleep_unless_lost(self, pause_us: int) -> None:
        due_us = self._timer.clock.monotonic_us() + pause_us
        waits = [asyncio.create_task(self._lost.wait()), asyncio.create_task(self._timer.sleep_until(due_us))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _disconnect(self) -> None:
        driver, self._driver, self._plans = self._driver, None, {}
        if driver is not None:
            await driver.close()

    def _fail(self, error: Exception) -> None:
        """The connection is of no use any more: say so once, and turn every tag of the source Bad now."""
        self._status = _status_of(error)
        self._plans = {}
        self.health.note_error(self._status, str(error) or type(error).__name__)
        self._lost.set()
        if not isinstance(error, SourceError):
            log.error("%s: a fault in the collector itself; the source is tried again", self.name, exc_info=error)
        now_us, message = self._timer.clock.monotonic_us(), self.health.last_error
        if self._silent:
            is_told = self._log.failed_again(message, now_us)
        else:
            is_told = self._log.lost(message, now_us)
            self._note_silence()
            self._send_all_bad()
        if is_told:
            self._sink.event("lost", self.name, message)

    def _note_silence(self) -> None:
        self._silent = True
        if self._backfill is not None:
            self._backfill.lost(self.health.last_good_us or self._timer.clock.wall_us())

    # -- the scans -----------------------------------------------------------------------------------------------

    async def _scan_forever(self, group: ScanGroup, grid: ScanGrid) -> None:
        index = grid.index_after(self._timer.clock.monotonic_us())
        while True:
            due_us = grid.due_us(index)
            await self._timer.sleep_until(due_us)
            await self._scan(group, due_us)
            following = max(grid.index_after(self._timer.clock.monotonic_us()), index + 1)
            self.health.overruns += following - index - 1
            index = following

    async def _scan(self, group: ScanGroup, due_us: int | None = None) -> None:
        if group.number not in self._plans:
            self._send_bad(group)
            return
        # Whoever waits for a turn here is slow; whoever comes late stood still.
        began_us = self._timer.clock.monotonic_us()
        async with self._turn:
            # The connection may have been lost while another group had its turn.
            plan = self._plans.get(group.number)
            if plan is None or self._driver is None:
                self._send_bad(group)
                return
            if due_us is not None:
                # Not before it has its turn: to wait for another group of the source is to be late as well.
                self._note_lateness(due_us)
            await self._read(group, self._driver, plan, began_us)

    async def _read(self, group: ScanGroup, driver: Driver, plan: ReadPlan, began_us: int) -> None:
        clock = self._timer.clock
        started_us = clock.monotonic_us()
        try:
            reading = await uncancelled(driver.read(group, plan))
        except Exception as error:  # noqa: BLE001 - last line of defence: one source must not stop the others
            if self._driver is driver:
                self._fail(error)
            return
        if not reading.tells_all:
            # When it began, by the clock as it is now: it may have been set meanwhile.
            self._mark_hole(group, clock.wall_us() - (clock.monotonic_us() - began_us), reading)
        for earlier in reading.before:
            self._sink.accept(_scan_of(group, earlier, clock.wall_us()))
        scan = _scan_of(group, reading, clock.wall_us())
        self.health.skewed += sum(each.skewed for each in (*reading.before, reading))
        self.health.lost += reading.lost
        self.health.requests += plan.requests
        self._holes.note(group, reading, scan.arrival_us)
        self._note_reading(scan, clock.monotonic_us() - started_us)
        self._log.first_reading(group, scan)
        if reading.finding:
            self._log.learned(reading.finding)
            self._sink.event("learned", self.name, reading.finding)
        self._sink.accept(scan)

    def _send_bad(self, group: ScanGroup) -> None:
        """Say that there was no answer; nothing before the first attempt has failed, for then nothing is known yet."""
        if self._status is None:
            return
        now_us = self._timer.clock.wall_us()
        self._mark_hole(group, now_us)
        self._holes.forget(group)
        self._note_points(group.number, Points(0, 0, len(group.tags)))
        self._sink.accept(Scan.unanswered(group.number, len(group.tags), now_us, self._status))

    def _mark_hole(self, group: ScanGroup, until_us: int, reading: Reading | None = None) -> None:
        """Say that a group was not read for long though nothing had failed."""
        hole = self._holes.before(group, until_us, reading)
        if hole is None:
            return
        text = f"the scan class {group.scan_class} was not read for {hole.length_us / US_PER_S:,.0f} s"
        log.warning("%s: %s: the process or its machine stood still, or its clock was set", self.name, text)
        self._sink.event("not read", self.name, text)
        self._sink.accept(hole.scan)
        if self._backfill is not None:
            self._backfill.lost(hole.since_us)

    # -- the figures ---------------------------------------------------------------------------------------------

    def _note_lateness(self, due_us: int) -> None:
        self.health.note_lateness((self._timer.clock.monotonic_us() - due_us) / 1000)

    def _note_reading(self, scan: Scan, latency_us: int) -> None:
        health = self.health
        health.scans += 1
        health.note_latency(latency_us / 1000)
        points = Points.of(scan.status)
        self._note_points(scan.group, points)
        if points.bad < len(scan):
            health.last_good_us = scan.arrival_us
        self._backoff.reset()
        self._status = None
        if self._backfill is not None:
            self._backfill.recovered(scan.arrival_us)
        if self._silent:
            self._silent = False
            health.reconnects += 1
            if self._log.recovered(health.url):
                self._sink.event("recovered", self.name, f"{health.url} answers again")

    def _note_points(self, group: int, points: Points) -> None:
        self._points[group] = points
        health = self.health
        health.good, health.uncertain, health.bad = map(sum, zip(*self._points.values(), strict=True))
        health.updated_us = self._timer.clock.wall_us()


def _scan_of(group: ScanGroup, reading: Reading, arrival_us: int) -> Scan:
    return Scan(
        group.number, arrival_us, reading.time_us, reading.value, reading.status, reading.exact, reading.text
    )  # fmt: skip


def _status_of(error: Exception) -> int:
    match error:
        case SourceUnavailableError():
            return error.status
        case SourceError():
            return BAD_COMMUNICATION_ERROR
        case _:
            return BAD_INTERNAL_ERROR
