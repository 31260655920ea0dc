"""From the buffer to the archive: batches become one Parquet file, and a reader sees each sample in one of the two.

1. A transaction records the file's name as an intent.   2. The file is written, durable.   3. One transaction adds the
file to the catalogue, removes the batches and the intent.  A crash before 3 leaves a file that is no part of the store
and an intent that names it, so that the next start removes it; only files named so are ever removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from storage import archive, buffer, catalogue, names, state, steps, tags
from storage.catalogue import ArchiveFile
from storage.columns import concatenate, times_us
from storage.database import explained, transaction
from storage.files import ArchiveFolder
from storage.intents import Intents, samples_name
from storage.schema import FORMAT_VERSION

MAX_FILE_ROWS: Final = 4_000_000
"""More than this waits only after a long time with a full disk; then one file after the other bounds the memory."""


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What one flush did.  ``files`` in the order they were written; none when only the tags' files were due."""

    rows: int
    batches: int
    files: tuple[ArchiveFile, ...]
    tags_written: bool


@dataclass(frozen=True, slots=True)
class Flusher:
    """Moves the buffer of one store.

    ``turn`` is the lock that gives its holder the connection.  It is held for reading batches and for the two short
    transactions, never while a file is written, so that commits go on meanwhile.
    """

    connection: sqlite3.Connection
    database: Path
    folder: ArchiveFolder
    turn: AbstractContextManager[object]
    intents: Intents

    def flush(self) -> FlushReport:
        """Move what waits in the buffer now, and write the tags' files when tags changed."""
        with self.turn, explained(self.database, "read the buffer"):
            due = buffer.numbers(self.connection)
            store_id = state.read(self.connection).store_id
        files: list[ArchiveFile] = []
        moved: list[int] = []
        while len(moved) < len(due):
            batches, file = self._move(due[len(moved) :], store_id)
            moved.extend(batches)
            files.append(file)
        written = self.write_tags()
        return FlushReport(sum(file.rows for file in files), len(moved), tuple(files), written)

    def _move(self, due: Sequence[int], store_id: str) -> tuple[list[int], ArchiveFile]:
        """One file with the oldest of these batches."""
        self.intents.clean_up()
        batches, table = self._read(due)
        with self.intents.writing() as begin:
            number, path = begin(samples_name(int(times_us(table).min())), "flush")
            with explained(self.folder.root / path, "write a file of the archive"):
                file = archive.write(self.folder, path, table, store_id=store_id)
            with self.turn, transaction(self.connection, self.database, "move samples to the archive"):
                catalogue.add(self.connection, number, path, file)
                buffer.delete(self.connection, batches[0], batches[-1])
                state.files_changed(self.connection)
                steps.reached("flush: catalogue written")
        steps.reached("flush: committed")
        return batches, file

    def _read(self, due: Sequence[int]) -> tuple[list[int], pa.Table]:
        with self.turn, explained(self.database, "read the buffer"):
            batches = buffer.oldest(self.connection, MAX_FILE_ROWS)
            batches = [number for number in batches if number <= due[-1]]
            blobs = buffer.fetch(self.connection, batches)
        return batches, archive.sort(concatenate(buffer.decode_batches(blobs).values()))

    def write_tags(self) -> bool:
        """The tags beside the samples, for programs that know nothing of us: one row a tag, and all versions.

        False when they are there as they are now.
        """
        with self.turn, explained(self.database, "read the tags"):
            current = state.read(self.connection)
            if current.tags_version == current.tags_written:
                return False
            known, versions = tags.read(self.connection), tags.read_versions(self.connection)
        metadata = {"historian.format_version": FORMAT_VERSION, "historian.store_id": current.store_id}
        with explained(self.folder.root / names.TAGS, "write the tags beside the archive"):
            archive.write_table(self.folder, names.TAG_VERSIONS, versions, metadata)
            archive.write_table(self.folder, names.TAGS, known.select(tags.SCHEMA.names), metadata)
        with self.turn, transaction(self.connection, self.database, "note the tags' files"):
            state.tags_written(self.connection, current.tags_version)
        steps.reached("tags file: noted")
        return True
