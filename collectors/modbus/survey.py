"""A survey of an address: which units answer there, and which of their cells can be read.  For ``historian probe``.

Slow on purpose, one small request after the other with a pause between them, and bounded: it is a plant's network that
is looked at, and the devices on it have other work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from collectors.modbus.driver import FUNCTIONS
from collectors.modbus.link import Link, LinkError, NoAnswerError
from collectors.modbus.plan import is_register_table
from collectors.modbus.request import UNREACHABLE, Answer, Function, ReadRequest, answer_of
from historian.config.modbus_address import ModbusTable
from historian.config.settings import ModbusSource
from historian.model.clock import US_PER_S, Clock
from historian.model.status import GOOD

TABLES: Final[tuple[ModbusTable, ...]] = ("hr", "ir", "coil", "di")

ILLEGAL_FUNCTION: Final = 1
REFUSING: Final = frozenset((1, 2, 3, 4))
"""Exceptions that say that these cells cannot be read so; the others (busy, gateway) say nothing of them."""

QUIET_US: Final = 30_000
MOST_QUIET_US: Final = 300_000

GRID: Final = 25
"""In a refused stretch each cell at a multiple of this is tried: memory areas are long, or begin at round numbers."""

PATIENCE: Final = 3
"""A unit that gives no clear answer to so many questions in a row is left alone."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells ``start`` to ``stop`` (exclusive) of a unit's table."""

    unit: int
    table: ModbusTable
    start: int
    stop: int


@dataclass(slots=True)
class Found:
    """What a survey has found so far: ``units`` that answer, ``ranges`` that can be read.

    ``unclear`` was asked for twice without an answer that says whether it can be read.  ``finished``: units of which
    all was looked at; ``is_whole``: it did not run out of requests.
    """

    units: list[int] = field(default_factory=list)
    ranges: list[Cells] = field(default_factory=list)
    unclear: list[Cells] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    requests: int = 0
    is_whole: bool = True


class _OutOfRequestsError(Exception):
    """The survey has used up the requests that it may send."""


class _UnitGoneError(Exception):
    """The unit does not answer any more."""


