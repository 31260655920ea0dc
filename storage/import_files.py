"""The files of the archive that a bulk insert becomes.

One thread encodes a Parquet file, and encoding is most of the work: of many samples each processor writes a file of its
own, with other tags or, of one long tag, other times; and tags of one kind of values (:mod:`storage.value_kinds`) are
together.  Compaction joins them later.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.samples import Samples
from storage import archive
from storage.catalogue import ArchiveFile
from storage.columns import complete, to_batch
from storage.database import explained
from storage.files import ArchiveFolder
from storage.intents import Begin, samples_name
from storage.runs import reach_us
from storage.value_kinds import is_split, repeats

PART_ROWS: Final = 1_000_000
"""A file has at least so many samples before another one has more of the same kind."""

KIND_ROWS: Final = 250_000
"""A kind of values has a file of its own from here on."""

MAX_PARTS: Final = min(4, os.cpu_count() or 1)
"""More writers than processors gain nothing, more than four would wait for the disk."""

Bounds: TypeAlias = Sequence[tuple[int, int]]
"""First row and end of each row group."""


class NewFile(NamedTuple):
    """A file that is no part of the store yet: number, path below the archive's folder, what is in it."""

    number: int
    path: str
    described: ArchiveFile


@dataclass(frozen=True, slots=True)
class FileWriter:
    """Writes files into one archive, for the store of this identity."""

    folder: ArchiveFolder
    store_id: str

    def write(self, samples: Samples, begin: Begin) -> list[NewFile]:
        """Files of ``samples`` (at least one, by tag and time), each durable when this returns.

        Raises StoreFullError and other StoreErrors; then all have ended, and none of them takes room on the disk.
        """
        table = complete(pa.Table.from_batches([to_batch(samples)]))
        parts = _parts(samples)
        named = [begin(samples_name(_first_us(samples, bounds)), "import") for bounds in parts]
        if len(parts) == 1:
            return [self._write(*named[0], table, parts[0])]
        with ThreadPoolExecutor(MAX_PARTS, "import-file") as pool:
            waiting = [pool.submit(self._write, *name, table, part) for name, part in zip(named, parts, strict=True)]
        try:
            return [each.result() for each in waiting]
        except BaseException:
            for _, path in named:
                self.folder.remove(path)
            raise

    def _write(self, number: int, path: str, table: pa.Table, bounds: Bounds) -> NewFile:
        with explained(self.folder.root / path, "write a file of the archive"):
            encoding = archive.choose_encoding(table.column("value"), bounds, archive.COMPRESSION_LEVEL)
            groups = (table.slice(first, end - first) for first, end in bounds)
            file = archive.write_groups(
                self.folder, path, groups, encoding,
                store_id=self.store_id, level=archive.COMPRESSION_LEVEL, step="import",
            )  # fmt: skip
        return NewFile(number, path, file)


def _parts(samples: Samples) -> list[Bounds]:
    """The row groups of each file."""
    bounds = list(archive.group_bounds(samples.tag_id))
    kinds = _by_kind(samples, bounds) if is_split(len(samples)) else [bounds]
    return [
        part for kind in kinds for part in shared_out(kind, min(MAX_PARTS, sum(map(_rows, kind)) // PART_ROWS))
    ]  # fmt: skip


def _by_kind(samples: Samples, bounds: Bounds) -> list[Bounds]:
    """The row groups of values that repeat, and of those that do not; all together where there are few of one kind."""
    repeating: list[tuple[int, int]] = []
    unique: list[tuple[int, int]] = []
    for each in bounds:
        is_long = _rows(each) >= archive.MIN_GROUP_ROWS
        (unique if is_long and not repeats(samples.value[slice(*each)]) else repeating).append(each)
    kinds: list[Bounds] = [repeating, unique]
    return kinds if all(sum(map(_rows, kind)) >= KIND_ROWS for kind in kinds) else [bounds]


def _rows(bounds: tuple[int, int]) -> int:
    return bounds[1] - bounds[0]


def shared_out(bounds: Bounds, parts: int) -> list[Bounds]:
    """The row groups in at most ``parts`` runs of about as many rows; at least one run, none of them empty."""
    ends = np.cumsum([_rows(each) for each in bounds])
    firsts = ends - [_rows(each) for each in bounds]
    marks = ends[-1] / max(parts, 1) * np.arange(1, parts)
    cuts = sorted({0, len(bounds), *(int(np.abs(firsts - mark).argmin()) for mark in marks)})
    return [bounds[first:end] for first, end in pairwise(cuts)]


def _first_us(samples: Samples, bounds: Bounds) -> int:
    rows = slice(bounds[0][0], bounds[-1][1])
    return reach_us(samples.tag_id[rows], samples.time_us[rows])[0]
