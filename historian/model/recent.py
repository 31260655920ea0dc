"""The last few hundred of a figure, for its median and its 99th percentile: what is slow now, not what once was."""

from __future__ import annotations

from typing import Final

import numpy as np

KEPT: Final = 512
"""So many are looked at: 8 minutes of scans a second.  Sorting them takes 8 microseconds."""


class Recent:
    """The newest ``kept`` values of a figure."""

    __slots__ = ("_count", "_values")

    def __init__(self, kept: int = KEPT) -> None:
        self._values = np.zeros(kept, np.float64)
        self._count = 0

    def note(self, value: float) -> None:
        """One more; the oldest goes when there are too many."""
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def percentile(self, percent: float) -> float:
        """The smallest of them that is not below so many percent of them (nearest rank); 0 without any."""
        values = np.sort(self._values[: self._count])
        return float(values[max(int(np.ceil(len(values) * percent / 100)), 1) - 1]) if len(values) else 0.0
