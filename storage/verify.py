"""Is everything in the store what it should be?  Reads only, so that it works while another process collects.

Database and buffer are looked at in one transaction (:mod:`storage.verify_database`), then each file of the archive
(:mod:`storage.verify_files`), then what is in two places (:mod:`storage.overlap`).  Files that compaction retires
meanwhile are no damage: whatever is found wrong with a file counts only if the catalogue still has it afterwards.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from historian.errors import CorruptionError, StoreForeignError
from storage import names, verify_database
from storage.copying import fingerprint
from storage.damage import UNUSABLE, Damage
from storage.database import connect_reader, explained
from storage.overlap import Holding, find_doubles
from storage.progress import Progress
from storage.reader import StoreReader
from storage.verify_database import DatabaseCheck
from storage.verify_files import CataloguedFile, FileChecker, describe, files_below


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, and every damage.  ``fast``: contents were not read."""

    folder: Path
    format_version: int | None
    fast: bool
    files: int
    archive_rows: int
    archive_bytes: int
    batches: int
    damages: tuple[Damage, ...]

    @property
    def is_clean(self) -> bool:
        """True without any damage."""
        return not self.damages

    def files_to_set_aside(self) -> dict[str, str]:
        """Files that cannot be used as they are, by path below the archive, and why."""
        reasons: dict[str, str] = {}
        for damage in self.damages:
            if damage.file is not None and damage.kind in UNUSABLE and damage.file.startswith(names.SAMPLES):
                reasons.setdefault(damage.file, f"{damage.place}: {damage.reason}")
        return reasons


def verify(path: Path, *, fast: bool = False, progress: Progress | None = None) -> VerifyReport:
    """Check the store in the folder ``path``.

    Raises StoreNotFoundError, StoreForeignError and StoreVersionError for what is no store of ours; damages are in the
    report.  ``fast`` leaves out checksums and everything else that reads whole files.
    """
    told = progress or Progress()
    folder = path.absolute()
    on_disk = files_below(folder / names.ARCHIVE)
    database = _database(folder, fast=fast)
    told.begin(sum(file.bytes for file in database.files))
    checker = FileChecker(folder / names.ARCHIVE, database.store_id, database.tag_ids, fast, told.advance)
    checks = [checker.check(file) for file in database.files]
    damages = [damage for check in checks for damage in check.damages]
    if not fast:
        damages += _doubles([check.holding for check in checks] + [database.holding])
    damages += _averages(folder, database, fast=fast)
    damages += _strangers(folder, on_disk, database) + _tags_file(folder, database)
    return VerifyReport(
        folder,
        database.version,
        fast,
        len(database.files),
        sum(file.rows for file in database.files),
        sum(file.bytes for file in database.files),
        database.batches,
        tuple(database.damages + _still_there(folder, database, damages)),
    )


def _database(folder: Path, *, fast: bool) -> DatabaseCheck:
    try:
        with StoreReader.open(folder) as reader:
            return reader.inspect(lambda link: verify_database.check(link, fast=fast))
    except CorruptionError as error:
        return DatabaseCheck([Damage("database", str(error))])
    except StoreForeignError as error:
        if isinstance(error.__cause__, sqlite3.DatabaseError):  # its first page is damaged
            return DatabaseCheck([Damage("database", str(error))])
        raise


def _doubles(holdings: Sequence[Holding]) -> list[Damage]:
    try:
        return [
            Damage(
                "duplicate",
                f"{double.count} samples are in {double.there} too, the first is "
                f"{describe(double.tag_id, double.time_us)}",
                *((double.here, double.chunk) if double.here != verify_database.BUFFER else (double.there,)),
            )
            for double in find_doubles(holdings)
        ]
    except (pa.ArrowException, OSError):
        return []  # of a file that cannot be read, which is told already


def _averages(folder: Path, database: DatabaseCheck, *, fast: bool) -> list[Damage]:
    """Files of averages of old samples, which nothing else depends on."""
    found = []
    for name, rows, size, sha256 in database.averages:
        path = folder / names.ARCHIVE / name
        try:
            if path.stat().st_size != size or (not fast and fingerprint(path).sha256 != sha256):
                found.append(Damage("checksum", "is not the file of averages that the catalogue speaks of", name))
            elif pq.read_metadata(path).num_rows != rows:
                found.append(Damage("rows", f"has other rows than the {rows} that the catalogue says", name))
        except FileNotFoundError:
            found.append(Damage("missing", "is in the catalogue of averages, but not there", name))
        except (pa.ArrowException, OSError) as error:
            found.append(Damage("unreadable", f"cannot be read as Parquet: {error}", name))
    return found


def _strangers(folder: Path, on_disk: Sequence[str], database: DatabaseCheck) -> list[Damage]:
    """Files that nobody accounts for.  The folder was listed first, so that a file that came since is none."""
    if not database.has_catalogue:
        return []
    known = {file.path for file in database.files} | database.others
    temporary = {
        str(Path(path).with_name(names.temporary_name(Path(path).name)).as_posix()) for path in database.others
    }
    return [
        Damage("unknown file", "is in the folder, but not in the catalogue: its samples are not in the store", path)
        for path in on_disk
        if path not in known | temporary and (folder / names.ARCHIVE / path).exists()
    ]


def _tags_file(folder: Path, database: DatabaseCheck) -> list[Damage]:
    """``tag_versions.parquet`` against the database, when it should hold the same."""
    if database.versions is None or not len(database.versions):
        return []
    found = []
    for name in (names.TAGS, names.TAG_VERSIONS):
        try:
            table = pq.read_table(folder / names.ARCHIVE / name, use_threads=False)
        except FileNotFoundError:
            found.append(Damage("tags", "is missing; the next change of a tag writes it again", name))
        except (pa.ArrowException, OSError) as error:
            found.append(Damage("tags", f"cannot be read as Parquet: {error}", name))
        else:
            if name == names.TAG_VERSIONS and not table.equals(database.versions):
                found.append(Damage("tags", "does not hold the versions of the tags that the database has", name))
    return found


def _still_there(folder: Path, database: DatabaseCheck, damages: list[Damage]) -> list[Damage]:
    """Without the damages of files that left the catalogue meanwhile."""
    suspects = {damage.file for damage in damages if damage.kind not in ("unknown file", "tags")}
    if not suspects or not database.has_catalogue:
        return damages
    now = {file.path for file in _catalogue_now(folder, database)}
    before = {file.path for file in database.files}
    return [damage for damage in damages if damage.file not in before or damage.file in now]


def _catalogue_now(folder: Path, database: DatabaseCheck) -> list[CataloguedFile]:
    path = folder / names.DATABASE
    with explained(path, f"read the catalogue of {folder}"):
        connection = connect_reader(path)
        try:
            return verify_database.read_catalogue(lambda query: connection.execute(query).fetchall(), database.version)
        finally:
            connection.close()


def as_json(report: VerifyReport) -> str:
    """The report for programs."""
    figures = {
        "path": str(report.folder), "clean": report.is_clean, "fast": report.fast,
        "format_version": report.format_version, "files": report.files, "archive_rows": report.archive_rows,
        "archive_bytes": report.archive_bytes, "batches": report.batches,
        "damages": [damage.as_mapping() for damage in report.damages],
    }  # fmt: skip
    return json.dumps(figures, indent=2, ensure_ascii=False)
