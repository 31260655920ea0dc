"""Which files of the archive make up the store, from the files alone; each sample of them once.

A crash, or the ten minutes in which readers may still hold replaced files, leave files that hold the same samples as
others.  Files that the last file of a compaction says it stands for are left out.  What is still there twice is taken
from the file with the larger number, which was written later; a file whose samples are all in later ones is left out,
and of one that has others too, these are written into a new file.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import archive, names
from storage.arrays import column
from storage.catalogue import ArchiveFile
from storage.columns import times_us
from storage.copying import fingerprint
from storage.files import ArchiveFolder
from storage.overlap import Holding, find_doubles, keys_of, known_before
from storage.progress import Progress
from storage.schema import FORMAT_VERSION
from storage.set_aside import pieces, read_group
from storage.verify_files import chunks, files_below

_NAME: Final = re.compile(r"-(\d{6,})-[0-9a-f]+\.parquet$")


class Found(NamedTuple):
    """A file whose footer can be read.

    ``replaces`` are numbers of others.  ``holding`` has the row groups that can be read; ``lost_rows`` are in others.
    """

    path: str
    number: int
    store_id: str
    format_version: int
    replaces: tuple[int, ...]
    holding: Holding
    lost_rows: int = 0


class Chosen(NamedTuple):
    """A file of the new catalogue, and its number."""

    number: int
    path: str
    file: ArchiveFile


@dataclass(frozen=True, slots=True)
class Left:
    """A file that is no part of the store, and why."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen.  ``left`` files stay where they are."""

    store_id: str | None
    chosen: tuple[Chosen, ...]
    holdings: tuple[Holding, ...]
    left: tuple[Left, ...]
    next_number: int


def number_of(path: str) -> int | None:
    """The number in a file's name, None for a name that is not ours."""
    match = _NAME.search(PurePosixPath(path).name)
    return None if match is None else int(match.group(1))


def select(root: Path, excluded: Iterable[str], store_id: str | None, progress: Progress) -> Selection:
    """Look at every file below ``root``, the archive's folder.

    ``excluded`` are known to be no part of the store: being written, or retired.  ``store_id`` is the store's; without
    it, what the tags' file says, or most files.
    """
    left: list[Left] = []
    found = list(_found(root, set(excluded), left))
    wanted = store_id or _said_by_tags(root) or _most(found)
    own = list(_own(found, wanted, left))
    progress.begin(sum((root / each.path).stat().st_size for each in own))
    current = list(_not_replaced([_checked(root, each, progress) for each in own], left))
    maker = _Maker(root, wanted or "", 1 + max((each.number for each in found), default=0))
    chosen = maker.choose(current, left)
    holdings = tuple(holding_of(root, each.path) for each in chosen)
    return Selection(wanted, tuple(chosen), holdings, tuple(left), maker.next_number)


def _found(root: Path, excluded: set[str], left: list[Left]) -> Iterator[Found]:
    for path in files_below(root):
        name = PurePosixPath(path).name
        number = number_of(path)
        if path in excluded or name.startswith(names.TEMPORARY_PREFIX):
            continue  # named in the old database, or never finished: the next start removes it, or nobody misses it
        if number is None:
            left.append(Left(path, "its name is not that of a file of the archive"))
            continue
        try:
            yield _read(root, path, number)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            left.append(Left(path, f"cannot be read: {error}"))


def _read(root: Path, path: str, number: int) -> Found:
    metadata = pq.read_metadata(root / path)
    said = {key.decode(): value.decode() for key, value in (metadata.metadata or {}).items()}
    replaces = tuple(int(each) for each in said.get(archive.REPLACES, "").split(",") if each)
    version = int(said["historian.format_version"])
    return Found(path, number, said["historian.store_id"], version, replaces, holding_of(root, path))


def holding_of(root: Path, path: str) -> Holding:
    """The samples of a file, by the statistics in its footer."""
    return Holding(path, tuple(chunks(root / path, pq.read_metadata(root / path))))


def _said_by_tags(root: Path) -> str | None:
    for name in (names.TAG_VERSIONS, names.TAGS):
        try:
            return str(pq.read_metadata(root / name).metadata[b"historian.store_id"].decode())
        except (pa.ArrowException, OSError, KeyError, TypeError):
            continue
    return None


def _most(found: Sequence[Found]) -> str | None:
    counts = Counter(each.store_id for each in found)
    return counts.most_common(1)[0][0] if counts else None


