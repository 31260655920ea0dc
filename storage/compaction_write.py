"""Streams of sorted samples become files, and these take the place of others in one transaction."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
from storage.value_kinds import Encodings

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
        encodings: Encodings,
        store_id: str,
        replaces: Sequence[int] = (),
    ) -> list[Written]:
        """Files of these row groups, none without any; each durable.  ``first_us`` only makes their names.

        ``replaces``: numbers of files that they stand for, see :func:`storage.archive.write_groups`.  Raises
        StoreFullError and other StoreErrors.
        """
        files = _Files(self, begin, _Kind(level, first_us, encodings, store_id))
        try:
            for group in groups:
                files.add(group)
            return files.finish(replaces)
        except BaseException:
            files.abandon()
            raise

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


class _Kind(NamedTuple):
    """What files are made alike."""

    level: str
    first_us: int
    encodings: Encodings
    store_id: str


class _Open(NamedTuple):
    number: int
    path: str
    file: archive.GroupFile


class _Files:
    """The files of one job: at most one is open for each encoding, and a full one ends with a tag."""

    def __init__(self, writer: ArchiveWriter, begin: Begin, kind: _Kind) -> None:
        self._writer, self._begin, self._kind = writer, begin, kind
        self._open: dict[Encoding, _Open] = {}
        self._written: list[Written] = []

    def add(self, group: pa.Table) -> None:
        """One more row group, by tag and time."""
        encoding = self._kind.encodings.of(group)
        known = self._open.get(encoding)
        if known is not None and known.file.rows >= self._writer.max_file_rows:
            first_tag = int(numpy_of(group.column("tag_id").slice(0, 1), "int32")[0])
            if first_tag != known.file.last_tag:
                self._finish(encoding, ())
        if encoding not in self._open:
            self._open[encoding] = self._new(encoding)
        opened = self._open[encoding]
        with self._explained(opened.path):
            opened.file.add(group)

    def finish(self, replaces: Sequence[int]) -> list[Written]:
        """All files, in the order in which they ended."""
        open_ = list(self._open)
        for encoding in open_:
            self._finish(encoding, replaces if encoding == open_[-1] else ())
        return self._written

    def abandon(self) -> None:
        """Nothing is left of those that have not ended."""
        for each in self._open.values():
            each.file.abandon()

    def _new(self, encoding: Encoding) -> _Open:
        writer, kind = self._writer, self._kind
        number, path = self._begin(samples_name(kind.first_us), writer.step)
        with self._explained(path):
            file = archive.GroupFile(
                writer.folder, path, encoding,
                store_id=kind.store_id, level=zstd_level(kind.level), step=writer.step,
            )  # fmt: skip
        return _Open(number, path, file)

    def _finish(self, encoding: Encoding, replaces: Sequence[int]) -> None:
        number, path, file = self._open[encoding]
        with self._explained(path):
            described = file.finish(replaces)
        del self._open[encoding]
        self._written.append(Written(number, path, described, self._kind.level))

    def _explained(self, path: str) -> AbstractContextManager[None]:
        return explained(self._writer.folder.root / path, "write a file of the archive")


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
