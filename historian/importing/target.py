"""Where samples go: a store that this process writes to, or, in a dry run, nowhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from historian.errors import StoreVersionError
from historian.importing.file_samples import FileSamples
from historian.importing.order import Heading, Reply, execute, settled
from historian.importing.tag_book import KnownTag
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from storage import names, schema
from storage.database import Access, connect_reader, explained
from storage.import_chunk import ImportProgress, Look, Outcome
from storage.reader import StoreReader
from storage.store import Store


class Target(Protocol):
    """What an import needs of a store."""

    def progress(self, source: str) -> ImportProgress | None:
        """How far an import of this content with these options was."""

    def register(self, tags: Sequence[Tag]) -> Mapping[str, int]:
        """Make tags that the store does not have; their identifiers by name."""

    def update_types(self, types: Mapping[int, ValueType]) -> None:
        """Change the types of tags, by identifier."""

    def write(self, samples: FileSamples, heading: Heading) -> Reply:
        """Insert samples and note the rest, all or nothing."""

    def finish(self) -> None:
        """Nothing more comes."""


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """A store that this process has open for writing."""

    store: Store
    who: str
    now_us: int

    def progress(self, source: str) -> ImportProgress | None:
        """As in :class:`Target`."""
        return self.store.import_progress(source)

    def register(self, tags: Sequence[Tag]) -> Mapping[str, int]:
        """As in :class:`Target`."""
        return self.store.register_tags(tags, self.now_us, self.who)

    def update_types(self, types: Mapping[int, ValueType]) -> None:
        """As in :class:`Target`."""
        self.store.update_types(types, self.now_us)

    def write(self, samples: FileSamples, heading: Heading) -> Reply:
        """As in :class:`Target`."""
        return execute(self.store, samples, heading)

    def finish(self) -> None:
        """Leave the archive as programs want it that know nothing of the database."""
        self.store.settle()


@dataclass(slots=True)
class DryTarget:
    """Writes nothing, but looks into the store, if there is one, what it has already.

    Tags that would be made have identifiers beyond all that the store gave.
    """

    path: Path | None
    last_id: int = 0
    _ids: dict[str, int] = field(default_factory=dict)

    def progress(self, source: str) -> ImportProgress | None:  # noqa: ARG002 - as in Target
        """Always from the start: a dry run tells of the whole file."""
        return None

    def register(self, tags: Sequence[Tag]) -> Mapping[str, int]:
        """Identifiers that nobody else has."""
        for tag in tags:
            self.last_id += 1
            self._ids[tag.name] = self.last_id
        return {tag.name: self._ids[tag.name] for tag in tags}

    def update_types(self, types: Mapping[int, ValueType]) -> None:
        """Does nothing."""

    def write(self, samples: FileSamples, heading: Heading) -> Reply:
        """What the store would have said."""
        return settled(samples, heading, self._outcome(samples))[1]

    def finish(self) -> None:
        """Does nothing."""

    def _outcome(self, samples: FileSamples) -> Outcome:
        none = np.empty(0, np.intp)
        if self.path is None or not len(samples):
            return Outcome(np.ones(len(samples), np.bool_), none, none)
        database = self.path / names.DATABASE
        with explained(database, f"read the store {self.path}"), closing(connect_reader(database)) as link:
            link.execute("begin")
            _require_this_version(link, self.path)
            return Look(Access(self.path, link, nullcontext()), samples.samples).work().outcome


def _require_this_version(link: sqlite3.Connection, path: Path) -> None:
    version = schema.version_of(link)
    if version < schema.EDITS_SINCE:
        raise StoreVersionError(
            f"cannot compare with the store {path}: it has the older format version {version}; it is brought up to "
            "date when something is written, for instance when collecting starts"
        )


# -- the tags there are ----------------------------------------------------------------------------------------------


class TagFinder:
    """The tags of a configuration and of a store, by name."""

    def __init__(self, configured: Sequence[Tag], stored: pa.Table | None) -> None:
        self._configured = {tag.name: tag for tag in configured}
        self._stored = stored
        known = [] if stored is None else stored.column("tag").to_pylist()
        self._rows = {name: row for row, name in enumerate(known)}

    @property
    def last_id(self) -> int:
        """The largest identifier that was given."""
        if self._stored is None or not len(self._stored):
            return 0
        return max(int(tag_id) for tag_id in self._stored.column("tag_id").to_pylist())

    def find(self, name: str) -> KnownTag | None:
        """The tag of this name: as the store has it, else as it is configured."""
        row = self._rows.get(name)
        if row is None or self._stored is None:
            tag = self._configured.get(name)
            return None if tag is None else KnownTag(tag)
        found = self._stored.slice(row, 1).to_pylist()[0]
        tag = tag_of(found)
        # Compression as it is configured now, also when nobody collected since that was changed.
        mine = self._configured.get(name)
        return KnownTag(tag if mine is None or mine.value_type is None else mine, int(found["tag_id"]))


def tags_of(path: Path) -> pa.Table:
    """The tags of the store at ``path`` now."""
    with StoreReader.open(path) as reader:
        return reader.snapshot().tags


def tag_of(row: Mapping[str, Any]) -> Tag:
    """A row of the store's table of tags as the tag it was made of."""
    enumeration = row["enumeration"]
    return Tag(
        name=row["tag"],
        source=row["source"],
        address=row["address"],
        scan_class=row["scan_class"],
        value_type=None if row["value_type"] is None else ValueType(row["value_type"]),
        units=row["units"],
        description=row["description"],
        scale=row["scale"],
        offset=row["offset"],
        low=row["low"],
        high=row["high"],
        step=row["step"],
        exception=ExceptionSettings(_bound(row["exc_dev"]), row["exc_min_us"], row["exc_max_us"]),
        compression=CompressionSettings(_bound(row["comp_dev"]), row["comp_min_us"], row["comp_max_us"]),
        enumeration=None if enumeration is None else {int(k): v for k, v in json.loads(enumeration).items()},
        type_text=row["type_text"],
    )


def _bound(deviation: float | None) -> ErrorBound | None:
    return None if deviation is None else ErrorBound(deviation)
