"""Looking at one file of the archive: whether it is what the catalogue says, and every page of it can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.model.samples import Int32Array
from storage import names
from storage.columns import SAMPLE_SCHEMA
from storage.damage import Damage
from storage.overlap import Chunk, Holding, Keys, keys_of, read_keys

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CataloguedFile:
    """A row of the catalogue; ``path`` is below the archive."""

    path: str
    rows: int
    first_us: int
    last_us: int
    first_tag: int
    last_tag: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found in one file: its damages, and where its samples are, as far as they can be read."""

    damages: tuple[Damage, ...]
    holding: Holding


@dataclass(frozen=True, slots=True)
class FileChecker:
    """Checks files of one archive.

    ``tag_ids`` int32[n] are those the store knows, None when that cannot be told; ``fast`` looks at sizes and footers
    only.  ``advance`` is told the bytes that were read.
    """

    archive: Path
    store_id: str | None
    tag_ids: Int32Array | None
    fast: bool
    advance: Callable[[int], None]

    def check(self, file: CataloguedFile) -> FileCheck:
        """Everything about one file.  Never raises for what is in it."""
        path = self.archive / file.path
        if not path.is_file():
            return _only(file.path, Damage("missing", "is in the catalogue, but not there", file.path))
        damages = list(self._outside(file, path))
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
                damages += self._footer(file, parquet)
                if damages and damages[-1].column is not None:
                    return FileCheck(tuple(damages), Holding(file.path, ()))
                holding = Holding(file.path, tuple(chunks(path, parquet.metadata)))
                if not self.fast:
                    damages += self._contents(file, parquet, holding)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            # The last three: a footer that can be read but says nonsense, such as no statistics.
            damages.append(Damage("unreadable", f"cannot be read as Parquet: {_first_line(error)}", file.path))
            holding = Holding(file.path, ())
        return FileCheck(tuple(damages), holding)

    def _outside(self, file: CataloguedFile, path: Path) -> Iterator[Damage]:
        size = path.stat().st_size
        if size != file.bytes:
            yield Damage("checksum", f"has {size} bytes, the catalogue says {file.bytes}", file.path)
        elif not self.fast:
            found = self._sha256(path)
            if found != file.sha256:
                yield Damage("checksum", f"has SHA-256 {found}, the catalogue says {file.sha256}", file.path)

    def _sha256(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK_BYTES):
                digest.update(data)
                self.advance(len(data))
        return digest.hexdigest()

    def _footer(self, file: CataloguedFile, parquet: pq.ParquetFile) -> Iterator[Damage]:
        metadata = parquet.metadata
        said = {key.decode(): value.decode() for key, value in (metadata.metadata or {}).items()}
        expected = {
            "historian.first_us": str(file.first_us),
            "historian.last_us": str(file.last_us),
            **({} if self.store_id is None else {"historian.store_id": self.store_id}),
        }
        for key, wanted in expected.items():
            if said.get(key) != wanted:
                yield Damage("footer", f"its footer says {key} = {said.get(key)}, wanted {wanted}", file.path)
        if metadata.num_rows != file.rows:
            yield Damage("rows", f"has {metadata.num_rows} rows, the catalogue says {file.rows}", file.path)
        for field in SAMPLE_SCHEMA:
            place = parquet.schema_arrow.get_field_index(field.name)
            if place < 0 or parquet.schema_arrow.field(place).type != field.type:
                yield Damage("footer", f"has no column {field.name} of type {field.type}", file.path, None, field.name)

    def _contents(self, file: CataloguedFile, parquet: pq.ParquetFile, holding: Holding) -> Iterator[Damage]:
        before: tuple[int, int] | None = None
        for chunk in holding.chunks:
            table, damages = _read_group(file.path, parquet, chunk.number)
            yield from damages
            if table is not None:
                keys = keys_of(table)
                yield from self._group(file, chunk, keys, before)
                before = (int(keys.tag_id[-1]), int(keys.time_us[-1]))
        yield from _ranges(file, holding)

    def _group(
        self, file: CataloguedFile, chunk: Chunk, keys: Keys, before: tuple[int, int] | None
    ) -> Iterator[Damage]:
        def damage(kind: Any, reason: str, column: str | None = None) -> Damage:  # noqa: ANN401 - a literal
            return Damage(kind, reason, file.path, chunk.number, column)

        if len(keys.tag_id) != chunk.rows:
            yield damage("rows", f"has {len(keys.tag_id)} rows, its footer says {chunk.rows}")
        tag_step, time_step = np.diff(keys.tag_id), np.diff(keys.time_us)
        backwards = np.flatnonzero((tag_step < 0) | ((tag_step == 0) & (time_step < 0)))
        if len(backwards):
            yield damage("order", f"row {int(backwards[0]) + 1} comes before the row above it")
        elif before is not None and before > (int(keys.tag_id[0]), int(keys.time_us[0])):
            yield damage("order", "begins before the end of the row group above it")
        twice = np.flatnonzero((tag_step == 0) & (time_step == 0))
        if len(twice):
            where = describe(int(keys.tag_id[twice[0]]), int(keys.time_us[twice[0]]))
            yield damage("duplicate", f"{len(twice)} samples have the tag and time of another, first {where}")
        yield from self._statistics(damage, chunk, keys)

    def _statistics(self, damage: Callable[..., Damage], chunk: Chunk, keys: Keys) -> Iterator[Damage]:
        found = [int(of) for of in (keys.tag_id.min(), keys.tag_id.max(), keys.time_us.min(), keys.time_us.max())]
        said = [chunk.first_tag, chunk.last_tag, chunk.first_us, chunk.last_us]
        for column, at in (("tag_id", 0), ("time", 2)):
            if found[at : at + 2] != said[at : at + 2]:
                reason = f"goes from {found[at]} to {found[at + 1]}, its statistics say {said[at]} to {said[at + 1]}"
                yield damage("footer", reason, column)
        if self.tag_ids is not None:
            strangers = np.setdiff1d(keys.tag_id, self.tag_ids)
            if len(strangers):
                yield damage("tags", f"has samples of tag_id {int(strangers[0])}, which no tag has", "tag_id")


