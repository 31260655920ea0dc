"""From the points of a scan group to the cheapest requests that read them all; pure, no network.

Between the configuration's points and the driver.  Neighbouring values share a request, and unused registers between
them are read along where that takes less time than another request (:mod:`collectors.modbus.cost`).  A value of several
registers is never split over two requests, and what the device was found to refuse (:mod:`collectors.modbus.known`) is
kept out of the others' requests.  Loops over points are plain Python: a plan is made a few times a connection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby, takewhile
from typing import Final

import numpy as np

from collectors.modbus.cost import BITS_PER_REGISTER, NETWORK, Cost
from collectors.modbus.known import Known, Wall, Walls
from historian.config.modbus_address import TABLE_SIZE, ModbusPoint, ModbusTable

NOTHING_KNOWN: Final = Known()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration lets one request ask for.

    ``max_gap``: so many unused registers may be read along, None for as many as it is worth.  ``one_by_one``: each
    value in a request of its own.
    """

    max_registers: int
    max_bits: int
    max_gap: int | None = None
    one_by_one: bool = False

    @property
    def reads_gaps(self) -> bool:
        """Whether unused cells may be read at all."""
        return self.max_gap != 0 and not self.one_by_one

    def longest(self, table: ModbusTable) -> int:
        """The most cells (registers or bits) of one request in this table."""
        return self.max_registers if is_register_table(table) else self.max_bits


def is_register_table(table: ModbusTable) -> bool:
    """True for tables of registers, False for those of bits."""
    return table in ("hr", "ir")


