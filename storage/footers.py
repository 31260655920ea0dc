"""What the footers of the archive's files say about their row groups, which tells most of them need not be read.

Files never change, so a footer is read once; what is kept of it stays within a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from historian.errors import CorruptionError
from historian.model.samples import BoolArray, Int32Array, Int64Array
from storage.cache import Cache

KEPT_GROUPS: Final = 500_000
"""Row groups whose ranges are kept: 50 bytes each."""

KEPT_METADATA: Final = 12_000
"""Row groups whose whole metadata is kept, 5 kB each as Arrow holds it: parsing those of a day of 10,000 tags (840)
takes 5 ms, which is more than an answer."""

_INT32: Final = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Groups:
    """The row groups of a file, a row each: the ranges of tags, times (both inclusive) and statuses, and what is there.

    ``least_status`` and ``most_status`` int32[n] are of the signed numbers in the file: those below zero are Bad.
    ``has_whole`` and ``has_text``: there are values in ``value_int``, ``value_text``.
    """

    rows: Int64Array
    first_tag: Int32Array
    last_tag: Int32Array
    first_us: Int64Array
    last_us: Int64Array
    least_status: Int32Array
    most_status: Int32Array
    has_whole: BoolArray
    has_text: BoolArray

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, metadata: Any) -> Groups:  # noqa: ANN401 - pyarrow's FileMetaData, not annotated
        """From a footer."""
        parts = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        place = {parts[0].column(each).path_in_schema: each for each in range(parts[0].num_columns)} if parts else {}
        tags, times, statuses = (
            [part.column(place[name]).statistics for part in parts] for name in ("tag_id", "time", "status")
        )
        return cls(
            np.array([part.num_rows for part in parts], np.int64),
            np.array([each.min_raw for each in tags], np.int32),
            np.array([each.max_raw for each in tags], np.int32),
            np.array([each.min_raw for each in times], np.int64),
            np.array([each.max_raw for each in times], np.int64),
            np.array([_INT32.min if each is None else each.min_raw for each in statuses], np.int32),
            np.array([_INT32.max if each is None else each.max_raw for each in statuses], np.int32),
            np.array([_has(part.column(place["value_int"]), part.num_rows) for part in parts], np.bool_),
            np.array([_has(part.column(place["value_text"]), part.num_rows) for part in parts], np.bool_),
        )


def _has(chunk: Any, rows: int) -> bool:  # noqa: ANN401 - pyarrow's ColumnChunkMetaData, not annotated
    statistics = chunk.statistics
    return statistics is None or not statistics.has_null_count or bool(statistics.null_count < rows)


class Footers:
    """The footers of files, kept for the next question.  May be used from several threads."""

    def __init__(self, kept_groups: int = KEPT_GROUPS, kept_metadata: int = KEPT_METADATA) -> None:
        self._groups: Cache[str, Groups] = Cache(kept_groups)
        self._metadata: Cache[str, Any] = Cache(kept_metadata)

    def groups(self, path: str) -> Groups:
        """The row groups of the file at ``path``.  Raises CorruptionError, which names it."""
        found = self._groups.get(path)
        if found is None:
            with self.open(path) as file:
                found = Groups.of(file.metadata)
            self._groups.put(path, found, len(found))
        return found

    def open(self, path: str) -> Any:  # noqa: ANN401 - pyarrow's ParquetFile, a context manager, not annotated
        """The file at ``path`` for reading.  Raises CorruptionError, which names it."""
        metadata = self._metadata.get(path)
        try:
            file = pq.ParquetFile(path, metadata=metadata, page_checksum_verification=False)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        if metadata is None:
            self._metadata.put(path, file.metadata, file.metadata.num_row_groups)
        return file


def unreadable(path: str, error: Exception) -> CorruptionError:
    """What is said of a file that cannot be read."""
    return CorruptionError(
        f"cannot read the file {path} of the archive: {error}; take it out (historian verify --set-aside) or put "
        "it back from a backup"
    )
