"""From the points of a scan group to the fewest requests that read them all; pure, no network.

Between the configuration's points and the driver.  Neighbouring values share a request, unused registers between them
are read along up to a limit, because a request costs about as much as a hundred registers; a value of several registers
is never split over two requests.  Loops over points are plain Python: a plan is made once a connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from typing import Final

from historian.config.modbus_address import TABLE_SIZE, ModbusPoint, ModbusTable

BITS_PER_REGISTER: Final = 16
"""A gap of bits costs what a gap of the registers that could hold them does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and how many unused registers may be read to save one."""

    max_registers: int
    max_bits: int
    max_gap: int

    def of_table(self, table: ModbusTable) -> tuple[int, int]:
        """The most cells (registers or bits) of one request in this table, and the widest gap."""
        if table in ("hr", "ir"):
            return self.max_registers, self.max_gap
        return self.max_bits, self.max_gap * BITS_PER_REGISTER


@dataclass(frozen=True, slots=True)
class Segment:
    """Cells ``start`` to ``stop`` (exclusive) that must be read together, and the lanes that they hold."""

    start: int
    stop: int
    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One request: ``segments`` of one table, in the order of their addresses.

    ``base`` is where its first cell goes in the reading's buffer of registers or bits.  ``refused``: the device has
    refused every segment of it.  ``settled``: it came out of finding out what the device refuses.  The cells to read
    are ``start`` to ``stop`` (exclusive).
    """

    table: ModbusTable
    segments: tuple[Segment, ...]
    base: int
    refused: bool = False
    settled: bool = False
    start: int = field(init=False)
    stop: int = field(init=False)

    def __post_init__(self) -> None:
        # Worked out once and not at each reading; the way round the lock of a frozen class is dataclasses' own.
        object.__setattr__(self, "start", self.segments[0].start)
        object.__setattr__(self, "stop", max(segment.stop for segment in self.segments))

    @property
    def count(self) -> int:
        """Cells to read."""
        return self.stop - self.start

    @property
    def is_register(self) -> bool:
        """True for registers, False for bits."""
        return self.table in ("hr", "ir")

    def part(self, segments: tuple[Segment, ...]) -> Block:
        """The request of some of its segments; their cells keep their places in the buffer."""
        return replace(self, segments=segments, base=self.base + segments[0].start - self.start)


def plan_blocks(points: Sequence[ModbusPoint], limits: Limits) -> tuple[Block, ...]:
    """The fewest requests for ``points`` (lane i is point i), by table and address.

    A point that is longer than a request may be is in no block.  Raises ValueError for addresses beyond the table.
    """
    blocks: list[Block] = []
    next_base = {True: 0, False: 0}
    for table, segments in _segments_by_table(points):
        longest, max_gap = limits.of_table(table)
        readable = [segment for segment in segments if segment.stop - segment.start <= longest]
        for cluster in _clusters(readable, max_gap):
            for window in _windows(cluster, longest):
                block = Block(table, window, 0)
                blocks.append(replace(block, base=next_base[block.is_register]))
                next_base[block.is_register] += block.count
    return tuple(blocks)


def _segments_by_table(points: Sequence[ModbusPoint]) -> Iterator[tuple[ModbusTable, list[Segment]]]:
    """Each table's segments, ordered by start and stop; points at the same place share one."""
    keyed = sorted((each.table, each.address, each.address + each.length, lane) for lane, each in enumerate(points))
    for table, of_table in groupby(keyed, key=lambda row: row[0]):
        segments = []
        for (_, start, stop), rows in groupby(of_table, key=lambda row: row[:3]):
            if start < 0 or stop > TABLE_SIZE:
                raise ValueError(f"cannot plan cells {start} to {stop - 1} of {table}, wanted 0 to {TABLE_SIZE - 1}")
            segments.append(Segment(start, stop, tuple(row[3] for row in rows)))
        yield table, segments