class Survey:
    """One survey.  ``pause_us`` lies between two requests, ``most`` are sent; ``said`` is told each step."""

    def __init__(
        self, source: ModbusSource, clock: Clock, *, pause_us: int, most: int, said: Callable[[str], None]
    ) -> None:
        self._source = source
        self._link = Link(source.endpoint, source.tls, clock)
        self._pause_s = pause_us / US_PER_S
        self._most = most
        self._said = said
        self._longest = self._in_vain = 0
        self.found = Found()

    async def run(self, units: Sequence[int], stop: int) -> Found:
        """Look for ``units``, and for the cells 0 to ``stop`` of those that answer.

        Raises LinkError when there is no connection.
        """
        await self._link.open(self._source.timeout_us)
        try:
            for unit in units:
                self._said(f"unit {unit}")
                if await self._is_there(unit):
                    self.found.units.append(unit)
            for unit in self.found.units:
                await self._survey_unit(unit, stop)
        except _OutOfRequestsError:
            self.found.is_whole = False
        finally:
            self._link.close()
            await asyncio.sleep(0)
        return self.found

    async def _is_there(self, unit: int) -> bool:
        """Whether anything comes from this unit, be it a refusal."""
        answer = await self._ask(unit, Function.READ_HOLDING_REGISTERS, 0, 1)
        if answer is None and self._loses:
            answer = await self._ask(unit, Function.READ_HOLDING_REGISTERS, 0, 1)
        return answer is not None and answer.exception not in UNREACHABLE

    @property
    def _loses(self) -> bool:
        """Whether requests get lost on the way."""
        return not self._link.is_numbered or self._source.endpoint.transport == "udp"

    async def _survey_unit(self, unit: int, stop: int) -> None:
        self._in_vain = 0
        try:
            for table in TABLES:
                self._said(f"unit {unit}, {table}")
                await self._survey_table(unit, table, stop)
        except _UnitGoneError:
            return
        self.found.finished.append(unit)

    async def _survey_table(self, unit: int, table: ModbusTable, stop: int) -> None:
        """All readable stretches of a table; a table that the device does not have costs one request."""
        longest = self._longest = 125 if is_register_table(table) else 2000
        first = await self._ask(unit, FUNCTIONS[table], 0, 1)
        if first is not None and first.exception == ILLEGAL_FUNCTION:
            return
        for start in range(0, stop, longest):
            block = Cells(unit, table, start, min(start + longest, stop))
            if longest == self._longest and await self._is_read(block) is not False:
                continue  # all of it, or there is no telling
            for stretch in await self._sampled(block):
                await self._read(stretch)

    async def _sampled(self, block: Cells) -> list[Cells]:
        """What is probably readable in a block that is not all so, from some cells of it and a search for the edges."""
        marks = sorted({*range(block.start, block.stop, GRID), block.stop - 1})
        good = [mark for mark in marks if await self._is_readable(block, mark)]
        stretches: list[Cells] = []
        for before, mark, after in zip([block.start, *marks], marks, [*marks[1:], block.stop - 1], strict=False):
            if mark not in good:
                continue
            first = mark if before in good else await self._edge(block, mark, before)
            last = after if after in good else await self._edge(block, mark, after)
            if stretches and first <= stretches[-1].stop:
                stretches[-1] = replace(stretches[-1], stop=last + 1)
            else:
                stretches.append(replace(block, start=first, stop=last + 1))
        return stretches

    async def _edge(self, block: Cells, good: int, bad: int) -> int:
        """The cell nearest to ``bad`` that can be read, by halving."""
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            if await self._is_readable(block, middle):
                good = middle
            else:
                bad = middle
        return good

    async def _read(self, stretch: Cells) -> bool:
        """Read a stretch, and what is refused of it in halves; whether all of it was answered."""
        if stretch.stop - stretch.start > self._longest:
            whole, start = True, stretch.start
            while start < stretch.stop:
                stop = min(start + self._longest, stretch.stop)
                whole = await self._read(replace(stretch, start=start, stop=stop)) and whole
                start = stop
            return whole
        is_read = await self._is_read(stretch)
        if is_read is not False or stretch.stop - stretch.start == 1:
            return is_read is True
        middle = (stretch.start + stretch.stop) // 2
        left, right = await self._read(replace(stretch, stop=middle)), await self._read(replace(stretch, start=middle))
        if left and right:
            # It wants shorter requests.
            self._longest = min(self._longest, stretch.stop - middle)
        return left and right

    async def _is_readable(self, block: Cells, cell: int) -> bool:
        return await self._is_answered(replace(block, start=cell, stop=cell + 1)) is True

    async def _is_read(self, cells: Cells) -> bool | None:
        """Whether they can be read, all in one request; None when that stays unclear.  What can is noted."""
        is_answered = await self._is_answered(cells)
        if is_answered:
            _join(self.found.ranges, cells)
        return is_answered

    async def _is_answered(self, cells: Cells) -> bool | None:
        for _ in range(2):
            answer = await self._ask(cells.unit, FUNCTIONS[cells.table], cells.start, cells.stop - cells.start)
            if answer is not None and (answer.status == GOOD or answer.exception in REFUSING):
                self._in_vain = 0
                return answer.status == GOOD
        _join(self.found.unclear, cells)
        self._in_vain += 1
        if self._in_vain >= PATIENCE:
            raise _UnitGoneError
        return None

    async def _ask(self, unit: int, function: Function, address: int, count: int) -> Answer | None:
        """One request, after the pause; None when nobody answers.  Raises LinkError when the connection is lost."""
        if self.found.requests >= self._most:
            raise _OutOfRequestsError
        if self.found.requests:
            await asyncio.sleep(self._pause_s)
        self.found.requests += 1
        request = ReadRequest(function, address, count, unit)
        try:
            received = await self._link.exchange(request, self._source.timeout_us)
        except NoAnswerError:
            if not self._link.is_numbered:
                await self._link.settle(QUIET_US, MOST_QUIET_US)
            return None
        except LinkError:
            # Some gateways hang up on a unit that they do not know.
            await self._link_again()
            return None
        return answer_of(request, received.pdu)

    async def _link_again(self) -> None:
        self._link.close()
        self._link = self._link.another()
        await self._link.open(self._source.timeout_us)


def _join(known: list[Cells], cells: Cells) -> None:
    """One more stretch; it joins the one that it touches."""
    last = known[-1] if known else None
    if last is not None and (last.unit, last.table) == (cells.unit, cells.table) and last.stop >= cells.start:
        known[-1] = replace(last, stop=max(last.stop, cells.stop))
    else:
        known.append(cells)
