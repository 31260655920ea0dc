"""What a batch of a file becomes: samples with the rows they came from, and what was refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa

from historian.model.samples import IndexArray, Int32Array, Int64Array, Samples, UInt32Array, concatenate


class Reason(StrEnum):
    """Why a value was refused, as the report says it."""

    ROW = "row that has more or fewer cells than the header"
    TIME = "time that cannot be read"
    SKIPPED = "local time that never was (the clocks went forward)"
    FUTURE = "time in the future"
    PAST = "time before 1900"
    TAG = "no tag"
    VALUE = "value that the tag's type does not allow"
    STATUS = "status that cannot be read"
    LIMITS = "value outside of the tag's low and high"
    DUPLICATE = "another value for the same tag and time in the file"
    STORED = "another value for the same tag and time in the store"


class Note(StrEnum):
    """What else is counted: values that are no samples, or were changed on the way."""

    NO_VALUE = "cells without a value"
    INFINITE = "infinite values, stored as BadOutOfRange"
    BAD_VALUE = "values of Bad samples, which have none"
    REPEATED = "repeats of the same sample in the file"
    LATER_HOUR = "local times taken as the second pass of a repeated hour"
    EARLIER_HOUR = "local times taken as the first pass of a repeated hour"
    COMPRESSED = "samples that compression left out"


@dataclass(frozen=True, slots=True)
class FileSamples:
    """Samples with their series in the place of ``tag_id``, and ``row`` int64[n], from 1, in the file."""

    samples: Samples
    row: Int64Array

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: IndexArray) -> FileSamples:
        """Those at ``rows``, in that order; itself when that is all of them as they are."""
        return FileSamples(self.samples.take(rows), self.row[rows])

    @classmethod
    def joined(cls, parts: Sequence[FileSamples]) -> FileSamples:
        """All of them one after the other."""
        if not parts:
            return cls(Samples.empty(), np.empty(0, np.int64))
        return cls(concatenate([part.samples for part in parts]), np.concatenate([part.row for part in parts]))


@dataclass(frozen=True, slots=True)
class Refused:
    """Values refused for one reason.

    ``row`` int64[n]; ``series`` int32[n], -1 where no tag is known; ``time_us`` int64[n], NO_TIME where unknown;
    ``said`` what the file says there (string[n]); ``status`` uint32[n].
    """

    reason: Reason
    row: Int64Array
    series: Int32Array
    time_us: Int64Array
    said: pa.Array
    status: UInt32Array

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """All that one batch gave.  ``notes`` count what is neither a sample nor refused."""

    samples: FileSamples
    refused: Sequence[Refused] = ()
    notes: dict[Note, int] = field(default_factory=dict)


def refused_samples(reason: Reason, samples: FileSamples) -> Refused:
    """Samples that were read and are refused all the same."""
    return Refused(
        reason, samples.row, samples.samples.tag_id, samples.samples.time_us, said_by(samples.samples),
        samples.samples.status,
    )  # fmt: skip


def said_by(samples: Samples) -> pa.Array:
    """The values as text.  A loop over refused samples only."""
    values = samples.value.tolist()
    texts = ["" if value != value else f"{value:.15g}" for value in values]  # noqa: PLR0124 - NaN is not itself
    for row, number in samples.exact.items():
        texts[row] = str(number)
    for row, text in samples.text.items():
        texts[row] = text
    return pa.array(texts, pa.string())
