"""The planner: every point in exactly one request, limits kept, no requests that a slow search finds cheaper."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.modbus.cost import Cost
from collectors.modbus.known import Known, Wall
from collectors.modbus.plan import Block, Limits, fitting, plan_blocks, split
from historian.config.modbus_address import ModbusPoint, parse_modbus_address

LENGTHS = {"uint16": 1, "float32": 2, "float64": 4}


def point(table: str, address: int, length: int) -> ModbusPoint:
    kind = {1: "uint16", 2: "float32", 4: "float64"}.get(length, "string") if table in ("hr", "ir") else "bool"
    return ModbusPoint(table, address, None, kind, "ABCD", length)  # type: ignore[arg-type]


def registers(*places: tuple[int, int]) -> list[ModbusPoint]:
    return [point("hr", address, length) for address, length in places]


def spans(blocks: tuple[Block, ...]) -> list[tuple[int, int]]:
    return [(block.start, block.count) for block in blocks]


PLENTY = Limits(125, 2000, 16)


@st.composite
def many_points(draw: st.DrawFn) -> list[ModbusPoint]:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(["hr", "ir", "coil", "di"]), st.integers(0, 400), st.sampled_from([1, 2, 4, 8])),
            max_size=40,
        )
    )
    shift = draw(st.sampled_from([0, 65536 - 410]))
    return [point(table, shift + at, length if table in ("hr", "ir") else 1) for table, at, length in rows]


@given(points=many_points(), limits=st.builds(Limits, st.integers(8, 125), st.integers(8, 200), st.integers(0, 20)))
def test_every_point_is_read_once_and_whole(points: list[ModbusPoint], limits: Limits) -> None:
    blocks = plan_blocks(points, limits)
    lanes = [lane for block in blocks for segment in block.segments for lane in segment.lanes]
    assert sorted(lanes) == list(range(len(points)))
    for block in blocks:
        longest = limits.max_registers if block.table in ("hr", "ir") else limits.max_bits
        assert 1 <= block.count <= longest
        assert 0 <= block.start < block.start + block.count <= 65_536
        for segment in block.segments:
            for lane in segment.lanes:
                assert points[lane].table == block.table
                assert (points[lane].address, points[lane].length) == (segment.start, segment.stop - segment.start)
                assert block.start <= segment.start < segment.stop <= block.start + block.count


def cheapest_us(points: list[ModbusPoint], limits: Limits, cost: Cost, walls: list[Wall]) -> float:
    """By trying every partition: the slow reference."""
    used = {cell for each in points for cell in range(each.address, each.address + each.length)}

    def span(members: tuple[int, ...]) -> tuple[int, int]:
        return (
            min(points[lane].address for lane in members),
            max(points[lane].address + points[lane].length for lane in members),
        )

    def is_possible(members: tuple[int, ...]) -> bool:
        start, stop = span(members)
        gap = widest = 0
        for cell in range(start, stop):
            gap = 0 if cell in used else gap + 1
            widest = max(widest, gap)
        cells = set(range(start, stop))
        walled = any(cells & set(range(*wall)) or {wall.start - 1, wall.start} <= cells for wall in walls)
        return stop - start <= limits.max_registers and widest <= (limits.max_gap or 0) and not walled

    @cache
    def best(left: frozenset[int]) -> float:
        if not left:
            return 0.0
        first, *others = sorted(left)
        choices = []
        for mask in range(2 ** len(others)):
            members = (first, *(other for bit, other in enumerate(others) if mask >> bit & 1))
            if is_possible(members):
                start, stop = span(members)
                choices.append(cost.of(1, stop - start) + best(left - frozenset(members)))
        return min(choices)

    return best(frozenset(range(len(points))))


@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.sampled_from([1, 2, 4])), max_size=7),
    limits=st.builds(Limits, st.integers(4, 24), st.just(8), st.integers(0, 12)),
    request_us=st.sampled_from([1.0, 5.0, 20.0]),
    walls=st.sets(st.tuples(st.integers(0, 44), st.integers(0, 2)), max_size=2),
)
def test_no_plan_is_cheaper(
    rows: list[tuple[int, int]], limits: Limits, request_us: float, walls: set[tuple[int, int]]
) -> None:
    cost, known = Cost(request_us, 1.0), Known()
    for start, length in walls:
        known = known.with_wall("hr", Wall(start, start + length))
    # Points that lie on a wall are asked for apart from the others, and those across a boundary are no case.
    points = [
        each
        for each in registers(*rows)
        if not any(wall.is_crossed_by(each.address, each.address + each.length) for wall in known.of_table("hr"))
    ]
    blocks = plan_blocks(points, limits, cost, known)
    planned = cost.of(len(blocks), sum(block.count for block in blocks))
    # What reads over a gap that costs more than a request is never cheaper: the search may try it, too.
    assert planned == pytest.approx(cheapest_us(points, limits, cost, list(known.of_table("hr"))))


@given(
    rows=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 4])), min_size=1, max_size=40),
    longest=st.integers(8, 40),
)
def test_requests_are_the_fewest_where_registers_cost_nothing(rows: list[tuple[int, int]], longest: int) -> None:
    """Greedy by hand: begin at the first value that is not yet read, take the others that fit."""
    blocks = plan_blocks(registers(*rows), Limits(longest, 8), Cost(1.0, 0.0))
    left, requests = sorted(set(rows)), 0
    while left:
        requests += 1
        end = left[0][0] + longest
        left = [row for row in left if sum(row) > end]
    assert len(blocks) == requests


def test_neighbours_share_a_request() -> None:
    assert spans(plan_blocks(registers((104, 2), (100, 2), (102, 2)), PLENTY)) == [(100, 6)]


def test_gaps_are_read_along_up_to_the_limit() -> None:
    assert spans(plan_blocks(registers((0, 1), (17, 1)), PLENTY)) == [(0, 18)]
    assert spans(plan_blocks(registers((0, 1), (18, 1)), PLENTY)) == [(0, 1), (18, 1)]


def test_a_gap_of_bits_is_measured_in_registers() -> None:
    bits = [point("coil", address, 1) for address in (0, 257, 600)]
    assert spans(plan_blocks(bits, PLENTY)) == [(0, 258), (600, 1)]


def test_a_value_at_the_limit_is_not_split() -> None:
    assert spans(plan_blocks(registers(*((at, 2) for at in range(0, 200, 2))), PLENTY)) == [(0, 124), (124, 76)]


def test_the_whole_table_is_read() -> None:
    blocks = plan_blocks(registers((0, 1), (65_535, 1)), PLENTY)
    assert spans(blocks) == [(0, 1), (65_535, 1)]


def test_points_at_the_same_register_are_read_once() -> None:
    points = [parse_modbus_address(f"hr:7.{bit}", "bool") for bit in range(16)] + registers((7, 1), (7, 2))
    assert spans(plan_blocks(points, PLENTY)) == [(7, 2)]


def test_a_point_longer_than_a_request_is_in_none() -> None:
    blocks = plan_blocks(registers((0, 20), (5, 1)), Limits(10, 10, 0))
    assert [segment.lanes for block in blocks for segment in block.segments] == [(1,)]


def test_a_point_beyond_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"65536.*wanted 0 to 65535"):
        plan_blocks(registers((65_535, 2)), PLENTY)


def test_a_gap_is_read_along_where_that_is_cheaper_than_a_request() -> None:
    points = registers((0, 1), (41, 1))
    anything = Limits(125, 2000)
    assert spans(plan_blocks(points, anything, Cost(1000.0, 10.0))) == [(0, 42)]  # 400 us against 1,000
    assert spans(plan_blocks(points, anything, Cost(1000.0, 30.0))) == [(0, 1), (41, 1)]  # 1,200 against 1,000
    assert spans(plan_blocks(points, Limits(125, 2000, 39), Cost(1000.0, 10.0))) == [(0, 1), (41, 1)]


def test_two_hundred_scattered_points_take_few_requests() -> None:
    """Every fifth register of 1,000: a request each would be 200, reading along takes as many as 1,000 registers do."""
    points = registers(*((at, 1) for at in range(0, 1000, 5)))
    assert len(plan_blocks(points, Limits(125, 2000), Cost(20_000.0, 20.0))) == 8


def test_the_cut_lies_in_the_widest_gap() -> None:
    """Both ways take two requests; the one that leaves out the gap reads 30 registers less."""
    points = registers(*((at, 1) for at in [*range(60), *range(90, 140)]))
    assert spans(plan_blocks(points, Limits(125, 2000), Cost(1000.0, 10.0))) == [(0, 60), (90, 50)]


def test_one_by_one() -> None:
    points = registers((0, 2), (2, 2), (4, 1))
    assert spans(plan_blocks(points, Limits(125, 2000, None, one_by_one=True))) == [(0, 2), (2, 2), (4, 1)]


# --- what the device refuses


def one_block(*places: tuple[int, int]) -> Block:
    (block,) = plan_blocks(registers(*places), PLENTY)
    return block


def test_a_refused_block_is_halved_at_a_gap_in_its_middle() -> None:
    halves = split(one_block((0, 1), (1, 1), (2, 1), (10, 1), (11, 1)))
    assert halves is not None
    assert spans(halves) == [(0, 3), (10, 2)]
    assert split(one_block((7, 4))) is None


def test_no_request_reaches_over_a_wall() -> None:
    known = Known().with_wall("hr", Wall(5, 8))
    points = registers((0, 2), (3, 2), (8, 1), (12, 1))
    assert spans(plan_blocks(points, PLENTY, known=known)) == [(0, 5), (8, 5)]


def test_no_request_reaches_across_a_boundary() -> None:
    known = Known().with_wall("hr", Wall(100, 100))
    points = registers(*((at, 1) for at in range(80, 120)))
    assert spans(plan_blocks(points, PLENTY, known=known)) == [(80, 20), (100, 20)]


def test_refused_neighbours_are_asked_for_together() -> None:
    known = Known().with_wall("hr", Wall(40, 70))
    points = registers(*((at, 1) for at in range(100)))
    blocks = plan_blocks(points, PLENTY, known=known)
    assert sorted((each.start, each.count, each.refused) for each in blocks) == [
        (0, 40, False), (40, 30, True), (70, 30, False)
    ]  # fmt: skip


def test_a_value_longer_than_the_device_gives_is_asked_for_alone() -> None:
    blocks = plan_blocks(registers((0, 1), (1, 4), (5, 1)), PLENTY, known=Known().with_limit("hr", 2))
    assert sorted((each.start, each.count, each.refused) for each in blocks) == [
        (0, 1, False), (1, 4, True), (5, 1, False)
    ]  # fmt: skip


def test_a_block_is_cut_to_what_the_device_was_found_to_give() -> None:
    block = one_block(*((at, 2) for at in range(0, 100, 2)))
    assert spans(tuple(fitting(block, Known().with_limit("hr", 33)))) == [(0, 32), (32, 32), (64, 32), (96, 4)]


@given(
    points=many_points(),
    limits=st.builds(Limits, st.integers(8, 125), st.integers(8, 200), st.none() | st.integers(0, 20)),
    walls=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30)), max_size=6),
    limit=st.integers(4, 60),
)
def test_whatever_is_known_every_point_is_in_one_request(
    points: list[ModbusPoint], limits: Limits, walls: list[tuple[int, int]], limit: int
) -> None:
    known = Known().with_limit("hr", limit)
    for start, length in walls:
        known = known.with_wall("hr", Wall(start, start + length))
    blocks = plan_blocks(points, limits, known=known)
    lanes = [lane for block in blocks for segment in block.segments for lane in segment.lanes]
    assert sorted(lanes) == list(range(len(points)))
    for block in blocks:
        if block.table == "hr" and not block.refused:
            assert block.count <= limit
            missing = {cell for wall in known.of_table("hr") for cell in range(*wall)}
            assert missing.isdisjoint(range(block.start, block.stop))
