"""Which of some wanted samples a store holds already, in files, buffer and pending samples: before anything is changed.

Files and batches never change, so that most of the reading needs no lock: :meth:`Gathering.prepare` reads what there is
now while commits go on, and :meth:`Gathering.finish`, in the transaction that writes, only what came since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.errors import CorruptionError
from historian.model.samples import BoolArray, Int32Array, Int64Array, Samples
from historian.model.samples import concatenate as joined
from storage import buffer, current, held
from storage.arrays import column, numpy_of
from storage.columns import concatenate, times_us, to_batch, to_samples
from storage.database import Access, explained

ATTEMPTS: Final = 3
"""So often what came meanwhile is read without the lock; a flush comes once in minutes."""

_KEY_COLUMNS: Final = ("tag_id", "time")


class Wanted(Protocol):
    """What is looked for: its outermost tags and times (inclusive), and exactly which samples."""

    @property
    def first_tag(self) -> int:
        """Smallest tag_id."""

    @property
    def last_tag(self) -> int:
        """Largest tag_id."""

    @property
    def first_us(self) -> int:
        """Oldest time."""

    @property
    def last_us(self) -> int:
        """Newest time."""

    def mask(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: these samples are wanted."""


@dataclass(frozen=True, slots=True)
class TagSpan:
    """The samples of one tag from ``first_us`` to ``last_us``, inclusive."""

    first_tag: int
    first_us: int
    last_us: int

    @property
    def last_tag(self) -> int:
        """The same tag."""
        return self.first_tag

    def mask(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: of this tag and in this time."""
        wanted: BoolArray = (tag_id == self.first_tag) & (time_us >= self.first_us) & (time_us <= self.last_us)
        return wanted


class Keys:
    """Pairs of tag and time as one number each, so that they can be compared: rank of the tag, rank of the time."""

    def __init__(self, tag_id: Int32Array, time_us: Int64Array) -> None:
        """Of at least one sample; the same pair may come more than once."""
        self._tags, self._times = np.unique(tag_id), np.unique(time_us)
        self.first_tag, self.last_tag = int(self._tags[0]), int(self._tags[-1])
        self.first_us, self.last_us = int(self._times[0]), int(self._times[-1])
        self.numbers = self.of(tag_id, time_us)
        self._known = np.unique(self.numbers)

    def of(self, tag_id: Int32Array, time_us: Int64Array) -> Int64Array:
        """int64[n]: the number of each pair; -1 where the tag or the time is none of ours."""
        tags, times = _ranks(self._tags, tag_id), _ranks(self._times, time_us)
        numbers: Int64Array = np.where((tags < 0) | (times < 0), -1, tags * len(self._times) + times)
        return numbers

    def mask(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: these are among the pairs."""
        return _ranks(self._known, self.of(tag_id, time_us)) >= 0


def _ranks(known: Int64Array | Int32Array, values: Int64Array | Int32Array) -> Int64Array:
    """int64[n]: place of each value in ``known`` (sorted, at least one), -1 where it is not there."""
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    ranks: Int64Array = np.where(known[places] == values, places, -1)
    return ranks


class Gathering:
    """The wanted samples that are stored or pending, whether an edit hides them or not.

    ``with_values`` False reads tags and times alone: the samples have no values then.
    """

    def __init__(self, access: Access, wanted: Wanted, *, with_values: bool) -> None:
        self._access = access
        self._connection = access.connection
        self._wanted = wanted
        self._columns = None if with_values else _KEY_COLUMNS
        self._found: dict[str | int, pa.Table] = {}
        """Wanted rows by path of a file or number of a batch."""

    def prepare(self) -> None:
        """Read files and batches without holding up anybody."""
        for _ in range(ATTEMPTS):
            with self._access.turn, explained(self._access.database, "look for samples that are stored already"):
                files, batches = self._unread()
            if not files and not batches:
                return
            self._read(files, batches)

    def finish(self) -> Samples:
        """All of them, each once, in no particular order; inside the caller's transaction."""
        self._read(*self._unread())
        # What was merged or moved since it was read is found in its new place.
        places: list[str | int] = [*self._files(), *self._batches()]
        pieces = [self._found[place] for place in places]
        return to_samples(concatenate([*pieces, self._chosen(pa.Table.from_batches([to_batch(self._pending())]))]))

    def _unread(self) -> tuple[list[str], list[tuple[int, bytes]]]:
        files = [path for path in self._files() if path not in self._found]
        return files, buffer.fetch(self._connection, [each for each in self._batches() if each not in self._found])

    def _files(self) -> list[str]:
        wanted = self._wanted
        rows = self._connection.execute(
            "select path from file where retired_us is null "
            "and first_us <= ? and last_us >= ? and first_tag <= ? and last_tag >= ?",
            (wanted.last_us, wanted.first_us, wanted.last_tag, wanted.first_tag),
        )
        return [path for (path,) in rows]

    def _batches(self) -> list[int]:
        rows = self._connection.execute(
            "select number from batch where first_us <= ? and last_us >= ? order by number",
            (self._wanted.last_us, self._wanted.first_us),
        )
        return [number for (number,) in rows]

    def _pending(self) -> Samples:
        groups = [current.decode(number, blob) for number, blob in current.read(self._connection)]
        return joined([current.pending(current.merge(groups)), held.samples(self._connection)])

    def _read(self, files: Sequence[str], batches: Sequence[tuple[int, bytes]]) -> None:
        for path in files:
            self._found[path] = self._of_file(self._access.archive / path)
        for number, table in buffer.decode_batches(batches).items():
            self._found[number] = self._chosen(table)

    def _of_file(self, path: Path) -> pa.Table:
        """The wanted rows of a file; only row groups that can have some are read."""
        try:
            with pq.ParquetFile(path) as file:
                groups = [number for number in range(file.num_row_groups) if self._may_hold(file.metadata, number)]
                pieces = [self._of_group(file, number) for number in groups]
        except (OSError, pa.ArrowException) as error:
            raise CorruptionError(
                f"cannot look into the archive's file {path}: {error}; nothing was changed. See what else is damaged "
                "with: historian verify"
            ) from error
        return concatenate(pieces)

    def _may_hold(self, metadata: pq.FileMetaData, number: int) -> bool:
        group, wanted = metadata.row_group(number), self._wanted
        columns = {metadata.schema.column(place).name: place for place in range(metadata.num_columns)}
        tags, times = (group.column(columns[name]).statistics for name in _KEY_COLUMNS)
        if not (tags and times and tags.has_min_max and times.has_min_max):
            return True
        return bool(
            tags.min <= wanted.last_tag
            and tags.max >= wanted.first_tag
            and times.min_raw <= wanted.last_us
            and times.max_raw >= wanted.first_us
        )

    def _of_group(self, file: pq.ParquetFile, number: int) -> pa.Table:
        keys = file.read_row_group(number, columns=list(_KEY_COLUMNS))
        if self._columns:
            return self._chosen(keys)
        rows = np.flatnonzero(self._mask(keys))
        return file.read_row_group(number).take(column(rows, pa.int64())) if len(rows) else keys.slice(0, 0)

    def _chosen(self, table: pa.Table) -> pa.Table:
        if self._columns:
            table = table.select(list(self._columns))
        return table.take(column(np.flatnonzero(self._mask(table)), pa.int64()))

    def _mask(self, table: pa.Table) -> BoolArray:
        return self._wanted.mask(numpy_of(table.column("tag_id"), np.int32), times_us(table))
