"""When points that a device refuses are asked for again: at the next reading, then ever more rarely.

Used by the driver.  A range that is missing for good must not cost a request a scan, and one that comes back (a device
that was starting, a module that was plugged in) must not stay unread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from collectors.modbus.plan import Block
from historian.model.status import BAD_CONFIGURATION_ERROR

LONGEST_WAIT: Final = 64
"""Readings between two attempts, at the most; from then on each attempt also tries the parts of a range."""


@dataclass(slots=True)
class _Wait:
    readings: int
    due: int
    status: int


@dataclass(slots=True)
class Patience:
    """The refused ranges of one group; ``reading`` counts its readings."""

    _waits: dict[tuple[str, int, int], _Wait] = field(default_factory=dict)

    def is_due(self, block: Block, reading: int) -> bool:
        """Whether to ask for it in this reading."""
        wait = self._waits.get(_key(block))
        return wait is None or reading >= wait.due

    def status(self, block: Block) -> int:
        """With which status it was refused."""
        wait = self._waits.get(_key(block))
        return BAD_CONFIGURATION_ERROR if wait is None else wait.status

    def refused(self, block: Block, reading: int, status: int) -> bool:
        """It was refused again; True when it is time to try its parts as well."""
        wait = self._waits.get(_key(block))
        readings = 1 if wait is None else min(2 * wait.readings, LONGEST_WAIT)
        self._waits[_key(block)] = _Wait(readings, reading + readings, status)
        return readings == LONGEST_WAIT

    def keep_only(self, blocks: tuple[Block, ...]) -> None:
        """Forget ranges that are no longer asked for."""
        keys = {_key(block) for block in blocks}
        self._waits = {key: wait for key, wait in self._waits.items() if key in keys}


def _key(block: Block) -> tuple[str, int, int]:
    return block.table, block.start, block.stop
