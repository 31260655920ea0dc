"""What samples take in the archive: they are encoded as the archive does it, into memory."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, Samples
from historian.tuning.series import RawSeries
from storage.archive import MIN_GROUP_ROWS, encoded_bytes
from storage.columns import concatenate, to_batch

_LONE: Final = 1
"""Rows of the smallest table there is, whose size is what a row group costs beside its rows."""


def bytes_of(series: RawSeries, kept: BoolArray) -> int:
    """About how many bytes of a file of days or months the samples marked in ``kept`` take.

    Few samples share a row group with those of other tags; their part of what it costs in any case is theirs.
    """
    rows = np.flatnonzero(kept)
    if not len(rows):
        return 0
    own = min(len(rows) / MIN_GROUP_ROWS, 1.0)
    fixed = encoded_bytes(_table(series, rows[:_LONE]))
    return round(max(encoded_bytes(_table(series, rows)) - fixed * (1 - own), 0))


def _table(series: RawSeries, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> pa.Table:
    samples = Samples(np.ones(len(rows), np.int32), series.time_us[rows], series.value[rows], series.status[rows])
    return concatenate([pa.Table.from_batches([to_batch(samples)])])
