"""Importing while another process collects: that process writes, the import hands it the chunks as requests.

Each request is done at most once; one whose answer got lost is done again and finds its samples there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from historian.errors import UsageError
from historian.importing.file_samples import FileSamples
from historian.importing.order import Heading, Reply, execute
from historian.importing.report import Figures
from historian.importing.target import StoreTarget, tag_of
from historian.model.tag import Tag, ValueType
from storage import tags as stored_tags
from storage.arrays import column, numpy_of
from storage.columns import to_batch, to_samples
from storage.import_chunk import ImportProgress
from storage.store import Store

CHUNK_SAMPLES: Final = 250_000
"""A chunk keeps the collecting process busy for a fraction of a second, in a thread beside its scans."""

Ask: TypeAlias = Callable[[Mapping[str, Any], Callable[[Path], None] | None], Mapping[str, Any]]
"""Sends a request, with a file if a function is given that writes one; the answer."""


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """A store that another process writes to."""

    ask: Ask
    who: str
    now_us: int

    def progress(self, source: str) -> ImportProgress | None:
        """As in :class:`~historian.importing.target.Target`."""
        found = self.ask({"do": "progress", "source": source}, None)["progress"]
        return None if found is None else ImportProgress(**found)

    def register(self, tags: Sequence[Tag]) -> Mapping[str, int]:
        """As in :class:`~historian.importing.target.Target`."""
        rows = [
            {"tag": tag.name, **dict(zip(stored_tags.METADATA, stored_tags.metadata_of(tag), strict=True))}
            for tag in tags
        ]
        answer = self.ask({"do": "register", "tags": rows, "who": self.who, "now_us": self.now_us}, None)
        return {str(name): int(tag_id) for name, tag_id in answer["ids"].items()}

    def update_types(self, types: Mapping[int, ValueType]) -> None:
        """As in :class:`~historian.importing.target.Target`."""
        told = {str(tag_id): value_type.value for tag_id, value_type in types.items()}
        self.ask({"do": "types", "types": told, "now_us": self.now_us}, None)

    def write(self, samples: FileSamples, heading: Heading) -> Reply:
        """As in :class:`~historian.importing.target.Target`."""
        answer = self.ask({"do": "write", "heading": heading.as_mapping()}, lambda path: _save(path, samples))
        return Reply(Figures.from_mapping(answer["figures"]), np.array(answer["differing"], np.intp))

    def finish(self) -> None:
        """Does nothing: the other process flushes when it is time."""


def answer(store: Store, asked: Mapping[str, Any], data: Path | None) -> Mapping[str, Any]:
    """Do what a :class:`RemoteTarget` asks for, where the store is open for writing."""
    if asked["do"] == "progress":
        found = store.import_progress(asked["source"])
        fields = ImportProgress.__slots__
        return {"progress": None if found is None else {name: getattr(found, name) for name in fields}}
    if asked["do"] == "register":
        tags = [tag_of(row) for row in asked["tags"]]
        return {"ids": dict(StoreTarget(store, asked["who"], asked["now_us"]).register(tags))}
    if asked["do"] == "types":
        store.update_types({int(tag_id): ValueType(told) for tag_id, told in asked["types"].items()}, asked["now_us"])
        return {}
    if asked["do"] == "write" and data is not None:
        reply = execute(store, _load(data), Heading(**asked["heading"]))
        return {"figures": reply.figures.as_mapping(), "differing": reply.differing.tolist()}
    raise UsageError(f"cannot do {asked['do']!r} of an import: is one of the two programs older than the other?")


def _save(path: Path, samples: FileSamples) -> None:
    batch = to_batch(samples.samples).append_column("row", column(samples.row, pa.int64()))
    with pa.OSFile(path.as_posix(), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _load(path: Path) -> FileSamples:
    with pa.OSFile(path.as_posix(), "rb") as stream, pa.ipc.open_file(stream) as reader:
        table = reader.read_all()
    return FileSamples(to_samples(table), numpy_of(table.column("row"), np.int64))
