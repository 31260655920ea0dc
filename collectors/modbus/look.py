"""A look at some registers or bits of a device, whatever of them it refuses: for ``historian probe``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.modbus.bus import Bus
from collectors.modbus.connection import ModbusConnection
from collectors.modbus.driver import DIVISIBLE, FUNCTIONS
from collectors.modbus.explore import Exploration, Outcome
from collectors.modbus.known import Known, news
from collectors.modbus.plan import Block, Segment
from historian.config.modbus_address import ModbusTable
from historian.config.settings import ModbusSource
from historian.model.clock import Clock

PATIENCE: Final = 200
"""Requests that finding out what is refused may take: nobody waits for a schedule here."""


@dataclass(frozen=True, slots=True)
class Look:
    """Cells by address: what registers or bits hold; ``statuses`` of those that gave nothing.

    ``finding`` says what the device was found to refuse.
    """

    cells: Mapping[int, int]
    statuses: Mapping[int, int]
    finding: str
    requests: int
    took_us: int


class Looker:
    """Looks at one device, once."""

    def __init__(self, source: ModbusSource, clock: Clock) -> None:
        self._connection = ModbusConnection(source, Bus(source.endpoint, source.tls, clock))
        self._requests = self._took_us = 0

    async def look(self, table: ModbusTable, first: int, count: int) -> Look:
        """The cells from ``first`` on.  Raises SourceUnavailableError when there is no device or no answer."""
        exploration = Exploration(self._ask, Known(), PATIENCE)
        block = Block(table, tuple(Segment(cell, cell + 1, (cell,)) for cell in range(first, first + count)))
        try:
            await self._connection.open()
            outcomes = await exploration.read(block)
        finally:
            await self._connection.close()
        cells: dict[int, int] = {}
        statuses: dict[int, int] = {}
        for outcome in outcomes:
            span = range(outcome.block.start, outcome.block.stop)
            cells.update(zip(span, values(outcome), strict=False) if outcome.is_good else ())
            statuses.update(() if outcome.is_good else ((cell, outcome.status) for cell in span))
        return Look(cells, statuses, news(Known(), exploration.known), self._requests, self._took_us)

    async def _ask(self, block: Block) -> Outcome:
        answer = await self._connection.ask(FUNCTIONS[block.table], block.start, block.count)
        self._requests += 1
        self._took_us += answer.took_us
        return Outcome(block, answer.time_us, answer.status, answer.exception in DIVISIBLE, answer.data)


def values(outcome: Outcome) -> list[int]:
    """The registers or bits of a block that was answered."""
    if outcome.block.is_register:
        return [int(register) for register in np.frombuffer(outcome.data, ">u2")]
    bits = np.unpackbits(np.frombuffer(outcome.data, np.uint8), bitorder="little")
    return [int(bit) for bit in bits[: outcome.block.count]]