def _only(path: str, *damages: Damage) -> FileCheck:
    return FileCheck(damages, Holding(path, ()))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def chunks(path: Path, metadata: Any) -> Iterator[Chunk]:  # noqa: ANN401 - pyarrow's FileMetaData
    """The row groups of a file with the ranges that their statistics say."""
    columns = {metadata.schema.column(place).name: place for place in range(metadata.num_columns)}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        tags, times = (group.column(columns[name]).statistics for name in ("tag_id", "time"))
        yield Chunk(
            number, group.num_rows, int(tags.min), int(tags.max), int(times.min_raw), int(times.max_raw),
            partial(read_keys, path, number),
        )  # fmt: skip


def _read_group(path: str, parquet: pq.ParquetFile, number: int) -> tuple[pa.Table | None, list[Damage]]:
    """Tag and time of a row group, None when these cannot be read; and each column that cannot."""
    damages, keys = [], {}
    for field in SAMPLE_SCHEMA:
        try:
            column = parquet.read_row_group(number, columns=[field.name], use_threads=False).column(field.name)
            column.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            damages.append(Damage("unreadable", f"cannot be read: {_first_line(error)}", path, number, field.name))
        else:
            damages += _values(path, number, field, column)
            if field.name in ("tag_id", "time"):
                keys[field.name] = column
    whole = len(keys) == 2 and not any(damage.column in keys for damage in damages)
    return (pa.table(keys) if whole else None), damages


def _values(path: str, number: int, field: pa.Field, column: pa.ChunkedArray) -> Iterator[Damage]:
    if not field.nullable and column.null_count:
        yield Damage("value", f"has {column.null_count} rows without a value", path, number, field.name)
    if field.name == "value" and np.isnan(column.drop_null().combine_chunks().to_numpy(zero_copy_only=False)).any():
        yield Damage("value", "has values that are no numbers (NaN)", path, number, field.name)


def _ranges(file: CataloguedFile, holding: Holding) -> Iterator[Damage]:
    """The catalogue's ranges against those of the row groups."""
    if not holding.chunks:
        return
    found = {
        "tag_id": (min(each.first_tag for each in holding.chunks), max(each.last_tag for each in holding.chunks)),
        "time": (holding.first_us, holding.last_us),
    }
    said = {"tag_id": (file.first_tag, file.last_tag), "time": (file.first_us, file.last_us)}
    for column, (first, last) in found.items():
        if (first, last) != said[column]:
            reason = f"goes from {first} to {last}, the catalogue says {said[column][0]} to {said[column][1]}"
            yield Damage("catalogue", reason, file.path, None, column)


def describe(tag_id: int, time_us: int) -> str:
    """A sample's key for people."""
    return f"tag_id {tag_id} at {np.datetime64(time_us, 'us')}Z"


def files_below(archive: Path) -> list[str]:
    """Every file below the samples' folder, finished or not, by path below the archive."""
    folder = archive / names.SAMPLES
    return sorted(path.relative_to(archive).as_posix() for path in folder.rglob("*") if path.is_file())
