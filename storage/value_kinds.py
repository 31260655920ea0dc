"""Tags whose values repeat, and tags whose values do not: each kind has a file of its own where there are many samples.

Parquet's writer takes one encoding of a column for a file.  Values of a converter of 12 or 14 bits want a dictionary,
those of 16 bits with noise and counters want BYTE_STREAM_SPLIT (docs/decisions/0042 has the measurements).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import FloatArray
from storage import archive
from storage.archive import Encoding
from storage.arrays import numpy_of
from storage.columns import values_of

SPLIT_ROWS: Final = 1_000_000
"""Fewer samples than these stay in one file, whatever they are."""

REPEATS: Final = 2.0
"""A dictionary pays while each of its values comes so often on average."""

DICTIONARY_VALUES: Final = 32_768
"""More values than these need too many bits each."""

LOOKED_AT: Final = 2048
"""So many values, spread over a row group, tell about how many different ones it has: 0.05 ms."""


@dataclass(frozen=True, slots=True)
class Encodings:
    """How values are written: all as ``repeating`` says where ``unique`` is None, else each kind in its own file."""

    repeating: Encoding
    unique: Encoding | None = None

    def of(self, group: pa.Table) -> Encoding:
        """For a row group of one file or the other."""
        return self.unique if self.unique is not None and is_unique(group) else self.repeating


def is_split(rows: int) -> bool:
    """Whether so many samples are worth a file for each kind."""
    return rows >= SPLIT_ROWS


def is_unique(group: pa.Table) -> bool:
    """Whether a row group belongs to the tags whose values do not repeat.

    Such a group is of one tag, and long: in others there is a little of everything, for which one encoding is as good
    as the next.
    """
    if len(group) < archive.MIN_GROUP_ROWS:
        return False
    tags = group.column("tag_id")
    ends = [int(numpy_of(tags.slice(place, 1), np.int32)[0]) for place in (0, len(group) - 1)]
    return ends[0] == ends[1] and not repeats(values_of(group))


def repeats(values: FloatArray) -> bool:
    """Whether a dictionary pays for the values of a row group (NaN: none), judged from some of them."""
    step = max(len(values) // LOOKED_AT, 1)
    some = np.sort(values[::step])
    some = some[: len(some) - int(np.isnan(some).sum())]  # behind all others when sorted
    if len(some) < 2:
        return True
    different = 1 + int(np.count_nonzero(some[1:] != some[:-1]))
    # Of d values that come equally often, n draws meet d (1 - exp(-n / d)) different ones.
    most = min(len(some) * step / REPEATS, DICTIONARY_VALUES)
    return different <= most * (1 - math.exp(-len(some) / most))
