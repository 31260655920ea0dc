"""Samples of many lanes over a length of time, in columns: what exception reporting and the door judge in one go.

:class:`~historian.compression.lanes.LaneSamples` is one instant of all lanes, this is a stretch of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from historian.model.samples import (
    BoolArray,
    FloatArray,
    IndexArray,
    Int32Array,
    Int64Array,
    Samples,
    UInt32Array,
    take_extras,
)


@dataclass(frozen=True, slots=True)
class LaneSeries:
    """Any number of samples of each lane, one lane after the other, in each strictly increasing in time.

    Lane k has the rows from ``starts[k]`` up to, not including, ``starts[k + 1]`` (intp[lanes + 1]).  ``time_us``
    int64[n]; ``value`` float64[n], NaN for text and where there is no value; ``status`` uint32[n]; ``exact`` and
    ``text`` by row, as in :class:`~historian.model.samples.Samples`.
    """

    starts: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time_us)

    @classmethod
    def of(cls, samples: Samples) -> LaneSeries:
        """``samples``, sorted by tag and time: each tag with samples is a lane, in their order."""
        begins = np.flatnonzero(np.diff(samples.tag_id)) + 1
        starts = np.concatenate([[0], begins, [len(samples)]]) if len(samples) else np.zeros(1, np.intp)
        return cls(starts, samples.time_us, samples.value, samples.status, samples.exact, samples.text)

    def lanes(self) -> int:
        """How many lanes there are, with or without samples."""
        return len(self.starts) - 1

    def lane_of_rows(self) -> IndexArray:
        """intp[n]: the lane of each row."""
        return np.repeat(np.arange(self.lanes()), np.diff(self.starts))

    def begins(self) -> BoolArray:
        """bool[n]: the row is the first of its lane."""
        begins = np.zeros(len(self), np.bool_)
        starts = self.starts[:-1]
        begins[starts[starts < self.starts[1:]]] = True
        return begins

    def take(self, rows: IndexArray) -> LaneSeries:
        """The samples at ``rows`` (intp, strictly increasing), in the same lanes; itself when that is all of them."""
        if len(rows) == len(self):
            return self
        return LaneSeries(
            np.searchsorted(rows, self.starts),
            self.time_us[rows],
            self.value[rows],
            self.status[rows],
            take_extras(self.exact, rows),
            take_extras(self.text, rows),
        )

    def to_samples(self, tag_id_of_lane: Int32Array) -> Samples:
        """The same samples by tag, as the store takes them; ``tag_id_of_lane`` int32[lanes]."""
        tag_id = np.repeat(tag_id_of_lane, np.diff(self.starts))
        return Samples(tag_id, self.time_us, self.value, self.status, self.exact, self.text)

    def value_at(self, row: int) -> float | int | str:
        """The value of one row as it is: text, a whole number that a double would round, or a double (NaN: none)."""
        return self.text.get(row, self.exact.get(row, float(self.value[row])))

    def require_increasing(self) -> None:
        """Raise ValueError unless the times of each lane increase strictly."""
        stale = np.diff(self.time_us) <= 0
        stale &= ~self.begins()[1:]
        if stale.any():
            row = int(np.argmax(stale))
            lane = int(np.searchsorted(self.starts, row, side="right")) - 1
            raise ValueError(
                f"cannot compress lane {lane}: got a sample at {self.time_us[row + 1]} us after one at "
                f"{self.time_us[row]} us, wanted a later one; sort the samples and leave out those of equal time"
            )


def pieces(begin: IndexArray, stop: IndexArray, longest: int) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Stretches of rows cut into ``longest`` rows at most: the stretch each comes from, its begin, its stop.

    Each intp[m]; empty stretches give none.
    """
    counts = -(-np.maximum(stop - begin, 0) // longest)
    source = np.repeat(np.arange(len(begin)), counts)
    place = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = begin[source] + place * longest
    return source, first, np.minimum(first + longest, stop[source])
