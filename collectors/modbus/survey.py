"""A survey of an address: which units answer there, and which of their cells can be read.  For ``historian probe``.

Slow on purpose, one small request after the other with a pause between them, and bounded: it is a plant's network that
is looked at, and the devices on it have other work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
QUIET_US: Final = 30_000
MOST_QUIET_US: Final = 300_000

FINEST: Final = 32
"""Refused stretches of so many cells are not halved any further unless their first or last cell can be read."""


@dataclass(frozen=True, slots=True)
class Readable:
    """Cells ``start`` to ``stop`` (exclusive) of a table that a unit answers."""

    unit: int
    table: ModbusTable
    start: int
    stop: int


@dataclass(slots=True)
class Found:
    """What a survey has found so far.  ``is_whole``: it did not run out of requests."""

    units: list[int] = field(default_factory=list)
    ranges: list[Readable] = field(default_factory=list)
    requests: int = 0
    is_whole: bool = True


class _OutOfRequestsError(Exception):
    """The survey has used up the requests that it may send."""


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
                for table in TABLES:
                    self._said(f"unit {unit}, {table}")
                    await self._survey_table(unit, table, stop)
        except _OutOfRequestsError:
            self.found.is_whole = False
        finally:
            self._link.close()
            await asyncio.sleep(0)
        return self.found

    async def _is_there(self, unit: int) -> bool:
        """Whether anything comes from this unit, be it a refusal."""
        answer = await self._ask(unit, Function.READ_HOLDING_REGISTERS, 0, 1)
        return answer is not None and answer.exception not in UNREACHABLE

    async def _survey_table(self, unit: int, table: ModbusTable, stop: int) -> None:
        """All readable stretches of a table; a table that the device does not have costs one request."""
        longest = 125 if is_register_table(table) else 2000
        first = await self._ask(unit, FUNCTIONS[table], 0, 1)
        if first is None or first.exception == ILLEGAL_FUNCTION:
            return
        for start in range(0, stop, longest):
            await self._survey_cells(unit, table, start, min(start + longest, stop))

    async def _survey_cells(self, unit: int, table: ModbusTable, start: int, stop: int) -> None:
        answer = await self._ask(unit, FUNCTIONS[table], start, stop - start)
        if answer is None:
            return
        if answer.status == GOOD:
            self._add(Readable(unit, table, start, stop))
        elif stop - start > 1 and (stop - start > FINEST or await self._has_an_end(unit, table, start, stop)):
            middle = (start + stop) // 2
            await self._survey_cells(unit, table, start, middle)
            await self._survey_cells(unit, table, middle, stop)

    async def _has_an_end(self, unit: int, table: ModbusTable, start: int, stop: int) -> bool:
        """Whether the first or the last of these cells can be read."""
        return await self._is_readable(unit, table, start) or await self._is_readable(unit, table, stop - 1)

    async def _is_readable(self, unit: int, table: ModbusTable, cell: int) -> bool:
        answer = await self._ask(unit, FUNCTIONS[table], cell, 1)
        return answer is not None and answer.status == GOOD

    def _add(self, found: Readable) -> None:
        """One more stretch; it joins the one that it touches."""
        last = self.found.ranges[-1] if self.found.ranges else None
        if last is not None and (last.unit, last.table, last.stop) == (found.unit, found.table, found.start):
            self.found.ranges[-1] = Readable(last.unit, last.table, last.start, found.stop)
        else:
            self.found.ranges.append(found)

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
