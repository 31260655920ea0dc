"""Parquet files, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.errors import UsageError
from historian.importing.file_samples import Refused
from historian.importing.samples_of_batch import Batch

BATCH_CELLS: Final = 500_000
MIN_BATCH_ROWS: Final = 1024
"""Rows are read so many cells at a time, but not fewer rows."""


class ParquetFile:
    """One Parquet file.  Raises UsageError where it is none."""

    decimal_comma = False

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path, memory_map=False)
        except pa.ArrowInvalid as error:
            raise UsageError(f"cannot read {path} as Parquet: {error}") from error
        self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int | None = self._file.metadata.num_rows

    def batches(self, columns: list[str]) -> Iterator[Batch]:
        """All rows of these columns."""
        done = 0
        rows = max(BATCH_CELLS // len(columns), MIN_BATCH_ROWS)
        try:
            for batch in self._file.iter_batches(rows, columns=columns):
                yield Batch(batch, done + 1 + np.arange(len(batch), dtype=np.int64))
                done += len(batch)
        except (pa.ArrowInvalid, OSError) as error:
            raise UsageError(f"cannot read {self.path} beyond row {done}: {error}") from error

    def refused(self) -> Refused | None:
        """Every row has all columns."""
        return None
