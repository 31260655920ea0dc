"""Files that were set aside come back: a good copy in the place of the damaged one below ``damaged/`` is joined again.

Its samples go the way of late data (insert without replacing), so that what was kept of the file, or was imported or
corrected meanwhile, stays as it is; a crash in between is mended by doing it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from historian.model.commit import AuditEvent
from historian.model.samples import Samples
from storage import names, state
from storage.columns import to_samples
from storage.files import sync_folder
from storage.overlap import Holding, Keys, chunk_of, keys_of, known_before
from storage.reader import StoreReader
from storage.set_aside import read_group
from storage.store import Store

ACTION: Final = "file joined again"
_WHY: Final = "a good copy of a file that had been set aside"


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of one file: ``inserted`` samples are new in the store, ``known`` were there; or ``refused`` why."""

    path: str
    inserted: int = 0
    known: int = 0
    refused: str = ""

    def __str__(self) -> str:
        if self.refused:
            return f"{self.path}: left where it is, {self.refused}"
        return f"{self.path}: {self.inserted:,} samples are back, {self.known:,} were in the store"


def join_again(store: Store, time_us: int, who: str) -> tuple[Joined, ...]:
    """Join every file below ``damaged/`` that can be read to its end; it is then called ``.joined``."""
    folder = store.folder / names.DAMAGED
    with StoreReader.open(store.folder) as reader:
        store_id = reader.inspect(state.read).store_id
        removed = _removed(reader.snapshot().edits)
    return tuple(
        _join(store, path, store_id, removed, _Cause(time_us, who)) for path in sorted(folder.glob("*.parquet"))
    )


@dataclass(frozen=True, slots=True)
class _Cause:
    time_us: int
    who: str


def _removed(edits: pa.Table) -> list[Holding]:
    """What somebody removed on purpose stays removed."""
    rows = [place for place, kind in enumerate(edits.column("kind").to_pylist()) if kind == "remove"]
    keys = keys_of(edits)
    chosen = Keys(keys.tag_id[rows], keys.time_us[rows])
    return [Holding("removed", (chunk_of(0, chosen),))] if rows else []


def _join(store: Store, path: Path, store_id: str, removed: list[Holding], cause: _Cause) -> Joined:
    name = f"{names.DAMAGED}/{path.name}"
    refused = _refusal(path, store_id)
    if refused:
        return Joined(name, refused=refused)
    inserted = known = 0
    for number in range(pq.read_metadata(path).num_row_groups):
        table = read_group(path, number)
        if table is None:
            return Joined(name, inserted, known, "it could be read a moment ago: the disk fails")
        samples = _without(to_samples(table), removed)
        report = store.insert(samples, mode="no-replace", who=cause.who, why=_WHY, time_us=cause.time_us)
        inserted += report.inserted
        known += len(table) - report.inserted
    done = Joined(name, inserted, known)
    store.note([AuditEvent(cause.time_us, cause.who, ACTION, name, new=f"{inserted} samples", why=_WHY)])
    path.replace(path.with_name(path.name + names.JOINED_SUFFIX))
    sync_folder(path.parent)
    return done


def _refusal(path: Path, store_id: str) -> str:
    try:
        metadata = pq.read_metadata(path)
        said = (metadata.metadata or {}).get(b"historian.store_id", b"").decode()
    except (pa.ArrowException, OSError) as error:
        return f"it cannot be read ({error}); put a copy from a backup in its place"
    if said != store_id:
        return f"it was written by another store ({said or 'none'}, this one is {store_id})"
    for number in range(metadata.num_row_groups):
        if read_group(path, number) is None:
            return f"its row group {number} is still damaged; put a copy from a backup in its place"
    return ""


def _without(samples: Samples, removed: list[Holding]) -> Samples:
    if not removed:
        return samples
    return samples.take(np.flatnonzero(~known_before(Keys(samples.tag_id, samples.time_us), removed)))
