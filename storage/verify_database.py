"""Looking at ``historian.sqlite``: its pages, its tables, and what is inside its blobs, each row by itself.

Every query here goes on with the next row or table when SQLite cannot read one, so that all damages are told at once.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from historian.errors import CorruptionError
from historian.model.samples import Int32Array
from storage import buffer, current, held, schema, shadow, tags
from storage.damage import Damage
from storage.overlap import Chunk, Holding, Keys, chunk_of, keys_of
from storage.verify_files import CataloguedFile

ResultT = TypeVar("ResultT")

BUFFER: Final = "buffer"
_TREE: Final = re.compile(r"Tree (\d+)")
_CATALOGUE: Final = "path, rows, first_us, last_us, first_tag, last_tag, bytes, sha256"


@dataclass(slots=True)
class DatabaseCheck:
    """What the database holds, as far as it can be read, and its damages.

    ``files`` are those of the catalogue, ``others`` paths that it accounts for beside them (being written, or retired);
    ``averages`` are path, rows, bytes and SHA-256 of the files of averages.  ``holding`` are the samples of the buffer.
    ``versions`` are the tags' versions, None unless ``tags.parquet`` should hold the same.
    """

    damages: list[Damage] = field(default_factory=list)
    version: int | None = None
    store_id: str | None = None
    files: list[CataloguedFile] = field(default_factory=list)
    has_catalogue: bool = False
    averages: list[tuple[str, int, int, str]] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    tag_ids: Int32Array | None = None
    holding: Holding = field(default_factory=lambda: Holding(BUFFER, ()))
    batches: int = 0
    rows: int = 0
    versions: pa.Table | None = None


def check(connection: sqlite3.Connection, *, fast: bool) -> DatabaseCheck:
    """Everything about the database, inside the caller's transaction."""
    found = DatabaseCheck()
    examiner = _Examiner(connection, found)
    examiner.pages(fast=fast)
    examiner.tables()
    examiner.state()
    examiner.catalogue()
    examiner.tags()
    examiner.batches(fast=fast)
    if not fast:
        examiner.blobs()
        examiner.raw_samples()
        examiner.audit()
    return found


