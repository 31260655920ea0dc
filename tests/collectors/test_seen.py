"""A thing is new once, whatever its hash, and a thing costs no more than its place in the table."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from collectors.seen import Seen

THINGS = st.one_of(st.text(max_size=5), st.integers(-5, 5), st.integers(), st.tuples(st.integers(0, 3), st.text()))


class SameHash:
    """Whatever is its hash alone is taken for the same."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __hash__(self) -> int:
        return self._number


@given(st.lists(THINGS))
def test_it_is_a_set(things: list[object]) -> None:
    seen, known = Seen(), set()
    for thing in things:
        assert (thing in seen) == (hash(thing) in known)
        assert seen.add(thing) == (hash(thing) not in known)
        known.add(hash(thing))
        assert thing in seen
        assert len(seen) == len(known)


def test_hashes_that_meet_in_the_table_are_told_apart() -> None:
    """Neither the sign of a free place nor hashes that differ in their highest bits alone are lost."""
    seen = Seen()
    hashes = [0, *(number << 50 for number in range(1, 1_000))]
    assert all(seen.add(SameHash(each)) for each in hashes)
    assert not any(seen.add(SameHash(each)) for each in hashes)


def test_a_hundred_thousand_things_take_a_few_megabytes() -> None:
    tracemalloc.start()
    try:
        seen = Seen()
        for number in range(100_000):
            seen.add(number)
        assert len(seen) == 100_000
        assert tracemalloc.get_traced_memory()[1] / 100_000 < 36  # two tables while it grows, of 8 bytes a place
    finally:
        tracemalloc.stop()
