"""Archive files: Parquet that any program reads, small, sorted by tag and time, one tag found without reading others.

docs/format/archive.md describes the file, docs/decisions/0012 the measurements behind the choices here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.model.samples import Int32Array
from storage.arrays import column, numpy_of
from storage.catalogue import ArchiveFile
from storage.columns import SAMPLE_SCHEMA, times_us
from storage.files import ArchiveFolder
from storage.runs import reach_us, run_ends
from storage.schema import FORMAT_VERSION

Encoding: TypeAlias = Literal["dictionary", "short dictionary", "PLAIN", "BYTE_STREAM_SPLIT"]

DICTIONARY_BYTES: Final = 1 << 20
SHORT_DICTIONARY_BYTES: Final = 64 << 10
SHORT_GROUP_ROWS: Final = 65_536
"""A row group whose values need a larger dictionary goes on without one.  With the short one, for files of row groups
with fewer rows than this, each tag gets what suits it: 8,192 different values among 20,000 are better left to zstd."""

MIN_GROUP_ROWS: Final = 16_384
MAX_GROUP_ROWS: Final = 131_072
"""A row group ends with a tag once it has the smaller number of rows; a tag with more than the larger one is cut by
time."""

TRIAL_GROUPS: Final = 4
TRIAL_ROWS: Final = 32_768
"""The value's encoding is chosen by encoding the values of so many row groups in every way: mostly whole ones, because
how many different values there are decides, and no more of those of long tags, because that takes as long as writing
them."""

COMPRESSION_LEVEL: Final = 3
"""zstd: level 9 saves 2 % and takes twice the time; compaction, which writes for years, may choose it."""

REPLACES: Final = "historian.replaces"
"""Key of a footer: numbers of the files that this one, and those written just before it, stand for."""

_TEXT_COLUMNS: Final = ("tag_id", "value_int", "value_text", "status")
_SORTING: Final = (pq.SortingColumn(0), pq.SortingColumn(1))


def sort(table: pa.Table) -> pa.Table:
    """The rows by tag and time; equal ones keep their order."""
    order = np.lexsort((times_us(table), numpy_of(table.column("tag_id"), np.int32)))
    return table.take(column(order, pa.int64()))


def write(
    folder: ArchiveFolder, path: str, table: pa.Table, *, store_id: str, level: int = COMPRESSION_LEVEL
) -> ArchiveFile:
    """Write samples sorted by :func:`sort` (at least one) as one file, durable when this returns.  Raises OSError."""
    tag_id: Int32Array = numpy_of(table.column("tag_id"), np.int32)
    cuts = list(group_bounds(tag_id))
    encoding = choose_encoding(table.column("value"), cuts, level)
    groups = (table.slice(first, end - first) for first, end in cuts)
    return write_groups(folder, path, groups, encoding, store_id=store_id, level=level, step="flush")


def write_groups(
    folder: ArchiveFolder,
    path: str,
    groups: Iterable[pa.Table],
    encoding: Encoding,
    *,
    store_id: str,
    level: int,
    step: str,
    replaces: Sequence[int] = (),
) -> ArchiveFile:
    """Write row groups (at least one, columns of SAMPLE_SCHEMA, by tag and time) as they come, as one durable file.

    Raises OSError.  ``step`` begins the names of the steps in :mod:`storage.steps`.  ``replaces`` are the numbers of
    files that nobody needs any more when this one is there: the last file of a compaction says so, for a rebuild.
    """
    file = GroupFile(folder, path, encoding, store_id=store_id, level=level, step=step)
    try:
        for group in groups:
            file.add(group)
        return file.finish(replaces)
    except BaseException:
        file.abandon()
        raise


class GroupFile:
    """A file of the archive that is being written, row group by row group; see :func:`write_groups`."""

    def __init__(
        self, folder: ArchiveFolder, path: str, encoding: Encoding, *, store_id: str, level: int, step: str
    ) -> None:
        self._folder, self._path, self._store_id = folder, path, store_id
        self._extent = _Extent()
        self._file = folder.begin(path, step=step)
        self._writer = _writer(self._file.stream, SAMPLE_SCHEMA, encoding, level)

    @property
    def rows(self) -> int:
        """Rows so far."""
        return self._extent.rows

    @property
    def last_tag(self) -> int:
        """The tag of the last row so far."""
        return self._extent.last_tag

    def add(self, group: pa.Table) -> None:
        """One more row group.  Raises OSError."""
        self._writer.write_table(group, row_group_size=len(group))
        self._extent.add(group)

    def finish(self, replaces: Sequence[int] = ()) -> ArchiveFile:
        """The whole file, durable.  Raises OSError; then :meth:`abandon` it."""
        extent = self._extent
        self._writer.add_key_value_metadata({**extent.metadata(self._store_id), **_replaced(replaces)})
        self._writer.close()
        self._file.finish()
        return ArchiveFile(
            str(self._folder.root / self._path), extent.rows, extent.first_us, extent.last_us, extent.first_tag,
            extent.last_tag, self._folder.size(self._path), self._folder.sha256(self._path),
        )  # fmt: skip

    def abandon(self) -> None:
        """Nothing is left of it."""
        with suppress(OSError, pa.ArrowException):  # a writer that is left open would end itself later, with an error
            self._writer.close()
        self._file.abandon()


def _replaced(numbers: Sequence[int]) -> Mapping[str, str]:
    return {REPLACES: ",".join(map(str, numbers))} if numbers else {}


class _Extent:
    """How far the rows of a file reach, group by group."""

    def __init__(self) -> None:
        self.rows = 0
        self.first_us, self.last_us = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        self.first_tag, self.last_tag = np.iinfo(np.int32).max, 0

    def add(self, group: pa.Table) -> None:
        times, tag_id = times_us(group), numpy_of(group.column("tag_id"), np.int32)
        first_us, last_us = reach_us(tag_id, times)
        self.rows += len(group)
        self.first_us, self.last_us = min(self.first_us, first_us), max(self.last_us, last_us)
        self.first_tag, self.last_tag = min(self.first_tag, int(tag_id[0])), max(self.last_tag, int(tag_id[-1]))

    def metadata(self, store_id: str) -> Mapping[str, str]:
        """What the footer says beside the schema, so that a lost catalogue can be made again from the files."""
        return {
            "historian.format_version": str(FORMAT_VERSION),
            "historian.store_id": store_id,
            "historian.first_us": str(self.first_us),
            "historian.last_us": str(self.last_us),
        }


def _writer(stream: pa.NativeFile, schema: pa.Schema, encoding: Encoding, level: int) -> pq.ParquetWriter:
    columns: dict[str, str] = {"time": "DELTA_BINARY_PACKED"}
    if encoding not in {"dictionary", "short dictionary"}:
        columns["value"] = encoding
    names = set(schema.names)
    return pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        compression_level=level,
        use_dictionary=[name for name in (*_TEXT_COLUMNS, "value") if name in names and name not in columns],
        dictionary_pagesize_limit=SHORT_DICTIONARY_BYTES if encoding == "short dictionary" else DICTIONARY_BYTES,
        column_encoding={name: chosen for name, chosen in columns.items() if name in names},
        write_statistics=True,
        write_page_index=True,
        write_page_checksum=True,
        store_schema=False,
        sorting_columns=_SORTING if schema == SAMPLE_SCHEMA else None,
    )


def group_bounds(tag_id: Int32Array) -> Iterator[tuple[int, int]]:
    """First row and end of each row group; ``tag_id`` int32[n] is sorted.

    Groups hold whole tags, and more than one only while there are few rows of each.
    """
    ends = run_ends(tag_id) if len(tag_id) else tag_id
    start = 0
    while start < len(tag_id):
        end = int(ends[min(int(np.searchsorted(ends, start + MIN_GROUP_ROWS)), len(ends) - 1)])
        if end - start > MAX_GROUP_ROWS:
            # A long tag follows short ones: it begins a group of its own.
            last = int(ends[np.searchsorted(ends, start + MAX_GROUP_ROWS, side="right") - 1])
            end = last if start < last <= start + MAX_GROUP_ROWS else start + MAX_GROUP_ROWS
        yield start, end
        start = end


def choose_encoding(values: pa.ChunkedArray, cuts: Sequence[tuple[int, int]], level: int) -> Encoding:
    """What makes the values smallest: tried on some of the row groups, spread over the file.

    A dictionary suits values that come from a converter of 12 to 16 bits, BYTE_STREAM_SPLIT those that never come
    again, PLAIN (zstd finds the repeated ones) few rows of many quantised tags.
    """
    places = sorted({place * (len(cuts) - 1) // (TRIAL_GROUPS - 1) for place in range(TRIAL_GROUPS)})
    chosen = [cuts[place] for place in places]
    parts = [values.slice(first, min(end - first, TRIAL_ROWS)) for first, end in chosen]
    is_short = max(end - first for first, end in cuts) < SHORT_GROUP_ROWS
    encodings: tuple[Encoding, ...] = ("short dictionary" if is_short else "dictionary", "PLAIN", "BYTE_STREAM_SPLIT")
    sizes = {encoding: sum(_encoded_bytes(part, encoding, level) for part in parts) for encoding in encodings}
    return min(encodings, key=sizes.__getitem__)


def _encoded_bytes(values: pa.ChunkedArray, encoding: Encoding, level: int) -> int:
    table = pa.Table.from_arrays([values], names=["value"])
    sink = pa.BufferOutputStream()
    with _writer(sink, table.schema, encoding, level) as writer:
        writer.write_table(table, row_group_size=len(table))
    return int(sink.getvalue().size)


def to_bytes(table: pa.Table, *, level: int = COMPRESSION_LEVEL) -> pa.Buffer:
    """``table`` (SAMPLE_SCHEMA, sorted) as the content of a file of the archive, without the footer's own entries."""
    groups = list(group_bounds(numpy_of(table.column("tag_id"), np.int32)))
    encoding = choose_encoding(table.column("value"), groups, level)
    sink = pa.BufferOutputStream()
    with _writer(sink, table.schema, encoding, level) as writer:
        for first, end in groups:
            writer.write_table(table.slice(first, end - first), row_group_size=end - first)
    return sink.getvalue()


def encoded_bytes(table: pa.Table, *, level: int = COMPRESSION_LEVEL) -> int:
    """What the rows of ``table`` (SAMPLE_SCHEMA, sorted) would take in a file of their own, without its footer."""
    footer = pq.read_metadata(pa.BufferReader(to_bytes(table, level=level)))
    return sum(
        footer.row_group(group).column(place).total_compressed_size
        for group in range(footer.num_row_groups)
        for place in range(footer.num_columns)
    )


def write_table(folder: ArchiveFolder, path: str, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a small table of another kind, such as the tags, beside the samples; replaces the one before."""

    def content(stream: pa.NativeFile) -> None:
        with pq.ParquetWriter(stream, table.schema, compression="zstd", store_schema=False) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({name: str(value) for name, value in metadata.items()})

    folder.write(path, content, step="tags file")
