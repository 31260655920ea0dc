"""Files that are being merged: opened once, read row group by row group, with the ranges that their footers tell.

The first stage of compaction, before :mod:`storage.compaction_merge`.  Arrow reads in the caller's thread, so that the
work stays on one processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from historian.errors import CorruptionError
from storage.columns import SAMPLE_SCHEMA
from storage.files import ArchiveFolder

Key: TypeAlias = tuple[int, int]
"""Tag and time: the order of everything here."""

_ALWAYS: Final = ("tag_id", "time", "value", "status")
_SOMETIMES: Final = ("value_int", "value_text")
_LAST_TAG: Final = (1 << 31) - 1
_BEFORE_ALL: Final = -(1 << 63)
_AFTER_ALL: Final = (1 << 63) - 1


class Group(NamedTuple):
    """A row group: the file's place among the inputs, its own number there, its rows and ranges (all inclusive).

    ``columns`` are those that have anything in them.
    """

    file: int
    number: int
    rows: int
    first_tag: int
    last_tag: int
    first_us: int
    last_us: int
    columns: tuple[str, ...]

    @property
    def first(self) -> Key:
        """A key that no row of the group is before."""
        return self.first_tag, self.first_us

    @property
    def last(self) -> Key:
        """A key that no row of the group is after."""
        return self.last_tag, self.last_us


class Inputs:
    """Archive files, open for merging; the later in ``paths`` was written later."""

    def __init__(self, paths: Sequence[str], files: Sequence[pq.ParquetFile]) -> None:
        self._paths = paths
        self._files = files
        self.groups = tuple(group for place, file in enumerate(files) for group in _groups(place, file.metadata))

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(group.rows for group in self.groups)

    def first(self, count: int) -> Inputs:
        """The first ``count`` of the files."""
        return Inputs(self._paths[:count], self._files[:count])

    def read(self, group: Group, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a row group, with the columns that have anything in them, or those of ``columns``.

        Raises CorruptionError for damage: every page has a checksum.
        """
        try:
            return self._files[group.file].read_row_group(
                group.number, columns=list(columns or group.columns), use_threads=False
            )
        except (OSError, pa.ArrowException) as error:
            raise damaged(self._paths[group.file], error) from error


@contextmanager
def opened(folder: ArchiveFolder, paths: Sequence[str]) -> Iterator[Inputs]:
    """Open files of the archive.  Raises CorruptionError for one that is missing or has no readable footer."""
    with ExitStack() as stack:
        yield Inputs(paths, [stack.enter_context(_open(folder, path)) for path in paths])


def _open(folder: ArchiveFolder, path: str) -> pq.ParquetFile:
    try:
        # The stream is closed with the file only if we open both.
        return pq.ParquetFile(folder.open(path), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def damaged(path: str, error: Exception) -> CorruptionError:
    """The error for a file of the archive that cannot be read."""
    return CorruptionError(
        f"cannot merge the archive's file {path}: {error}; nothing was changed. See what else is damaged with: "
        "historian verify"
    )


def _groups(place: int, metadata: pq.FileMetaData) -> Iterator[Group]:
    columns = {metadata.schema.column(number).name: number for number in range(metadata.num_columns)}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        tags, times = (group.column(columns[name]).statistics for name in ("tag_id", "time"))
        used = (name for name in _SOMETIMES if _is_used(group.column(columns[name]).statistics, group.num_rows))
        names = {*_ALWAYS, *used}
        # Without statistics (no writer of ours leaves them out) the group may hold anything.
        first_tag, last_tag = (tags.min, tags.max) if _has_range(tags) else (0, _LAST_TAG)
        first_us, last_us = (times.min_raw, times.max_raw) if _has_range(times) else (_BEFORE_ALL, _AFTER_ALL)
        columns_here = tuple(name for name in SAMPLE_SCHEMA.names if name in names)
        yield Group(place, number, group.num_rows, first_tag, last_tag, first_us, last_us, columns_here)


def _has_range(statistics: pq.Statistics | None) -> bool:
    return statistics is not None and statistics.has_min_max


def _is_used(statistics: pq.Statistics | None, rows: int) -> bool:
    return statistics is None or not statistics.has_null_count or statistics.null_count < rows
