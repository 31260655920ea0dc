"""Samples of some tags as questions about them want them: by tag and time, with what lies just outside the range asked.

What :mod:`storage` reads becomes a :class:`Series`; everything that computes from samples takes one and knows neither
store nor SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array


@dataclass(frozen=True, slots=True)
class Series:
    """``n`` samples of ``k`` tags.  Rows ``starts[i]`` to ``starts[i + 1]`` are those of tag i, strictly increasing.

    ``starts`` intp[k + 1]; ``time_us`` int64[n], microseconds since 1970 UTC; ``value`` float64[n], NaN for text and
    where there is no value; ``status`` uint32[n]; ``exact`` and ``text`` by row, as in
    :class:`~historian.model.samples.Samples`.  ``stepped`` bool[k]: the value holds until the next sample; else it lies
    on the line to it.

    Of each tag the samples outside the range that its answers depend on are there too: the last one before it and the
    last two before it that are not Bad, the first after it and the first after it that is not Bad; for a question that
    takes Uncertain ones for Bad, those that are Good.  A tag without any before it has no samples before it in the
    store either: its first row is where its data begin.

    ``known_us`` int64[k]: the end of each tag's data, at or after its last row: when its source last answered, or its
    last sample where no source is asked any more.  From the last row to there the last sample holds; after it nothing
    is known.
    """

    starts: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    stepped: BoolArray
    known_us: Int64Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of tags."""
        return len(self.starts) - 1
