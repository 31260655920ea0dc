"""Streams of sorted samples become files, and these take the place of others in one transaction."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

import pyarrow as pa

from historian.errors import StoreFullError
from storage import archive, catalogue, state
from storage.archive import Encoding
from storage.arrays import numpy_of
from storage.catalogue import DAY, FLUSH, KEPT, MONTH, ArchiveFile
from storage.database import explained
from storage.files import ArchiveFolder
from storage.intents import Begin, samples_name

MAX_FILE_ROWS: Final = 100_000_000
"""A larger file is cut between two tags: some 200 MB, whose footer is read in a few milliseconds."""

RESERVE_BYTES: Final = 256 << 20
"""Room that compaction leaves on the disk for what is being collected."""

_ZSTD_LEVELS: Final = {FLUSH: 3, DAY: 3, MONTH: 9, KEPT: 3}


class Written(NamedTuple):
    """A new file that is no part of the store yet: number, path below the archive's folder, level."""

    number: int
    path: str
    file: ArchiveFile
    level: str


@dataclass(frozen=True, slots=True)
class ArchiveWriter:
    """Writes files into one archive; ``step`` begins the names of the steps."""

    folder: ArchiveFolder
    step: str = "compaction"
    max_file_rows: int = MAX_FILE_ROWS
    reserve_bytes: int = RESERVE_BYTES

    def write(
        self,
        begin: Begin,
        groups: Iterable[pa.Table],
        *,
        level: str,
        first_us: int,
        encoding: Encoding,
        store_id: str,
    ) -> list[Written]:
        """Files of these row groups, none without any; each durable.  ``first_us`` only makes their names.

        Raises StoreFullError and other StoreErrors.
        """
        written = []
        for _, part in groupby(self._numbered(groups), key=itemgetter(0)):
            number, path = begin(samples_name(first_us), self.step)
            with explained(self.folder.root / path, "write a file of the archive"):
                file = archive.write_groups(
                    self.folder, path, (group for _, group in part), encoding,
                    store_id=store_id, level=zstd_level(level), step=self.step,
                )  # fmt: skip
            written.append(Written(number, path, file, level))
        return written

    def _numbered(self, groups: Iterable[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
        """Each row group with the number of the file it goes into: a full one ends with a tag."""
        number = rows = last_tag = 0
        for group in groups:
            tags = group.column("tag_id")
            first_tag = int(numpy_of(tags.slice(0, 1), "int32")[0])
            if rows >= self.max_file_rows and first_tag != last_tag:
                number, rows = number + 1, 0
            rows += len(group)
            last_tag = int(numpy_of(tags.slice(len(tags) - 1), "int32")[0])
            yield number, group

    def check_room(self, needed_bytes: int) -> None:
        """Raise StoreFullError unless so much fits and leaves room for what is being collected."""
        root = self.folder.root
        # Before the first flush there is no archive, but there may be edits to be written into it.
        free = shutil.disk_usage(root if root.is_dir() else root.parent).free
        if free < needed_bytes + self.reserve_bytes:
            raise StoreFullError(
                f"cannot merge files of the archive: that needs {needed_bytes >> 20:,} MiB beside "
                f"{self.reserve_bytes >> 20:,} MiB for what is collected, got {free >> 20:,} MiB of room on the disk "
                f"of {root}; make room there. Nothing was changed"
            )


def zstd_level(level: str) -> int:
    """What stays for years may cost twice the time."""
    return _ZSTD_LEVELS[level]


def swap(connection: sqlite3.Connection, old: Sequence[int], new: Iterable[Written], time_us: int) -> bool:
    """Retire the files ``old`` and add ``new``, inside the caller's transaction; False when one of the old is gone."""
    if not catalogue.retire(connection, old, time_us):
        return False
    for each in new:
        catalogue.add(connection, each.number, each.path, each.file, level=each.level)
    state.files_changed(connection)
    return True


def remove_retired(folder: ArchiveFolder, old: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Remove files by number and path; those that are gone now.

    One that cannot be removed yet, as on Windows while somebody reads it, stays for the next time.
    """
    return [(number, path) for number, path in old if _remove(folder, path)]


def _remove(folder: ArchiveFolder, path: str) -> bool:
    try:
        folder.remove(path)
    except PermissionError:
        return False
    return True
