"""Filling gaps from a device's own history, beside live collection: the oldest first, at a bounded rate.

A gap begins when a source is lost, or where the last run ended, and ends with the first reading after it.  What is
still to be filled is noted in the source's memory, so that a restart goes on where it was; a part that is brought twice
is in the store once.
"""

from __future__ import annotations

import json
from asyncio import Event
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from collectors.cancellation import uncancelled
from collectors.driver import ReadPlan
from collectors.health import SourceHealth
from collectors.memory import SourceMemory
from collectors.schedule import Timer
from collectors.sink import Sink
from collectors.source_log import log
from historian.errors import SourceError
from historian.model.clock import US_PER_S
from historian.model.scan import LateValues, ScanGroup

SLICE_US: Final = 3_600 * US_PER_S
"""So much of a gap is filled for all tags before the next part of it; what is noted as done goes by these."""

VALUES_PER_S: Final = 20_000
"""At most; about a third of what a server of asyncua gives, and a fraction of what a commit takes."""

MOST_WAITING: Final = 100_000
"""Values that may wait for the store."""

LOOK_AGAIN_US: Final = US_PER_S // 4
RETRY_US: Final = 60 * US_PER_S
"""After a page that could not be read; when the connection is lost, the next one begins at once."""

NAMED: Final = 3
"""So many tags without a history are named; the others are counted."""

KEY: Final = "backfill"


@dataclass(frozen=True, slots=True)
class History:
    """A page of a device's history; ``without`` are the lanes of which it has none."""

    values: LateValues
    without: tuple[int, ...] = ()


class HistoryDriver(Protocol):
    """A driver whose device keeps a history."""

    def history(self, group: ScanGroup, plan: ReadPlan, start_us: int, end_us: int) -> AsyncGenerator[History, None]:
        """What was from ``start_us`` on and before ``end_us``, in pages, of each lane in order.

        Raises SourceUnavailableError.
        """


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without readings."""

    start_us: int
    end_us: int


class Gaps:
    """What is to be filled of one source; of each gap at most its last ``limit_us``."""

    def __init__(self, memory: SourceMemory, limit_us: int) -> None:
        self._memory = memory
        self._limit_us = limit_us
        self._open_us, self._gaps = _recalled(memory.recall(KEY))
        self.there_are_some = Event()
        self._tell()

    def begin(self, at_us: int) -> None:
        """From here on there may be nothing; of several times the first counts."""
        if self._open_us is None:
            self._open_us = at_us
            self._note()

    def end(self, at_us: int) -> None:
        """There are readings again."""
        if self._open_us is not None:
            start_us = max(self._open_us, at_us - self._limit_us)
            self._open_us = None
            if start_us < at_us:
                self._gaps.append(Gap(start_us, at_us))
            self._note()

    def first(self) -> Gap:
        """The oldest; there must be one."""
        return self._gaps[0]

    def fill(self, up_to_us: int) -> bool:
        """The first gap is filled so far; whether it is filled to its end."""
        first = self._gaps.pop(0)
        if up_to_us < first.end_us:
            self._gaps.insert(0, Gap(up_to_us, first.end_us))
        self._note()
        return up_to_us >= first.end_us

    def _note(self) -> None:
        gaps = [[gap.start_us, gap.end_us] for gap in self._gaps]
        self._memory.remember(KEY, json.dumps({"open": self._open_us, "gaps": gaps}))
        self._tell()

    def _tell(self) -> None:
        if self._gaps:
            self.there_are_some.set()
        else:
            self.there_are_some.clear()


def _recalled(note: str | None) -> tuple[int | None, list[Gap]]:
    """What an earlier run has noted; nothing for a note that cannot be read."""
    try:
        noted = json.loads(note or "{}")
        return noted.get("open"), [Gap(int(start_us), int(end_us)) for start_us, end_us in noted.get("gaps", [])]
    except (ValueError, TypeError, AttributeError):
        return None, []


class Backfill:
    """Fills the gaps of one source while it is connected.  ``groups``: those that are filled; they may change."""

    def __init__(self, gaps: Gaps, groups: Sequence[ScanGroup], sink: Sink, timer: Timer, health: SourceHealth) -> None:
        self._gaps = gaps
        self.groups = tuple(groups)
        self._sink = sink
        self._timer = timer
        self._health = health
        self._count = 0
        self._without: set[str] = set()

    def lost(self, at_us: int) -> None:
        """The source does not answer since then."""
        self._gaps.begin(at_us)

    def recovered(self, at_us: int) -> None:
        """It answers (again)."""
        self._gaps.end(at_us)

    async def run(self, name: str, driver: HistoryDriver, plan_of: Callable[[ScanGroup], ReadPlan | None]) -> None:
        """Fill gaps, those that are there and those to come, until cancelled.  ``driver`` is connected."""
        while True:
            await self._gaps.there_are_some.wait()
            try:
                await uncancelled(self._fill(name, driver, plan_of))
            except SourceError as error:
                log.debug("%s: its history could not be read, this is tried again: %s", name, error)
                await self._pause(RETRY_US)
            except Exception:  # noqa: BLE001 - last line of defence: live collection goes on, and the gap stays noted
                log.exception("%s: a fault in the collector itself while filling a gap; it is tried again", name)
                await self._pause(RETRY_US)

    async def _fill(self, name: str, driver: HistoryDriver, plan_of: Callable[[ScanGroup], ReadPlan | None]) -> None:
        """One part of the oldest gap, for all tags."""
        gap = self._gaps.first()
        end_us = min(gap.start_us + SLICE_US, gap.end_us)
        for group in self.groups:
            plan = plan_of(group)
            if plan is None:
                await self._pause(RETRY_US)  # the connection has just been lost
                return
            async with aclosing(driver.history(group, plan, gap.start_us, end_us)) as pages:
                async for page in pages:
                    await self._take(group, page)
        # What is noted as filled must be in the store: a crash in between would leave a hole for ever.
        await self._until_stored(0)
        if self._gaps.fill(end_us):
            self._tell(name, gap.end_us)

    async def _take(self, group: ScanGroup, page: History) -> None:
        self._without.update(group.tags[lane].name for lane in page.without)
        count = len(page.values)
        if count:
            self._sink.accept_late(page.values)
        self._count += count
        self._health.backfilled += count
        await self._pause(count * US_PER_S // VALUES_PER_S)
        await self._until_stored(MOST_WAITING)

    async def _until_stored(self, waiting: int) -> None:
        while self._sink.late_waiting > waiting:
            await self._pause(LOOK_AGAIN_US)

    def _tell(self, name: str, end_us: int) -> None:
        text = f"{self._count:,} values from its history fill a gap up to {_shown(end_us)}{_without(self._without)}"
        self._sink.event("backfilled", name, text)
        log.warning("%s: %s", name, text)
        self._count = 0
        self._without.clear()

    async def _pause(self, pause_us: int) -> None:
        await self._timer.sleep_until(self._timer.clock.monotonic_us() + pause_us)


def _shown(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / US_PER_S, UTC):%Y-%m-%d %H:%M:%SZ}"


def _without(tags: set[str]) -> str:
    if not tags:
        return ""
    count, more = len(tags), f" and {len(tags) - NAMED:,} more" if len(tags) > NAMED else ""
    return f"; there is no history of {count:,} tag{'' if count == 1 else 's'}: {', '.join(sorted(tags)[:NAMED])}{more}"
