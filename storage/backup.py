"""Backup of a store, also while it is written: immutable files once, the database at one instant.

Order: the archive's files of now; the database, as one transaction sees it; the files that came in between; the
manifest.  A file that compaction removes meanwhile makes it begin again, with the database as it is then.  What is on
its way has a temporary name, and nothing of an earlier generation is touched before the manifest is there.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from historian.errors import CorruptionError, StoreForeignError, StoreLockedError, UsageError
from storage import manifest, names, schema, state, statistics, steps, verify_database
from storage.copying import Fingerprint, copy, fingerprint, is_whole, make_durable, make_folder
from storage.database import explained
from storage.files import sync_folder
from storage.lock import WriterLock
from storage.manifest import GENERATIONS, MANIFEST, Generation, Manifest
from storage.progress import Progress
from storage.reader import StoreReader
from storage.rebuild_files import number_of
from storage.verify_files import files_below

ATTEMPTS: Final = 5
"""Compaction removes files ten minutes after it has replaced them: more attempts than a few mean something else."""

KEEP: Final = 7
_US_PER_S: Final = 1_000_000
_GENERATION: Final = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What one backup did.

    ``copied`` files with ``copied_bytes`` are new in the backup, ``files`` are all of the generation.  ``removed`` are
    names of generations that are older than those to keep.  ``lacking`` says of each file that could not be copied why.
    """

    folder: Path
    generation: Generation
    copied: int
    copied_bytes: int
    removed: tuple[str, ...]
    lacking: Mapping[str, str]


def backup(
    store: Path, folder: Path, *, time_us: int, keep: int = KEEP, check: bool = False, progress: Progress | None = None
) -> BackupReport:
    """Add a generation to the backup in ``folder``, which is made if it is new.

    ``keep`` generations are kept.  ``check`` reads what is in the backup already and copies again what is damaged.
    Raises UsageError for a folder that cannot be used, StoreFullError (the generations before are as they were),
    CorruptionError for a damaged database, StoreForeignError for another store's backup.
    """
    store, folder = store.absolute(), folder.absolute()
    if keep < 1:
        raise UsageError(f"cannot keep {keep} generations of the backup, wanted at least 1")
    _check_folders(store, folder)
    with StoreReader.open(store) as reader:
        store_id = reader.inspect(state.read).store_id
        _refuse_others(folder, store_id)
        with explained(folder / MANIFEST, f"make a backup in {folder}"), _locked(folder):
            known = manifest.read(folder) or Manifest(store_id)
            manifest.write(folder, known)
            known = _finish_removing(folder, known)
            work = _Backup(reader, folder, known, time_us=time_us, check=check, progress=progress or Progress())
            return work.run(keep)


def _check_folders(store: Path, folder: Path) -> None:
    real_store, real_folder = store.resolve(), folder.resolve()
    if real_folder == real_store or real_store in real_folder.parents:
        raise UsageError(f"cannot make a backup in {folder}: that is inside the store; give a folder on another disk")
    if real_folder in real_store.parents and (folder / MANIFEST).exists():
        raise UsageError(f"cannot make a backup in {folder}: the store lies inside it; give a folder on another disk")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot make a backup in {folder}: this is a file, wanted a folder")


def _refuse_others(folder: Path, store_id: str) -> None:
    known = manifest.read(folder)
    if known is None and folder.exists():
        others = sorted(path.name for path in folder.iterdir() if path.name not in _LEFT_OVER)
        if others:
            raise UsageError(
                f"cannot make a backup in {folder}: it holds other files ({', '.join(others[:3])}); give an empty "
                "folder, or that of an earlier backup of this store"
            )
    if known is not None and known.store_id != store_id:
        raise StoreForeignError(
            f"cannot make a backup in {folder}: it is the backup of another store (store_id {known.store_id}, this one "
            f"has {store_id}); give each store a folder of its own"
        )


