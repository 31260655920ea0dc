"""Thinning: averages of old months are kept in files of their own, before the samples themselves go by retention.

The averages are a different table and never a part of ``samples``.  A month gets them once it is old enough; again when
its samples were changed while all of them were still there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from historian.config.settings import RetentionSettings, ThinningSettings
from historian.model.samples import FloatArray, Int64Array
from storage import averages, catalogue, current, state, steps, tags
from storage.arrays import column, numpy_of
from storage.averages import Averaged, AverageFile
from storage.catalogue import KEPT, CatalogueEntry
from storage.columns import times_us, to_samples
from storage.compaction import MAX_INPUTS, ConflictError
from storage.compaction_input import opened
from storage.compaction_merge import Merge
from storage.compaction_plan import day_start, month_start, next_month
from storage.database import explained, transaction
from storage.files import ArchiveFolder
from storage.intents import Intents
from storage.pace import Pace
from storage.schema import FORMAT_VERSION
from storage.thinning_buckets import Buckets, Sums
from storage.thinning_neighbours import Edge, Neighbours, find

_GROUP_ROWS: Final = 131_072


def made_until(files: Iterable[CatalogueEntry], made: Iterable[AverageFile | Averaged], now_us: int) -> int:
    """Before this time every month with samples has its averages: what retention may take."""
    done = {file.month_us for file in made}
    return min((month for month in months_of(files) if month not in done), default=month_start(now_us))


def due_months(
    files: Iterable[CatalogueEntry],
    made: Iterable[AverageFile],
    settings: RetentionSettings,
    now_us: int,
    limit_us: int,
) -> list[int]:
    """Beginnings of the months that are to get their averages now, oldest first.

    Those that are old enough, and those of which samples go: before ``limit_us``, or by size.
    """
    thinning = settings.thinning
    if thinning is None:
        return []
    done = {file.month_us for file in made if not file.stale and (file.final or file.every_us == thinning.every_us)}
    files = list(files)
    too_large = settings.max_bytes is not None and sum(file.bytes for file in files) > settings.max_bytes
    old_us = day_start(now_us - thinning.after_us)
    return [
        month
        for month in months_of(files)
        if month not in done
        and next_month(month) <= now_us
        and (next_month(month) <= old_us or month < limit_us or too_large)
    ]


def months_of(files: Iterable[CatalogueEntry]) -> list[int]:
    """Beginnings of all months in which files have samples, or may have."""
    months: set[int] = set()
    for file in files:
        month = month_start(file.first_us)
        while file.level != KEPT and month <= file.last_us:
            months.add(month)
            month = next_month(month)
    return sorted(months)


@dataclass(frozen=True, slots=True)
class Thinner:
    """Makes averages for one store.  ``turn`` gives its holder the connection, for short transactions only."""

    connection: sqlite3.Connection
    database: Path
    turn: AbstractContextManager[object]
    intents: Intents
    pace: Pace

    def average(self, month_us: int, settings: ThinningSettings, time_us: int) -> Averaged:
        """Make the averages of a month.

        Raises ConflictError when its files are not merged yet, CorruptionError, StoreFullError, StoppedError.
        """
        with self.turn, explained(self.database, "read the catalogue"):
            files = catalogue.entries(self.connection)
            table, store_id = tags.read(self.connection), state.read(self.connection).store_id
            scans = current.newest(current.merge([current.decode(*group) for group in current.read(self.connection)]))
        end_us = next_month(month_us)
        buckets = Buckets(month_us, settings.every_us, (end_us - month_us) // settings.every_us)
        last_scan_us = dict(zip(scans.samples.tag_id.tolist(), scans.last_scan_us.tolist(), strict=True))
        month = _Month(self.intents.folder, files, buckets, table, last_scan_us, self.pace)
        with self.intents.writing() as begin:
            number, path = begin(averages.name_of(month_us), "thinning")
            with explained(self.intents.folder.root / path, "write averages"):
                made = _write(self.intents.folder, path, month.tables(), store_id, settings)
            file = AverageFile(number, path, month_us, settings.every_us, *made)
            with self.turn, transaction(self.connection, self.database, "add averages"):
                averages.replace(self.connection, [file], month_us, time_us)
                state.files_changed(self.connection)
                steps.reached("thinning: catalogue written")
        steps.reached("thinning: committed")
        return Averaged(month_us, file.rows)


@dataclass(frozen=True, slots=True)
class _Month:
    """The averages of one month, tag by tag."""

    folder: ArchiveFolder
    files: Sequence[CatalogueEntry]
    buckets: Buckets
    tags: pa.Table
    last_scan_us: Mapping[int, int]
    pace: Pace

    def tables(self) -> Iterator[pa.Table]:
        """Lines of ``averages.SCHEMA`` by tag and time."""
        wanted: list[int] = self.tags.column("tag_id").to_pylist()
        steps_ = dict(zip(wanted, self.tags.column("is_step").to_pylist(), strict=True))
        before = find(self.folder, self.files, wanted, Edge(self.buckets.start_us, is_before=True))
        after = find(self.folder, self.files, wanted, Edge(self.buckets.end_us, is_before=False))
        left = iter(wanted)
        # A loop over tags: each has its own sums, which would not fit into memory for all at once.
        for tag_id, pieces in self._by_tag():
            for silent in left:
                if silent >= tag_id:
                    break
                yield from self._lines(silent, [], steps_, before, after)
            yield from self._lines(tag_id, pieces, steps_, before, after)
        for silent in left:
            yield from self._lines(silent, [], steps_, before, after)

    def _by_tag(self) -> Iterator[tuple[int, Iterator[tuple[Int64Array, FloatArray]]]]:
        """Each tag with samples, and these in pieces; the pieces of one must be taken before the next tag."""
        for tag_id, parts in groupby(self._pieces(), key=itemgetter(0)):
            yield tag_id, ((times, values) for _, times, values in parts)

    def _pieces(self) -> Iterator[tuple[int, Int64Array, FloatArray]]:
        span = (self.buckets.start_us, self.buckets.end_us)
        some = [file for file in self.files if file.first_us < span[1] and file.last_us >= span[0]]
        if len(some) > MAX_INPUTS:
            raise ConflictError(f"cannot make averages from {len(some)} files at once; they wait until there are fewer")
        with opened(self.folder, [file.path for file in some]) as inputs:
            for table in Merge(inputs, span).tables():
                self.pace.rest()
                samples = to_samples(table)
                cuts = np.flatnonzero(np.diff(samples.tag_id)) + 1
                bounds = [0, *cuts.tolist(), len(samples)]
                for first, end in pairwise(bounds):
                    yield int(samples.tag_id[first]), samples.time_us[first:end], samples.value[first:end]

    def _lines(
        self,
        tag_id: int,
        pieces: Iterable[tuple[Int64Array, FloatArray]],
        steps_: Mapping[int, bool],
        before: Neighbours,
        after: Neighbours,
    ) -> Iterator[pa.Table]:
        sums = Sums.of(self.buckets)
        is_step = bool(steps_.get(tag_id, False))
        last = before.get(tag_id)
        for times, values in pieces:
            known = ([], []) if last is None else ([last[0]], [last[1]])
            sums.add(np.append(known[0], times).astype(np.int64), np.append(known[1], values), is_step=is_step)
            last = int(times[-1]), float(values[-1])
        if last is None:
            return
        end = after.get(tag_id)
        if end is None:
            # Nothing was stored since: what holds is known until the last scan, and for imported data until here.
            end = max(self.last_scan_us.get(tag_id, 0), last[0] + 1), last[1]
        sums.add(np.array([last[0], end[0]]), np.array([last[1], end[1]]), is_step=is_step)
        lines = _to_table(tag_id, sums)
        if len(lines):
            yield lines


def _to_table(tag_id: int, sums: Sums) -> pa.Table:
    there = np.flatnonzero(sums.good_us > 0)
    time_us = sums.buckets.start_us + there * sums.buckets.every_us
    good_us = sums.good_us[there]
    columns: dict[str, NDArray[Any]] = {
        "tag_id": np.full(len(there), tag_id, np.int32),
        "time": time_us,
        "average": sums.integral[there] / good_us,
        "minimum": sums.minimum[there],
        "maximum": sums.maximum[there],
        "good_percent": 100 * good_us / sums.buckets.every_us,
        "samples": sums.samples[there],
    }
    arrays = [column(columns[field.name], field.type) for field in averages.SCHEMA]
    return pa.Table.from_arrays(arrays, schema=averages.SCHEMA)


def _write(
    folder: ArchiveFolder, path: str, tables: Iterator[pa.Table], store_id: str, settings: ThinningSettings
) -> tuple[Any, ...]:
    """Rows, ranges, bytes and checksum of the file, in the order of AverageFile."""
    extent = {"rows": 0, "first_us": 0, "last_us": 0, "first_tag": 0, "last_tag": 0}

    def content(stream: pa.NativeFile) -> None:
        metadata = {
            "historian.format_version": str(FORMAT_VERSION), "historian.store_id": store_id,
            "historian.every_us": str(settings.every_us),
        }  # fmt: skip
        with pq.ParquetWriter(
            stream, averages.SCHEMA, compression="zstd", compression_level=9, store_schema=False,
            use_dictionary=["tag_id", "samples", "good_percent", "average", "minimum", "maximum"],
            column_encoding={"time": "DELTA_BINARY_PACKED"}, write_page_index=True, write_page_checksum=True,
        ) as writer:  # fmt: skip
            for group in _grouped(tables):
                _extend(extent, group)
                writer.write_table(group, row_group_size=len(group))
            writer.add_key_value_metadata(metadata)

    folder.write(path, content, step="thinning")
    return (*extent.values(), folder.size(path), folder.sha256(path))


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(each) for each in waiting) >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _extend(extent: dict[str, int], group: pa.Table) -> None:
    times, tag_id = times_us(group), numpy_of(group.column("tag_id"), np.int32)
    is_first = not extent["rows"]
    extent["first_us"] = int(times.min()) if is_first else min(extent["first_us"], int(times.min()))
    extent["last_us"] = max(extent["last_us"], int(times.max()))
    extent["first_tag"] = int(tag_id[0]) if is_first else extent["first_tag"]
    extent["last_tag"] = int(tag_id[-1])
    extent["rows"] += len(group)
