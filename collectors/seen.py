"""Which of many things were there before, at 8 to 24 bytes a thing: their hashes in one flat table.

For walks through servers of any size.  A set of Python's takes 80 bytes a hash.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Final

_SMALLEST: Final = 1 << 10
_HASH: Final = 2**64 - 1
_FREE: Final = 0
_SPREAD: Final = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4)."""


class Seen:
    """The things that were added; one is taken for another with a chance of 2**-64 for each pair of them.

    Open addressing with linear probing (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm L); the table
    is never more than two thirds full.
    """

    def __init__(self) -> None:
        self._table = array("Q", [_FREE]) * _SMALLEST
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, thing: Hashable) -> bool:
        number = _number(thing)
        return self._table[_place(self._table, number)] == number

    def add(self, thing: Hashable) -> bool:
        """Note it; False when it was there before."""
        number = _number(thing)
        place = _place(self._table, number)
        if self._table[place] == number:
            return False
        self._table[place] = number
        self._count += 1
        if 3 * self._count > 2 * len(self._table):
            self._grow()
        return True

    def _grow(self) -> None:
        larger = array("Q", [_FREE]) * (2 * len(self._table))
        # A loop over what is there, a microsecond each and once in each doubling.
        for number in self._table:
            if number != _FREE:
                larger[_place(larger, number)] = number
        self._table = larger


def _number(thing: Hashable) -> int:
    """Its hash as an unsigned number, which is never the sign of a free place."""
    return hash(thing) & _HASH or _SPREAD


def _place(table: array[int], number: int) -> int:
    """Where ``number`` is in ``table``, or the free place where it belongs."""
    mask = len(table) - 1
    # Whole numbers are their own hashes, often with the same last bits: multiplied they spread.
    place = (number * _SPREAD & _HASH) >> 32 & mask
    while table[place] not in (_FREE, number):
        place = place + 1 & mask
    return place
