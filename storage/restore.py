"""A store from a backup, in an empty folder: every file checked, the database last, so that half of one is no store.

A marker beside the files says what is being restored; whoever starts the same again goes on where it stopped.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from historian.errors import CorruptionError, StoreNotFoundError, UsageError
from historian.model.commit import AuditEvent
from storage import audit, manifest, names, state, steps
from storage.backup import file_tables
from storage.copying import Fingerprint, copy, is_whole, make_durable, make_folder, write_text
from storage.database import explained
from storage.files import sync_folder
from storage.manifest import GENERATIONS, MANIFEST, Generation, Manifest
from storage.progress import Progress

MARKER = "historian.restoring"


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What is in the new store.  ``lacking`` says of each file of the archive that is not in it why."""

    folder: Path
    generation: Generation
    files: int
    bytes: int
    lacking: Mapping[str, str]


def restore(
    source: Path, folder: Path, *, time_us: int, at: str | None = None, progress: Progress | None = None
) -> RestoreReport:
    """Make a store in the empty folder ``folder`` from the backup in ``source``.

    ``at`` is the beginning of a generation's name, without it the newest.  A file that is damaged or missing in the
    backup is left out of the store, with a line of the audit.  Raises StoreNotFoundError without a backup, UsageError
    for a folder that is not empty or a generation there is none of, CorruptionError for a damaged database,
    StoreFullError (the same can be started again and goes on).
    """
    source, folder = source.absolute(), folder.absolute()
    known = manifest.read(source)
    if known is None:
        raise StoreNotFoundError(f"cannot restore from {source}: there is no {MANIFEST}; give the folder of a backup")
    generation = known.find(at)
    with explained(folder / names.DATABASE, f"restore into {folder}"):
        marker = json.dumps({"store_id": known.store_id, "generation": generation.name})
        _check_folder(folder, marker)
        make_folder(folder)
        write_text(folder / MARKER, marker)
        steps.reached("restore: begun")
        return _Restore(source, folder, known, generation, progress or Progress()).run(time_us)


def _check_folder(folder: Path, marker: str) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"cannot restore into {folder}: this is a file, wanted a folder that is new or empty")
    others = sorted(path.name for path in folder.iterdir() if path.name != "lost+found")
    if not others or _begun(folder) == marker:
        return
    if MARKER in others:
        raise UsageError(
            f"cannot restore into {folder}: another generation was being restored there; empty the folder, or give "
            "another one"
        )
    raise UsageError(
        f"cannot restore into {folder}: it holds other files ({', '.join(others[:3])}), wanted a folder that is new or "
        "empty. Nothing was changed"
    )


def _begun(folder: Path) -> str | None:
    try:
        return (folder / MARKER).read_text(encoding="utf-8")
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Restore:
    source: Path
    folder: Path
    known: Manifest
    generation: Generation
    progress: Progress

    def run(self, time_us: int) -> RestoreReport:
        database = self.generation.database
        files = {path: self.known.files[path] for path in self.generation.files}
        size = sum(each.bytes for each in files.values())
        self.progress.begin(size + database.bytes)
        lacking = dict.fromkeys(self.generation.lacking, "was damaged or gone when the backup was made")
        for path, wanted in files.items():
            reason = self._copy(path, wanted)
            if reason is not None:
                lacking[path] = reason
        self._copy_beside()
        steps.reached("restore: files copied")
        if not (self.folder / names.DATABASE).exists():
            self._copy_database(lacking, time_us)
        steps.reached("restore: database in place")
        (self.folder / MARKER).unlink()
        sync_folder(self.folder)
        steps.reached("restore: done")
        present = [path for path in files if path not in lacking]
        return RestoreReport(
            self.folder, self.generation, len(present), sum(files[path].bytes for path in present), lacking
        )

    def _copy(self, path: str, wanted: Fingerprint) -> str | None:
        target = self.folder / names.ARCHIVE / path
        if is_whole(target, wanted, self.progress.advance):
            return None  # by an earlier start
        try:
            copy(self.source / names.ARCHIVE / path, target, wanted, self.progress.advance)
        except (FileNotFoundError, CorruptionError) as error:
            return str(error)
        return None

    def _copy_beside(self) -> None:
        for name, wanted in self.generation.beside.items():
            try:
                self._copy_one(name, self.folder / names.ARCHIVE / name, wanted)
            except (FileNotFoundError, CorruptionError):
                continue  # the database has the same; the next flush after a change writes them

    def _copy_one(self, name: str, target: Path, wanted: Fingerprint) -> None:
        copy(self.source / GENERATIONS / self.generation.name / name, target, wanted, lambda _: None)

    def _copy_database(self, lacking: Mapping[str, str], time_us: int) -> None:
        """The database under another name, then what is lacking out of its catalogue, then its own name."""
        working = self.folder / f"{names.DATABASE}.restoring"
        try:
            self._copy_one(names.DATABASE, working, self.generation.database)
        except (FileNotFoundError, CorruptionError) as error:
            raise CorruptionError(
                f"cannot restore the generation {self.generation.name}: its database is damaged ({error}); "
                "take another one with --at"
            ) from error
        self.progress.advance(self.generation.database.bytes)
        with closing(sqlite3.connect(working, isolation_level=None)) as connection:
            _adapt(connection, self.generation, lacking, time_us)
        with working.open("r+b") as file:
            make_durable(file.fileno())
        working.replace(self.folder / names.DATABASE)
        sync_folder(self.folder)


def _adapt(connection: sqlite3.Connection, generation: Generation, lacking: Mapping[str, str], time_us: int) -> None:
    """A line of the audit that says what this store comes from, and one for each file it lacks."""
    events = [AuditEvent(time_us, "historian", "restored", "store", old="", new=f"from backup {generation.name}")]
    connection.execute("begin")
    for path, why in lacking.items():
        for table in file_tables(connection):
            connection.execute(f"delete from {table} where path = ?", (path,))  # noqa: S608 - our own names
        events.append(AuditEvent(time_us, "historian", "file missing in backup", path, why=why))
    state.files_changed(connection)
    audit.append(connection, events)
    connection.execute("commit")
