"""Samples in columns: what flows from the pipeline to the store.

A sample is (tag, time, value, status).  Almost every value is exactly a double, so values live in one float64 column;
the few that are not are kept beside it by row: whole numbers that a double would round (``exact``) and text (``text``).
The value column is NaN for text and for samples without a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]
UInt32Array: TypeAlias = NDArray[np.uint32]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IndexArray: TypeAlias = NDArray[np.intp]

ExtraT = TypeVar("ExtraT")

EXACT_LIMIT = 2**53
"""Whole numbers up to this size are exact in a double; of larger ones, those a double would round go into ``exact``."""


@dataclass(frozen=True, slots=True)
class Samples:
    """``n`` samples in columns, in no particular order unless a function says so.

    ``tag_id`` int32[n]; ``time_us`` int64[n], microseconds since 1970 UTC; ``value`` float64[n];
    ``status`` uint32[n], OPC UA StatusCodes; ``exact`` and ``text`` by row number.
    """

    tag_id: Int32Array
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tag_id)

    @classmethod
    def empty(cls) -> Samples:
        """No samples."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint32))

    def take(self, rows: IndexArray) -> Samples:
        """The samples at ``rows`` (intp[m]), in that order."""
        return Samples(
            self.tag_id[rows],
            self.time_us[rows],
            self.value[rows],
            self.status[rows],
            take_extras(self.exact, rows),
            take_extras(self.text, rows),
        )


def take_extras(extras: Mapping[int, ExtraT], rows: IndexArray) -> dict[int, ExtraT]:
    """``extras``, keyed by row, renumbered for the rows taken.  Loops over the extras only, which are few."""
    if not extras:
        return {}
    wanted = np.flatnonzero(np.isin(rows, np.fromiter(extras, np.intp, len(extras))))
    return {int(new): extras[int(rows[new])] for new in wanted}


def concatenate(parts: Sequence[Samples]) -> Samples:
    """All samples of ``parts`` one after the other."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return Samples.empty()
    if len(parts) == 1:
        return parts[0]
    return Samples(
        np.concatenate([part.tag_id for part in parts]),
        np.concatenate([part.time_us for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.status for part in parts]),
        _shifted([part.exact for part in parts], [len(part) for part in parts]),
        _shifted([part.text for part in parts], [len(part) for part in parts]),
    )


def _shifted(extras: Iterable[Mapping[int, ExtraT]], lengths: Iterable[int]) -> dict[int, ExtraT]:
    merged: dict[int, ExtraT] = {}
    start = 0
    for part, length in zip(extras, lengths, strict=True):
        for row, extra in part.items():
            merged[start + row] = extra
        start += length
    return merged
