"""The planner: every point in exactly one request, limits kept, as few requests as a slow search finds."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.modbus.plan import Block, Limits, plan_blocks, settle, split
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


@given(points=many_points(), limits=st.builds(Limits, st.integers(8, 125), st.integers(8, 200), st.integers(0, 20)))
def test_the_answers_of_different_requests_do_not_overlap_in_the_buffer(
    points: list[ModbusPoint], limits: Limits
) -> None:
    for is_register in (True, False):
        blocks = [block for block in plan_blocks(points, limits) if block.is_register == is_register]
        places = [cell for block in blocks for cell in range(block.base, block.base + block.count)]
        assert sorted(places) == list(range(len(places)))


def fewest_requests(points: list[ModbusPoint], limits: Limits) -> int:
    """By trying every partition: the slow reference.  No request may cross a wide run of cells that no point uses."""
    used = {cell for each in points for cell in range(each.address, each.address + each.length)}

    def possible(members: tuple[int, ...]) -> bool:
        start = min(points[lane].address for lane in members)
        stop = max(points[lane].address + points[lane].length for lane in members)
        gap = widest = 0
        for cell in range(start, stop):
            gap = 0 if cell in used else gap + 1
            widest = max(widest, gap)
        return stop - start <= limits.max_registers and widest <= limits.max_gap

    @cache
    def best(left: frozenset[int]) -> int:
        if not left:
            return 0
        first, *others = sorted(left)
        choices = []
        for mask in range(2 ** len(others)):
            members = (first, *(other for bit, other in enumerate(others) if mask >> bit & 1))
            if possible(members):
                choices.append(1 + best(left - frozenset(members)))
        return min(choices)

    return best(frozenset(range(len(points))))


@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.sampled_from([1, 2, 4])), max_size=7),
    limits=st.builds(Limits, st.integers(4, 24), st.just(8), st.integers(0, 6)),
)
def test_no_plan_has_fewer_requests(rows: list[tuple[int, int]], limits: Limits) -> None:
    points = registers(*rows)
    assert len(plan_blocks(points, limits)) == fewest_requests(points, limits)


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


# --- what the device refuses


def one_block(*places: tuple[int, int]) -> Block:
    (block,) = plan_blocks(registers(*places), PLENTY)
    return block


def halves(block: Block) -> tuple[Block, Block]:
    both = split(block)
    assert both is not None
    return both


def find_out(block: Block, missing: set[int]) -> tuple[list[tuple[Block, bool]], int]:
    """Split as long as the device (without the cells ``missing``) refuses; the parts, and how many requests."""
    refused = not missing.isdisjoint(range(block.start, block.stop))
    both = split(block) if refused else None
    if both is None:
        return [(block, refused)], 1
    found = [find_out(half, missing) for half in both]
    return [part for parts, _ in found for part in parts], 1 + sum(requests for _, requests in found)


def test_a_hole_between_points_costs_one_split() -> None:
    block = one_block((0, 1), (1, 1), (2, 1), (10, 1), (11, 1), (12, 1))
    parts, _ = find_out(block, {5})
    assert spans(settle(block, parts, PLENTY)) == [(0, 3), (10, 3)]


def test_the_parts_of_a_block_keep_their_places_in_the_buffer() -> None:
    block = one_block((50, 1), (51, 1), (53, 1))
    first, second = halves(block)
    assert (first.base, first.start) == (block.base, 50)
    assert second.base - block.base == second.start - 50


def test_a_missing_point_is_asked_for_alone_from_then_on() -> None:
    block = one_block(*((at, 1) for at in range(100)))
    parts, requests = find_out(block, {37})
    assert requests <= 2 * 7 + 1  # bisection: two a level
    assert spans(settle(block, parts, PLENTY)) == [(0, 37), (37, 1), (38, 62)]


def test_a_missing_range_costs_one_refusal_from_then_on() -> None:
    block = one_block(*((at, 1) for at in range(100)))
    parts, _ = find_out(block, set(range(40, 70)))
    settled = settle(block, parts, PLENTY)
    assert spans(settled) == [(0, 40), (40, 30), (70, 30)]
    assert [each.refused for each in settled] == [False, True, False]


def test_a_device_that_takes_fewer_registers_than_it_may_is_left_in_parts() -> None:
    block = one_block(*((at, 1) for at in range(100)))
    parts = [(part, False) for half in halves(block) for part in halves(half)]
    assert spans(settle(block, parts, PLENTY)) == [(0, 25), (25, 25), (50, 25), (75, 25)]


def test_a_part_that_was_not_tried_to_the_end_is_tried_again() -> None:
    block = one_block(*((at, 1) for at in range(8)))
    first, second = halves(block)
    settled = settle(block, [(first, False), (second, True)], PLENTY)
    assert [(each.start, each.count, each.refused) for each in settled] == [(0, 4, False), (4, 4, False)]


def test_a_refused_range_that_answers_again_is_an_ordinary_block() -> None:
    block = one_block((0, 1), (1, 1))
    (refused,) = settle(block, find_out(block, {0, 1})[0], PLENTY)
    assert refused.refused
    assert settle(refused, [(refused, True)], PLENTY) == (refused,)
    assert not settle(refused, [(refused, False)], PLENTY)[0].refused


@given(
    rows=st.lists(st.tuples(st.integers(0, 100), st.sampled_from([1, 2, 4])), min_size=1, max_size=20),
    missing=st.sets(st.integers(0, 104), max_size=12),
)
def test_only_the_missing_points_are_lost(rows: list[tuple[int, int]], missing: set[int]) -> None:
    """Whatever a device lacks: after settling, a point of which no cell is missing is in a block that is answered."""
    points = registers(*rows)
    for block in plan_blocks(points, Limits(125, 2000, 3)):
        settled = settle(block, find_out(block, missing)[0], PLENTY)
        lanes = [lane for each in settled for segment in each.segments for lane in segment.lanes]
        assert sorted(lanes) == sorted(lane for segment in block.segments for lane in segment.lanes)
        for each in settled:
            answered = missing.isdisjoint(range(each.start, each.stop))
            for segment in each.segments:
                assert answered or not missing.isdisjoint(range(segment.start, segment.stop))
