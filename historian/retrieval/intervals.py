"""The intervals that an answer has a row for: of a fixed length, of a calendar, of shifts, or any others."""

from __future__ import annotations

from dataclasses import dataclass

from historian.model.samples import Int64Array


@dataclass(frozen=True, slots=True)
class Intervals:
    """``m`` intervals in the order of the answer's rows.

    ``start_us``, ``end_us`` int64[m], microseconds since 1970 UTC, ``start_us < end_us``.  Forwards an interval is
    [start, end) and is named by its start; with ``reverse`` it is (start, end], is named by its end, and the later ones
    come first (OPC 10000-13, 4.2.1).
    """

    start_us: Int64Array
    end_us: Int64Array
    reverse: bool = False

    def __len__(self) -> int:
        return len(self.start_us)