def _own(found: Sequence[Found], store_id: str | None, left: list[Left]) -> Iterator[Found]:
    for each in found:
        if each.store_id != store_id:
            left.append(Left(each.path, f"it was written by another store ({each.store_id}, this one is {store_id})"))
        elif each.format_version > FORMAT_VERSION:
            left.append(Left(each.path, f"a newer version of the software wrote it (format {each.format_version})"))
        else:
            yield each


def _checked(root: Path, found: Found, progress: Progress) -> Found:
    """With the row groups only all of whose pages have the right checksum: the catalogue will vouch for the file."""
    good = {chunk.number for chunk in found.holding.chunks if read_group(root / found.path, chunk.number) is not None}
    progress.advance((root / found.path).stat().st_size)
    kept = tuple(chunk for chunk in found.holding.chunks if chunk.number in good)
    lost = sum(chunk.rows for chunk in found.holding.chunks if chunk.number not in good)
    return found._replace(holding=Holding(found.path, kept), lost_rows=lost)


def _not_replaced(found: Sequence[Found], left: list[Left]) -> Iterator[Found]:
    by_replaced = {number: each.path for each in found for number in each.replaces}
    lost = {each.path: each.lost_rows for each in found}
    for each in found:
        if each.number in by_replaced and not lost.get(by_replaced[each.number]):
            left.append(Left(each.path, f"compaction replaced it by {by_replaced[each.number]}"))
        else:
            yield each


class _Maker:
    """Makes the catalogue's rows, and new files where only a part of one is needed."""

    def __init__(self, root: Path, store_id: str, next_number: int) -> None:
        self._root = root
        self._store_id = store_id
        self.next_number = next_number

    def choose(self, found: Sequence[Found], left: list[Left]) -> list[Chosen]:
        later = _later(found)
        chosen = []
        for each in found:
            if each.path not in later and not each.lost_rows:
                chosen.append(self._whole(each))
                continue
            parts = self._rest(each, later.get(each.path, []))
            chosen += parts
            left.append(Left(each.path, _why(each, sum(part.file.rows for part in parts))))
        return sorted(chosen)

    def _whole(self, found: Found) -> Chosen:
        size, sha256 = fingerprint(self._root / found.path)
        parts = found.holding.chunks
        file = ArchiveFile(
            str(self._root / found.path), sum(part.rows for part in parts), found.holding.first_us,
            found.holding.last_us, min(part.first_tag for part in parts), max(part.last_tag for part in parts),
            size, sha256,
        )  # fmt: skip
        return Chosen(found.number, found.path, file)

    def _rest(self, found: Found, later: Sequence[Holding]) -> list[Chosen]:
        """New files with the rows that are in none of ``later``."""
        return [self._write(table) for table in pieces(self._unknown(found, later))]

    def _unknown(self, found: Found, later: Sequence[Holding]) -> Iterator[pa.Table]:
        for chunk in found.holding.chunks:
            table = read_group(self._root / found.path, chunk.number)
            if table is None:
                continue  # it could be read a moment ago: the disk fails while we look
            rows = np.flatnonzero(~known_before(keys_of(table), later))
            if len(rows):
                yield table.take(column(rows, pa.int64()))

    def _write(self, table: pa.Table) -> Chosen:
        number, self.next_number = self.next_number, self.next_number + 1
        path = names.samples_path(int(times_us(table).min()), number, secrets.token_hex(3))
        return Chosen(number, path, archive.write(ArchiveFolder(self._root), path, table, store_id=self._store_id))


def _later(found: Sequence[Found]) -> dict[str, list[Holding]]:
    """For each file that shares samples with files of larger numbers: these."""
    by_path = {each.path: each for each in found}
    later: dict[str, dict[str, Holding]] = {}
    for double in find_doubles([each.holding for each in found]):
        first, second = sorted((by_path[double.here], by_path[double.there]), key=lambda each: each.number)
        later.setdefault(first.path, {})[second.path] = second.holding
    return {path: list(holdings.values()) for path, holdings in later.items()}


def _why(found: Found, rest: int) -> str:
    """Why a file is not in the catalogue as it is."""
    lost = f"{found.lost_rows} of its samples cannot be read" if found.lost_rows else ""
    readable = sum(chunk.rows for chunk in found.holding.chunks)
    elsewhere = f"{readable - rest} are in later files" if readable > rest else ""
    kept = f"{rest} are in a new file now" if rest else ""
    return ", ".join(part for part in (lost, elsewhere, kept) if part)
