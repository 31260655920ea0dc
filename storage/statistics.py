"""The store in figures, for ``status``."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from storage import buffer, names, quarantine, schema, shadow, state


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """Figures of a store.

    ``samples`` are all that are stored: ``archive_rows`` in ``files`` files of ``archive_bytes`` bytes together, and
    ``buffer_rows`` in ``batches`` batches; pending samples of the newest scans are not among them.  ``first_us`` and
    ``last_us`` are the times of the oldest and newest stored sample, ``last_commit_us`` is that of the last commit;
    None in an empty store.  ``files_by_level`` says how many came from the buffer ("flush") and how many hold a whole
    day or month; ``retired_files`` are no part of the store any more and will be removed.  ``run_open`` tells that a
    run has not ended in order: it is collecting, or it crashed.  ``shadow_rows`` are raw samples that are kept
    as a proof, no part of the others; their ``shadow_bytes`` are part of ``database_bytes``.
    """

    tags: int
    samples: int
    buffer_rows: int
    batches: int
    files: int
    archive_rows: int
    archive_bytes: int
    database_bytes: int
    quarantined: int
    first_us: int | None
    last_us: int | None
    last_commit_us: int | None
    run_open: bool
    files_by_level: Mapping[str, int] = field(default_factory=dict)
    retired_files: int = 0
    shadow_rows: int = 0
    shadow_bytes: int = 0

    @property
    def bytes_per_sample(self) -> float | None:
        """Of the samples in the archive; None while there are none."""
        return self.archive_bytes / self.archive_rows if self.archive_rows else None


def gather(connection: sqlite3.Connection, folder: Path) -> StoreStatistics:
    """The figures as of the connection's transaction."""
    (tags,) = connection.execute("select count(*) from tag_version where valid_to_us is null").fetchone()
    some = "where retired_us is null" if schema.version_of(connection) >= schema.EDITS_SINCE else ""
    files, archive_rows, archive_bytes = connection.execute(
        f"select count(*), coalesce(sum(rows), 0), coalesce(sum(bytes), 0) from file {some}"  # noqa: S608 - constants, as below
    ).fetchone()
    ranges = f"select first_us, last_us from file {some} union all select first_us, last_us from batch"  # noqa: S608
    first_us, last_us = connection.execute(f"select min(first_us), max(last_us) from ({ranges})").fetchone()  # noqa: S608
    waiting = buffer.state(connection)
    current = state.read(connection)
    kept = shadow.state(connection)
    return StoreStatistics(
        tags=tags,
        samples=archive_rows + waiting.rows,
        buffer_rows=waiting.rows,
        batches=waiting.batches,
        files=files,
        archive_rows=archive_rows,
        archive_bytes=archive_bytes,
        database_bytes=_database_bytes(folder),
        quarantined=quarantine.count(connection),
        first_us=first_us,
        last_us=last_us,
        last_commit_us=current.last_commit_us,
        run_open=current.run_open,
        shadow_rows=kept.rows,
        shadow_bytes=kept.bytes,
        **_files(connection),
    )


class _Files(TypedDict):
    files_by_level: dict[str, int]
    retired_files: int


def _files(connection: sqlite3.Connection) -> _Files:
    if schema.version_of(connection) < schema.EDITS_SINCE:
        return {"files_by_level": {}, "retired_files": 0}
    rows = connection.execute(
        "select level, count(*) filter (where retired_us is null), count(*) filter (where retired_us is not null) "
        "from file group by level order by min(number)"
    ).fetchall()
    return {
        "files_by_level": {level: count for level, count, _ in rows if count},
        "retired_files": sum(retired for _, _, retired in rows),
    }


def _database_bytes(folder: Path) -> int:
    """Database and log together; a file that goes away meanwhile counts nothing."""
    total = 0
    for name in (names.DATABASE, names.DATABASE + names.WAL_SUFFIX):
        try:
            total += (folder / name).stat().st_size
        except FileNotFoundError:
            continue
    return total