@dataclass(frozen=True, slots=True)
class Segment:
    """Cells ``start`` to ``stop`` (exclusive) that must be read together, and the lanes that they hold."""

    start: int
    stop: int
    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One request: ``segments`` of one table, in the order of their addresses.

    ``refused``: the device is known to refuse it.  The cells to read are ``start`` to ``stop`` (exclusive).
    """

    table: ModbusTable
    segments: tuple[Segment, ...]
    refused: bool = False
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
        return is_register_table(self.table)

    @property
    def registers(self) -> float:
        """Its size in registers; a bit is 1/16."""
        return self.count if self.is_register else self.count / BITS_PER_REGISTER

    def part(self, segments: tuple[Segment, ...]) -> Block:
        """The request of some of its segments."""
        return replace(self, segments=segments)


def plan_blocks(
    points: Sequence[ModbusPoint], limits: Limits, cost: Cost = NETWORK, known: Known = NOTHING_KNOWN
) -> tuple[Block, ...]:
    """The cheapest requests for ``points`` (lane i is point i), by table and address.

    A point that is longer than the configuration lets a request be is in no block.  Raises ValueError for addresses
    beyond the table.
    """
    blocks: list[Block] = []
    for table, segments in _segments_by_table(points):
        readable = [segment for segment in segments if segment.stop - segment.start <= limits.longest(table)]
        blocks += _blocks_of_table(table, readable, limits, cost, known)
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


def _blocks_of_table(
    table: ModbusTable, segments: Sequence[Segment], limits: Limits, cost: Cost, known: Known
) -> Iterator[Block]:
    """What the device answers in as few requests as pay; what it refuses apart from that, neighbours together."""
    longest = min(limits.longest(table), known.limits.get(table, TABLE_SIZE))
    walls = known.of_table(table)
    answered: list[Segment] = []
    refused: list[Segment] = []
    for segment in segments:
        is_refused = segment.stop - segment.start > longest or _is_walled(segment, walls)
        (refused if is_refused else answered).append(segment)
    if limits.one_by_one:
        yield from (Block(table, (each,)) for each in answered)
    else:
        cell_us = cost.register_us if is_register_table(table) else cost.register_us / BITS_PER_REGISTER
        for cluster in _clusters(answered, _widest_gap(table, limits, cost), walls):
            yield from (Block(table, window) for window in _windows(cluster, longest, cost.request_us, cell_us))
    for cluster in _clusters(refused, 0):
        yield from (Block(table, window, refused=True) for window in fewest(cluster, limits.longest(table)))


def _widest_gap(table: ModbusTable, limits: Limits, cost: Cost) -> int:
    """The most unused cells between two values of a request: what pays, and what the configuration allows."""
    registers = cost.widest_gap if limits.max_gap is None else min(cost.widest_gap, limits.max_gap)
    return registers if is_register_table(table) else registers * BITS_PER_REGISTER


def _is_walled(segment: Segment, walls: Walls) -> bool:
    """Whether the device refuses some cell of the segment."""
    first = bisect_left(walls, segment.start, key=lambda wall: wall.stop)
    near = takewhile(lambda wall: wall.start < segment.stop, walls[first:])
    return any(wall.start < wall.stop and wall.is_crossed_by(segment.start, segment.stop) for wall in near)


def _clusters(segments: Iterable[Segment], max_gap: int, walls: Walls = ()) -> Iterator[list[Segment]]:
    """Runs of segments without a wall or a gap wider than ``max_gap`` between them."""
    cluster: list[Segment] = []
    reached = 0
    for segment in segments:
        if cluster and (segment.start - reached > max_gap or _is_wall_between(reached, segment.start, walls)):
            yield cluster
            cluster = []
        cluster.append(segment)
        reached = segment.stop if len(cluster) == 1 else max(reached, segment.stop)
    if cluster:
        yield cluster


def _is_wall_between(reached: int, start: int, walls: Walls) -> bool:
    at = bisect_left(walls, Wall(reached, 0))
    return at < len(walls) and walls[at].stop <= start


def _windows(
    cluster: Sequence[Segment], longest: int, request_us: float, cell_us: float
) -> Iterable[tuple[Segment, ...]]:
    """Cut a cluster into the cheapest windows."""
    reached = list(accumulate((segment.stop for segment in cluster), max))
    if reached[-1] - cluster[0].start <= longest:
        return [tuple(cluster)]  # no gap is wider than a request is worth
    is_plain = all(segment.start == before for segment, before in zip(cluster[1:], reached, strict=False))
    return fewest(cluster, longest) if is_plain else _cheapest(cluster, longest, request_us, cell_us)


def fewest(cluster: Sequence[Segment], longest: int) -> Iterator[tuple[Segment, ...]]:
    """The fewest windows: each begins at the first segment not yet read and takes all that fit.

    The first segment needs some window, and none that has it covers more than the one that starts with it.  A segment
    that is longer than a window may be has one of its own.
    """
    left = deque(cluster)
    while left:
        first = left.popleft()
        limit = max(first.start + longest, first.stop)
        within = [first]
        while left and left[0].start < limit:
            within.append(left.popleft())
        yield tuple(segment for segment in within if segment.stop <= limit)
        left.extendleft(segment for segment in reversed(within) if segment.stop > limit)


def _cheapest(
    cluster: Sequence[Segment], longest: int, request_us: float, cell_us: float
) -> list[tuple[Segment, ...]]:
    """The windows that take the least time together, by dynamic programming over the segments in their order.

    Some best way cuts them in that order: where a window held A and C and the next B between them, the one that reaches
    further could take the other's segment at no cost.  ``cost[k]`` is the least for the first k segments.
    """
    starts = np.array([segment.start for segment in cluster])
    stops = np.array([segment.stop for segment in cluster])
    first_near = np.searchsorted(starts, starts - longest, side="right")
    cost = np.zeros(len(cluster) + 1)
    cut = np.zeros(len(cluster) + 1, np.intp)
    # A loop over segments, vectorised over the windows that may end with each: a window depends on those before it.
    for end in range(1, len(cluster) + 1):
        near = first_near[end - 1]
        spans = np.maximum.accumulate(stops[near:end][::-1])[::-1] - starts[near:end]
        total = cost[near:end] + request_us + cell_us * spans
        total[spans > longest] = np.inf
        best = int(total.argmin())
        cost[end], cut[end] = total[best], near + best
    windows, end = [], len(cluster)
    while end:
        windows.append(tuple(cluster[cut[end] : end]))
        end = int(cut[end])
    return windows[::-1]


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


def fitting(block: Block, known: Known) -> list[Block]:
    """The block in requests as short as the device was found to want them meanwhile."""
    longest = known.limits.get(block.table, block.count)
    if block.count <= longest:
        return [block]
    return [block.part(window) for window in fewest(block.segments, longest)]
