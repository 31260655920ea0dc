"""How a figure is spread since the start: a few numbers however long it is noted, for shares that hold over years."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LIMITS_MS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1_000, 5_000)
BEYOND: Final = "more"
"""Stands for a limit where there is none."""

_NAMES: Final = (*map(str, LIMITS_MS), BEYOND)


class Spread:
    """How often a figure was at most each of some limits, and more than the one before.

    ``counts`` are those that it begins with, as :meth:`as_mapping` gives them.
    """

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[str, int] = MappingProxyType({})) -> None:
        self._counts = [counts.get(name, 0) for name in _NAMES]

    def note(self, value_ms: float) -> None:
        """One more."""
        self._counts[bisect_left(LIMITS_MS, value_ms)] += 1

    def as_mapping(self) -> dict[str, int]:
        """JSON-ready: the counts that are not 0 by their limits, those beyond all limits by :data:`BEYOND`."""
        return {name: count for name, count in zip(_NAMES, self._counts, strict=True) if count}


def limit_of(name: str) -> float:
    """The limit of this name in a mapping of counts; infinity for those beyond all."""
    return math.inf if name == BEYOND else float(name)


def limit_of_share(counts: Mapping[str, int], percent: float) -> float:
    """The smallest limit that so many percent did not exceed; infinity beyond all limits, 0 without any count."""
    wanted, so_far = sum(counts.values()) * percent / 100, 0
    if not wanted:
        return 0.0
    for limit in LIMITS_MS:
        so_far += counts.get(str(limit), 0)
        if so_far >= wanted:
            return float(limit)
    return math.inf