def _clusters(segments: Sequence[Segment], max_gap: int) -> Iterator[list[Segment]]:
    """Runs of segments without a gap wider than ``max_gap`` between them."""
    cluster: list[Segment] = []
    reached = 0
    for segment in segments:
        if cluster and segment.start - reached > max_gap:
            yield cluster
            cluster = []
        cluster.append(segment)
        reached = segment.stop if len(cluster) == 1 else max(reached, segment.stop)
    if cluster:
        yield cluster


def _windows(cluster: Sequence[Segment], longest: int) -> Iterator[tuple[Segment, ...]]:
    """Cut a cluster into the fewest windows: each begins at the first segment not yet read and takes all that fit.

    The first segment needs some window, and none that has it covers more than the one that starts with it.
    """
    left = deque(cluster)
    while left:
        limit = left[0].start + longest
        within = []
        while left and left[0].start < limit:
            within.append(left.popleft())
        yield tuple(segment for segment in within if segment.stop <= limit)
        left.extendleft(segment for segment in reversed(within) if segment.stop > limit)


def split(block: Block) -> tuple[Block, Block] | None:
    """Two requests for one that the device refused, or None for a single segment.

    Cut at a gap where there is one in the middle half, because unused registers are the likeliest to be missing, else
    in the middle.
    """
    segments = block.segments
    if len(segments) < 2:
        return None
    middle = len(segments) / 2
    near = range(max(1, len(segments) // 4), max(2, len(segments) - len(segments) // 4))
    reached = list(accumulate((segment.stop for segment in segments), max))
    gaps = [cut for cut in near if segments[cut].start > reached[cut - 1]]
    cut = min(gaps or near, key=lambda cut: abs(cut - middle))
    return block.part(segments[:cut]), block.part(segments[cut:])


def settle(block: Block, parts: Sequence[tuple[Block, bool]], limits: Limits) -> tuple[Block, ...]:
    """The requests to use from now on for ``block``, after its ``parts`` were tried (True: the device refused it).

    Neighbours that were refused become one request, so that a missing range costs one refusal a reading.  Neighbours
    that were answered are put together again where no gap is between them, once: a block that is refused as a whole
    though all its parts are answered is left in parts.
    """
    if len(parts) == 1:
        still_refused = block.refused and parts[0][1]
        return (block,) if block.refused == still_refused else (replace(block, refused=False),)
    longest, _ = limits.of_table(block.table)
    join_answered = not block.settled and any(refused for _, refused in parts)
    settled: list[Block] = []
    for refused, run in groupby(parts, key=lambda row: row[1]):
        # A refused part of several segments was not tried to the end: nothing is known of each of them.
        group = [replace(part, refused=refused and len(part.segments) == 1, settled=True) for part, _ in run]
        settled += _joined(group, longest) if join_answered and not refused else group
    return join_refused(settled, limits)


def join_refused(blocks: Sequence[Block], limits: Limits) -> tuple[Block, ...]:
    """Neighbouring blocks that are refused as one request each, as far as the limits allow."""
    joined: list[Block] = []
    for block in blocks:
        last = joined[-1] if joined else block
        beside = (last.table, last.base - last.start) == (block.table, block.base - block.start)
        longest, _ = limits.of_table(block.table)
        if joined and last.refused and block.refused and beside and _span(last, block) <= longest:
            joined[-1] = replace(last, segments=last.segments + block.segments)
        else:
            joined.append(block)
    return tuple(joined)


def _joined(parts: Sequence[Block], longest: int) -> list[Block]:
    """Neighbours without a gap between them put together, as far as ``longest`` allows."""
    joined = [parts[0]]
    for part in parts[1:]:
        if _span(joined[-1], part) <= longest and part.start <= joined[-1].stop:
            joined[-1] = replace(joined[-1], segments=joined[-1].segments + part.segments)
        else:
            joined.append(part)
    return joined


def _span(first: Block, second: Block) -> int:
    return max(first.stop, second.stop) - first.start
