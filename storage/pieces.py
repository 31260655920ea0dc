"""Row groups of the archive in memory, by tag and time, so that rows of a tag are found by halving.

To unpack a row group costs more than the rest of most answers (0.3 ms for 20,000 rows), so those read last are kept for
the next question.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray, Int32Array, Int64Array, UInt32Array
from storage.arrays import numpy_of, present
from storage.cache import Cache
from storage.columns import times_us
from storage.footers import Footers, Groups, unreadable

KEPT_BYTES: Final = 96 << 20
"""Memory for row groups that were read; at 20 bytes a sample or less the last five million."""

ROW_BYTES: Final = 20

THREADS: Final = min(os.cpu_count() or 1, 4)
MANY_GROUPS: Final = 16
"""Arrow unpacks without Python's lock, so that two processors take 0.6 of the time of one for 200 row groups."""

Rows: TypeAlias = slice | IndexArray


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples by tag and time: rows ``starts[k]`` to ``starts[k + 1]`` are those of ``tags[k]``.

    ``value`` float64[n] is NaN where there is none; ``status`` uint32[n] takes no memory where all are the same.
    ``whole`` and ``text`` are the columns ``value_int`` and ``value_text``, None where nothing is in them.
    """

    tags: Int32Array
    starts: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    whole: pa.ChunkedArray | None
    text: pa.ChunkedArray | None

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def bytes(self) -> int:
        """Memory, roughly."""
        extras = sum(int(column.nbytes) for column in (self.whole, self.text) if column is not None)
        return self.time_us.nbytes + self.value.nbytes + self.status.strides[0] * len(self) + extras

    def runs(self, tag_id: Int32Array) -> Iterator[tuple[int, int, int]]:
        """Tag, first row and end of each of ``tag_id`` (sorted) that has rows here."""
        if len(self.tags) == 1 and len(tag_id) == 1:  # the commonest, at a tenth of the cost
            if self.tags[0] == tag_id[0]:
                yield int(tag_id[0]), 0, len(self)
            return
        if not len(self):
            return
        low, high = tag_id.searchsorted([self.tags[0], self.tags[-1] + 1])
        mine = tag_id[low:high]
        places = self.tags.searchsorted(mine)
        there = self.tags[places] == mine
        firsts, ends = self.starts[places[there]], self.starts[places[there] + 1]
        yield from zip(mine[there].tolist(), firsts.tolist(), ends.tolist(), strict=True)


def piece_of(table: pa.Table) -> Piece:
    """The rows of a table by tag and time, all columns of SAMPLE_SCHEMA."""
    tag_id = numpy_of(table.column("tag_id"), np.int32)
    tags, starts = _runs(tag_id)
    status = numpy_of(table.column("status"), np.uint32)
    return Piece(
        tags, starts, times_us(table), _values(table), status, _used(table, "value_int"), _used(table, "value_text")
    )


def _runs(tag_id: Int32Array) -> tuple[Int32Array, IndexArray]:
    firsts = np.flatnonzero(np.diff(tag_id, prepend=-1))
    return tag_id[firsts], np.append(firsts, len(tag_id))


def _values(table: pa.Table) -> FloatArray:
    values = table.column("value")
    numbers: FloatArray = numpy_of(values, np.float64)
    if not values.null_count:
        return numbers
    if not numbers.flags.writeable:
        return np.where(present(values), numbers, np.nan)
    # What Arrow has just read is nobody else's: a copy would cost as much again as unpacking it.
    numbers[~present(values)] = np.nan
    return numbers


def _used(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    if name not in table.column_names:
        return None
    values = table.column(name)
    return values if values.null_count < len(values) else None


class Pieces:
    """The row groups of any files of one archive: from memory, or read.  May be used from several threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._footers = Footers()
        self._kept: Cache[tuple[str, int], Piece] = Cache(kept_bytes)

    @property
    def bytes(self) -> int:
        """Memory that is taken for row groups, roughly."""
        return self._kept.size

    def groups(self, path: str) -> Groups:
        """What the footer of a file says.  Raises CorruptionError, which names it."""
        return self._footers.groups(path)

    def fits(self, rows: int) -> bool:
        """True when so many rows can be kept; what cannot is read without keeping any of it."""
        return rows * ROW_BYTES <= self._kept.limit

    def load(self, path: str, numbers: Sequence[int]) -> None:
        """Read those of these row groups that are not in memory and fit there, in several threads when they are many.

        Raises CorruptionError, which names the file.
        """
        missing = [number for number in numbers if (path, number) not in self._kept]
        if len(missing) >= MANY_GROUPS and self.fits(int(self.groups(path).rows[missing].sum())):
            with ThreadPoolExecutor(THREADS) as threads:
                for part in [threads.submit(self._load, path, missing[first::THREADS]) for first in range(THREADS)]:
                    part.result()

    def _load(self, path: str, numbers: Sequence[int]) -> None:
        for _ in self.read(path, numbers):
            pass

    def read(self, path: str, numbers: Iterable[int], *, keep: bool = True) -> Iterator[Piece]:
        """These row groups of a file, in this order.  Raises CorruptionError, which names the file.

        A number is asked for when the piece before it was used, so that what was in that one can decide.
        """
        file: Any = None
        try:
            for number in numbers:
                piece = self._kept.get((path, number))
                if piece is None:
                    file = file or self._footers.open(path)
                    piece = _read(file, path, self.groups(path), number)
                    if keep:
                        self._kept.put((path, number), piece, piece.bytes)
                yield piece
        finally:
            if file is not None:
                file.close()


def _read(file: Any, path: str, groups: Groups, number: int) -> Piece:  # noqa: ANN401 - pyarrow's ParquetFile
    try:
        table = file.read_row_group(number, columns=_columns(groups, number), use_threads=False)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    rows, least = len(table), groups.least_status[number]
    if groups.first_tag[number] == groups.last_tag[number]:
        tags, starts = groups.first_tag[number : number + 1], np.array([0, rows], np.intp)
    else:
        tags, starts = _runs(numpy_of(table.column("tag_id"), np.int32))
    if least == groups.most_status[number]:
        status = np.broadcast_to(least.view(np.uint32), rows)
    else:
        status = numpy_of(table.column("status"), np.uint32)
    return Piece(
        tags, starts, times_us(table), _values(table), status, _used(table, "value_int"), _used(table, "value_text")
    )


def _columns(groups: Groups, number: int) -> list[str]:
    """The columns of a row group that tell anything: not one that is the same in all its rows, nor an empty one."""
    wanted = {
        "tag_id": groups.first_tag[number] != groups.last_tag[number],
        "time": True,
        "value": True,
        "value_int": groups.has_whole[number],
        "value_text": groups.has_text[number],
        "status": groups.least_status[number] != groups.most_status[number],
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]