@dataclass(frozen=True, slots=True)
class _Examiner:
    connection: sqlite3.Connection
    found: DatabaseCheck

    def _damage(self, kind: Any, table: str | None, reason: str, row: object = None) -> None:  # noqa: ANN401 - a literal
        self.found.damages.append(Damage(kind, reason, table=table, row=None if row is None else str(row)))

    def _try(self, table: str, work: Callable[[], ResultT], row: object = None) -> ResultT | None:
        """The result, or None and one damage more."""
        try:
            return work()
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
            return None  # told by tables()
        except sqlite3.DatabaseError as error:
            self._damage("database", table, f"cannot be read: {error}", row)
        except CorruptionError as error:
            self._damage("row", table, str(error).split(";")[0], row)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            self._damage("row", table, f"holds something else than it should: {error}", row)
        return None

    def _select(self, table: str, query: str, values: Sequence[object] = ()) -> list[Any]:
        return self._try(table, lambda: self.connection.execute(query, values).fetchall()) or []

    def pages(self, *, fast: bool) -> None:
        """What SQLite itself finds; the quick check does not compare indexes with their tables."""
        query = "pragma quick_check" if fast else "pragma integrity_check"
        roots = {
            root: name for name, root in self._select("sqlite_schema", "select tbl_name, rootpage from sqlite_schema")
        }
        try:
            lines = [line for (text,) in self.connection.execute(query) for line in str(text).splitlines()]
        except sqlite3.DatabaseError as error:
            self._damage("database", None, f"SQLite cannot check it: {error}")
            return
        for line in lines:
            if line != "ok" and not line.startswith("***"):
                tree = _TREE.search(line)
                self._damage("database", roots.get(int(tree.group(1))) if tree else None, line)

    def tables(self) -> None:
        """Tables and columns against those that this version has."""
        self.found.version = self._try("sqlite_schema", lambda: schema.version_of(self.connection))
        if self.found.version != schema.FORMAT_VERSION:
            return
        for table, columns in expected_columns().items():
            there = {name for (name,) in self._select(table, "select name from pragma_table_info(?)", (table,))}
            if not there:
                self._damage("schema", table, "is missing")
            elif missing := sorted(columns - there):
                self._damage("schema", table, f"lacks the columns {', '.join(missing)}")

    def state(self) -> None:
        """The one row of ``state``."""
        rows = self._select("state", "select store_id from state")
        if len(rows) == 1:
            self.found.store_id = rows[0][0]
        elif not any(damage.table == "state" for damage in self.found.damages):
            self._damage("row", "state", f"has {len(rows)} rows, wanted 1")

    def catalogue(self) -> None:
        """The files there should be."""
        before = len(self.found.damages)
        self.found.files = read_catalogue(lambda query: self._select("file", query), self.found.version)
        self.found.has_catalogue = len(self.found.damages) == before
        if (self.found.version or 1) >= schema.EDITS_SINCE:
            retired = self._select("file", "select path from file where retired_us is not null")
            self.found.others.update(path for (path,) in retired)
            self.found.averages = self._select(
                "average_file", "select path, rows, bytes, sha256 from average_file where retired_us is null"
            )
        self.found.others.update(path for (path,) in self._select("file_intent", "select path from file_intent"))

    def tags(self) -> None:
        """Identifiers, and one version at a time of each."""
        before = len(self.found.damages)
        rows = self._select("tag_version", "select distinct tag_id from tag_version")
        if len(self.found.damages) > before:
            return
        self.found.tag_ids = np.array([tag_id for (tag_id,) in rows], np.int32)
        ended = self._select(
            "tag_version", "select tag_id from tag_version group by tag_id having sum(valid_to_us is null) > 1"
        )
        for (tag_id,) in ended:
            self._damage("row", "tag_version", "has more than one version that holds", f"tag_id {tag_id}")
        is_written = self._select("state", "select tags_written = tags_version from state")
        if is_written == [(1,)]:
            self.found.versions = self._try("tag_version", lambda: tags.read_versions(self.connection))

    def batches(self, *, fast: bool) -> None:
        """The buffer, batch by batch."""
        numbers = self._select("batch", "select number from batch order by number")
        chunks: list[Chunk] = []
        self.found.batches = len(numbers)
        for (number,) in numbers:
            if fast:
                continue
            keys = self._try("batch", lambda number=number: self._batch(number), number)  # type: ignore[misc]
            if keys is not None:
                chunks.append(chunk_of(number, keys))
                self.found.rows += len(keys.tag_id)
        self.found.holding = Holding(BUFFER, tuple(chunks))

    def _batch(self, number: int) -> Keys:
        rows, first_us, last_us, blob = self.connection.execute(
            "select rows, first_us, last_us, samples from batch where number = ?", (number,)
        ).fetchone()
        keys = keys_of(buffer.decode(blob, f"batch {number}"))
        found = (len(keys.tag_id), int(keys.time_us.min()), int(keys.time_us.max()))
        if found != (rows, first_us, last_us):
            said = (rows, first_us, last_us)
            reason = f"rows, first_us and last_us are {found} in its samples, the row says {said}"
            self._damage("row", "batch", reason, number)
        if self.found.tag_ids is not None and not np.isin(keys.tag_id, self.found.tag_ids).all():
            stranger = int(np.setdiff1d(keys.tag_id, self.found.tag_ids)[0])
            self._damage("tags", "batch", f"has samples of tag_id {stranger}, which no tag has", number)
        return keys

    def blobs(self) -> None:
        """The other blobs: what is known of each group, the tags, and what edits replaced."""
        for (group,) in self._select("current_group", "select group_number from current_group"):
            self._try("current_group", lambda group=group: self._group(group), group)  # type: ignore[misc]
        if (self.found.version or 1) >= schema.HELD_SINCE:
            self._held()
        self._try("tag_table", lambda: tags.read(self.connection))
        if (self.found.version or 1) >= schema.EDITS_SINCE:
            for (number,) in self._select("former", "select number from former"):
                self._try("former", lambda number=number: self._former(number), number)  # type: ignore[misc]

    def raw_samples(self) -> None:
        """Raw samples that are kept as a proof, row by row."""
        for row in self._try("shadow", lambda: shadow.rows(self.connection)) or []:
            self._try("shadow", lambda row=row: self._shadow(row), row.number)  # type: ignore[misc]

    def _shadow(self, row: shadow.ShadowRow) -> None:
        blob = shadow.fetch(self.connection, row.number)
        if blob is not None and len(shadow.decode(row, blob)) != row.rows:
            self._damage("row", "shadow", f"has other samples than the {row.rows} that the row says", row.number)

    def _group(self, group: int) -> None:
        (blob,) = self.connection.execute(
            "select samples from current_group where group_number = ?", (group,)
        ).fetchone()
        current.decode(group, blob)

    def _held(self) -> None:
        for number, blob in self._select("held", "select number, samples from held order by number"):
            self._try("held", lambda number=number, blob=blob: held.decode(number, blob), number)  # type: ignore[misc]
        for door, *blobs in self._select("held_door", "select door, lanes, stored, reported from held_door"):
            self._try("held_door", lambda door=door, blobs=blobs: held.decode_door(door, blobs), door)  # type: ignore[misc]

    def _former(self, number: int) -> None:
        (blob,) = self.connection.execute("select samples from former where number = ?", (number,)).fetchone()
        buffer.decode(blob, f"former samples {number}")

    def audit(self) -> None:
        """Lines are numbered without gaps, so that a lost one shows."""
        for count, last in self._select("audit", "select count(*), coalesce(max(number), 0) from audit"):
            if count != last:
                self._damage("row", "audit", f"has {count} lines, the last is number {last}: {last - count} are gone")


def read_catalogue(select: Callable[[str], list[Any]], version: int | None) -> list[CataloguedFile]:
    """The files that readers use, oldest first."""
    some = "where retired_us is null" if (version or 1) >= schema.EDITS_SINCE else ""
    return [CataloguedFile(*row) for row in select(f"select {_CATALOGUE} from file {some} order by first_us, number")]  # noqa: S608 - constants


def expected_columns() -> dict[str, set[str]]:
    """The columns of every table of a new store."""
    fresh = sqlite3.connect(":memory:")
    try:
        schema.create(fresh)
        tables = [name for (name,) in fresh.execute("select name from sqlite_schema where type = 'table'")]
        return {
            table: {name for (name,) in fresh.execute("select name from pragma_table_info(?)", (table,))}
            for table in tables
            if not table.startswith("sqlite_")
        }
    finally:
        fresh.close()
