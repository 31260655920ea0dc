"""Finding out what a device refuses: a refused request is taken apart until the reason is known.

Between the driver, which reads, and :mod:`collectors.modbus.known`, which keeps what was found.  A device that lacks
one register of a request refuses all of it; so does one that gives fewer registers at once than it may, and one whose
memory has a seam that no request may cross.  A few more requests tell which it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from collectors.modbus.known import Known, Wall
from collectors.modbus.plan import Block, Segment, fitting, split
from historian.model.status import GOOD

REQUESTS_PER_READING: Final = 32
"""Requests that one reading may spend on finding out; the rest is found out by the next ones."""

FEW_BOUNDARIES: Final = 3
"""A memory has few seams.  Where more are found in a table, the requests were too long: a device that gives one value
at a time looks like one with a seam behind each."""

LIMIT_REQUESTS: Final = 12
"""More than enough to find the longest request by halving: 2,000 bits take eleven."""


class Outcome(NamedTuple):
    """A block that was asked for: when it was answered (microseconds since 1970 UTC), and how.

    ``data`` has its cells when ``status`` is Good.  ``refused``: with an exception that smaller requests may avoid.
    """

    block: Block
    time_us: int
    status: int
    refused: bool
    data: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether there are data."""
        return self.status == GOOD


Ask: TypeAlias = Callable[[Block], Awaitable[Outcome]]
"""Reads a block; raises SourceUnavailableError when the device is gone or silent."""


@dataclass(slots=True)
class Exploration:
    """One reading's share of finding out.  ``known`` grows; ``left`` requests may still be spent."""

    ask: Ask
    known: Known
    left: int = REQUESTS_PER_READING

    async def read(self, block: Block) -> list[Outcome]:
        """Ask for a block; where it is refused, the outcomes are of its parts as far as they were tried."""
        return self._conclude(await self._read_pieces(block))

    async def take_apart(self, refused: Outcome) -> list[Outcome]:
        """The parts of a block that was refused, as far as they were tried."""
        return self._conclude(await self._halve(refused))

    def _conclude(self, parts: list[Outcome]) -> list[Outcome]:
        """What the parts of a block tell goes into ``known``."""
        answered = [part.block for part in parts if part.is_good]
        for part in parts:
            if part.refused and len(part.block.segments) == 1:
                self._add_walls(part.block, answered)
        return parts

    def _add_walls(self, refused: Block, answered: Sequence[Block]) -> None:
        """The cells of a refused value are missing, but for those that were answered as part of another value."""
        cells = Known().with_wall(refused.table, Wall(refused.start, refused.stop))
        for block in answered:
            cells = cells.without(refused.table, block.start, block.stop)
        for wall in cells.of_table(refused.table) or (Wall(refused.start, refused.stop),):
            self.known = self.known.with_wall(refused.table, wall)

    async def _read_pieces(self, block: Block) -> list[Outcome]:
        parts: list[Outcome] = []
        for piece in fitting(block, self.known):
            outcome = await self.ask(piece)
            parts += await self._halve(outcome) if outcome.refused else [outcome]
        return parts

    async def _halve(self, refused: Outcome) -> list[Outcome]:
        block = refused.block
        halves = split(block)
        if halves is None:
            return [refused]
        if self.left < 2:
            return [refused]
        self.left -= 2
        outcomes = [await self.ask(half) for half in halves]
        if all(outcome.is_good for outcome in outcomes):
            await self._explain(block, *halves)
        parts: list[Outcome] = []
        for outcome in outcomes:
            parts += await self._further(outcome)
        return parts

    async def _further(self, outcome: Outcome) -> list[Outcome]:
        if not outcome.refused:
            return [outcome]
        is_too_long = outcome.block.count > self.known.limits.get(outcome.block.table, outcome.block.count)
        return await (self._read_pieces(outcome.block) if is_too_long else self._halve(outcome))

    async def _explain(self, block: Block, left: Block, right: Block) -> None:
        """Both halves are answered, the whole is not: something lies between them, or it is too long."""
        if block.count > self.known.limits.get(block.table, block.count):
            return
        first, last = right.segments[0], left.segments[-1]
        seam = Segment(last.start, max(last.stop, first.stop), ())
        good = max(left.count, right.count)
        if left.stop > right.start:
            # All cells are there, and each boundary between them lies inside a value that was answered.
            self.known = self.known.with_limit(block.table, good)
        elif (seam.start, seam.stop) == (block.start, block.stop) or not await self._answers(block, seam):
            self._add_gap(block, Wall(left.stop, right.start), good)
        else:
            good = max(good, seam.stop - seam.start)
            self.known = self.known.with_limit(block.table, await self._longest(block, good))

    def _add_gap(self, block: Block, gap: Wall, good: int) -> None:
        """Between two values that are answered lie cells that are not, or a boundary."""
        self.known = self.known.with_wall(block.table, gap)
        if len(boundaries := self.known.boundaries(block.table)) > FEW_BOUNDARIES:
            self.known = self.known.without_boundaries(block.table, boundaries).with_limit(block.table, good)

    async def _longest(self, block: Block, good: int) -> int:
        """The most cells that the device gives at once, between ``good`` and the block that it refused."""
        bad = block.count
        for _ in range(LIMIT_REQUESTS):
            if bad - good <= 1:
                break
            middle = (good + bad) // 2
            if await self._answers(block, Segment(block.start, block.start + middle, ())):
                good = middle
            else:
                bad = middle
        return good

    async def _answers(self, block: Block, cells: Segment) -> bool:
        """Whether the device answers these cells of the block; all of them are known to be there."""
        outcome = await self.ask(block.part((cells,)))
        return outcome.is_good