_LEFT_OVER: Final = frozenset({names.LOCK, names.temporary_name(MANIFEST), "lost+found"})


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    make_folder(folder)
    try:
        lock = WriterLock.take(folder, "historian backup")
    except StoreLockedError as error:
        raise StoreLockedError(
            f"cannot make a backup in {folder}: another backup is writing there; try again when it is done"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _finish_removing(folder: Path, known: Manifest) -> Manifest:
    """Remove what an earlier backup had decided to remove."""
    for path in known.removing:
        (folder / path).unlink(missing_ok=True)
        if Path(path).parts[0] == GENERATIONS:
            _remove_empty((folder / path).parent)
    if not known.removing:
        return known
    steps.reached("backup: old files removed")
    known = replace(known, removing=())
    manifest.write(folder, known)
    return known


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


class _RemovedError(Exception):
    """A file of the catalogue is gone, and the catalogue meanwhile says so."""


class _Backup:
    """One run."""

    def __init__(
        self, reader: StoreReader, folder: Path, known: Manifest, *, time_us: int, check: bool, progress: Progress
    ) -> None:
        self._reader = reader
        self._archive = reader.folder / names.ARCHIVE
        self._folder = folder
        self._known = known
        self._time_us = time_us
        self._check = check
        self._progress = progress
        self._there: dict[str, Fingerprint] = {}
        self._lacking: dict[str, str] = {}
        self._copied: dict[str, Fingerprint] = {}
        self._total = 0

    def run(self, keep: int) -> BackupReport:
        self._remove_left_over()
        for attempt in range(ATTEMPTS):
            try:
                self._copy_all(self._reader.inspect(files_of))
                generation = self._generation()
                break
            except _RemovedError:
                if attempt == ATTEMPTS - 1:
                    raise CorruptionError(
                        f"cannot make a backup of {self._reader.folder}: files of its archive vanish while they are "
                        "copied; find out who removes them with: historian verify"
                    ) from None
        removed = self._commit(generation, keep)
        size = sum(each.bytes for each in self._copied.values())
        return BackupReport(self._folder, generation, len(self._copied), size, removed, self._lacking)

    # -- the files of the archive --------------------------------------------------------------------------------

    def _remove_left_over(self) -> None:
        """Copies of a backup that stopped half-way, unless the store still has the file: then they may be whole."""
        wanted = {*self._known.files, *self._reader.inspect(files_of)}
        root = self._folder / names.ARCHIVE
        for path in files_below(root):
            # Names that are none of ours are none of our business.
            if path not in wanted and (number_of(path) is not None or path.endswith(names.TEMPORARY_SUFFIX)):
                (root / path).unlink(missing_ok=True)
        known = {each.name for each in self._known.generations}
        folder = self._folder / GENERATIONS
        for name in [path.name for path in folder.iterdir()] if folder.is_dir() else []:
            if name not in known and _GENERATION.fullmatch(name):
                shutil.rmtree(folder / name)

    def _copy_all(self, files: Mapping[str, Fingerprint]) -> None:
        waiting = {path: each for path, each in files.items() if self._there.get(path) != each}
        self._total += sum(each.bytes for path, each in waiting.items() if self._must_read(path, each))
        self._progress.begin(self._total)
        for path, wanted in waiting.items():
            self._copy(path, wanted)

    def _must_read(self, path: str, wanted: Fingerprint) -> bool:
        """True unless an earlier backup has it, and it still has its size, and nobody wants to know more."""
        return self._check or self._known.files.get(path) != wanted or not self._has_size(path, wanted)

    def _has_size(self, path: str, wanted: Fingerprint) -> bool:
        try:
            return self._target(path).stat().st_size == wanted.bytes
        except OSError:
            return False

    def _target(self, path: str) -> Path:
        return self._folder / names.ARCHIVE / path

    def _copy(self, path: str, wanted: Fingerprint) -> None:
        if not self._must_read(path, wanted) or is_whole(self._target(path), wanted, self._progress.advance):
            self._there[path] = wanted
            self._lacking.pop(path, None)
            return
        try:
            self._there[path] = copy(self._archive / path, self._target(path), wanted, self._progress.advance)
        except (FileNotFoundError, CorruptionError) as error:
            if path not in self._reader.inspect(files_of):
                raise _RemovedError from None
            self._lacking[path] = str(error)
            return
        self._copied[path] = wanted
        self._lacking.pop(path, None)
        steps.reached("backup: file copied")

    # -- the database --------------------------------------------------------------------------------------------

    def _generation(self) -> Generation:
        """The database of one instant, and with it every file it speaks of."""
        name = self._free_name()
        target = self._folder / GENERATIONS / name / names.DATABASE
        make_folder(target.parent)
        temporary = target.with_name(names.temporary_name(target.name))
        try:
            generation = self._copy_database(name, temporary)
            temporary.replace(target)
            sync_folder(target.parent)
            steps.reached("backup: database copied")
        except BaseException:
            temporary.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            _remove_empty(target.parent)
            raise
        return replace(generation, beside=self._copy_beside(target.parent))

    def _free_name(self) -> str:
        taken = {each.name for each in self._known.generations}
        moment = datetime.fromtimestamp(self._time_us / _US_PER_S, UTC)
        name = f"{moment:%Y%m%dT%H%M%SZ}"
        count = 1
        while name in taken:
            count += 1
            name = f"{moment:%Y%m%dT%H%M%SZ}-{count}"
        return name

    def _copy_database(self, name: str, temporary: Path) -> Generation:
        temporary.unlink(missing_ok=True)
        with explained(temporary, f"copy the database to {temporary}"), closing(_plain(temporary)) as copied:
            self._reader.inspect(lambda link: link.backup(copied))
            # One file without a log beside it; a store that opens it goes back to WAL.
            copied.execute("pragma journal_mode = delete")
            files = files_of(copied)
            _forget_passing(copied)
            copied.execute("vacuum")  # a buffer that was flushed leaves its room free in the file
            damages = verify_database.check(copied, fast=False).damages
            if damages:
                raise CorruptionError(
                    f"cannot make a backup of {self._reader.folder}: its database is damaged "
                    f"({damages[0]}); the generations before are as they were. See: historian verify"
                )
            figures, current = statistics.gather(copied, temporary.parent), state.read(copied)
            version = schema.version_of(copied)
        self._copy_all(files)
        with temporary.open("r+b") as file:
            make_durable(file.fileno())
        return Generation(
            name,
            self._time_us,
            current.last_commit_us,
            figures.samples,
            version,
            fingerprint(temporary),
            {},
            tuple(sorted(path for path in files if path not in self._lacking)),
            tuple(sorted(path for path in files if path in self._lacking)),
        )

    def _copy_beside(self, folder: Path) -> dict[str, Fingerprint]:
        """The tags' files: they are replaced now and then, so that each generation has its own."""
        copied = {}
        for name in (names.TAGS, names.TAG_VERSIONS):
            try:
                copied[name] = copy(self._archive / name, folder / name, None, lambda _: None)
            except FileNotFoundError:
                continue  # before the first flush; the database has the tags too
        return copied

    # -- the manifest --------------------------------------------------------------------------------------------

    def _commit(self, generation: Generation, keep: int) -> tuple[str, ...]:
        generations = (*self._known.generations, generation)
        old, kept = generations[:-keep], generations[-keep:]
        wanted = {path for each in kept for path in each.files}
        everything = {**self._known.files, **self._there}
        files = {path: each for path, each in everything.items() if path in wanted}
        removing = [f"{names.ARCHIVE}/{path}" for path in everything if path not in wanted]
        for each in old:
            removing += [f"{GENERATIONS}/{each.name}/{name}" for name in (names.DATABASE, *each.beside)]
        done = Manifest(self._known.store_id, kept, files, tuple(removing))
        manifest.write(self._folder, done)
        steps.reached("backup: manifest written")
        _finish_removing(self._folder, done)
        return tuple(each.name for each in old)


def _plain(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _forget_passing(copied: sqlite3.Connection) -> None:
    """Files that are being written or were replaced are no part of the copy."""
    copied.execute("begin")
    copied.execute("delete from file_intent")
    if schema.version_of(copied) >= schema.EDITS_SINCE:
        for table in file_tables(copied):
            copied.execute(f"delete from {table} where retired_us is not null")  # noqa: S608 - our own names
    copied.execute("commit")


def files_of(connection: sqlite3.Connection) -> dict[str, Fingerprint]:
    """The files that a database speaks of, by path below the archive, oldest first."""
    found: dict[str, Fingerprint] = {}
    has_retired = schema.version_of(connection) >= schema.EDITS_SINCE
    some = "where retired_us is null" if has_retired else ""
    for table in file_tables(connection):
        rows = connection.execute(f"select path, bytes, sha256 from {table} {some} order by first_us, number")  # noqa: S608 - our own names
        found.update((path, Fingerprint(size, sha256)) for path, size, sha256 in rows)
    return found


def file_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables that speak of files of the archive; an older store has only the first."""
    rows = connection.execute(
        "select name from sqlite_schema where name in ('file', 'average_file') order by name desc"
    )
    return [name for (name,) in rows]
