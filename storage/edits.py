"""Edits: samples that were changed, inserted or removed after they were stored, until compaction writes that down.

A row of the table ``edit`` stands in the place of whatever sample of that tag and time there is in files, buffer and
pending samples.  The samples of a store are therefore all of those but the ones an edit hides, and the edits that are
no removals: each (tag, time) has one visible version at most.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.commit import CurrentSamples
from historian.model.samples import BoolArray, Samples, concatenate
from storage import schema, state
from storage.arrays import empty_table, text_column
from storage.columns import SAMPLE_SCHEMA, complete, to_batch
from storage.columns import to_samples as samples_of
from storage.existing import Keys, Wanted

REPLACE: Final = "replace"
INSERT: Final = "insert"
REMOVE: Final = "remove"
"""Kinds.  ``replace`` and ``remove`` hide a sample; for an ``insert`` there was none when it was made."""

SCHEMA: Final = pa.schema([*SAMPLE_SCHEMA, pa.field("kind", pa.string(), nullable=False)])
"""Edits as readers get them.  A removal has no value, and the status 0, which means nothing."""

Row: TypeAlias = tuple[Any, ...]
"""tag_id, time_us, value, value_int, value_text, status, kind: as SQLite gives them."""

_COLUMNS: Final = "tag_id, time_us, value, value_int, value_text, status, kind"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is changed: ``who`` asked for it at ``time_us``, and the reason that was given."""

    who: str
    why: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits in columns: ``kinds`` by row of ``samples``."""

    samples: Samples
    kinds: tuple[str, ...]

    def are(self, *kinds: str) -> BoolArray:
        """bool[n]: of one of these kinds."""
        return np.array([kind in kinds for kind in self.kinds], np.bool_)


def read(connection: sqlite3.Connection) -> pa.Table:
    """All edits, columns of SCHEMA, by tag and time; none in a store of a version that knew of none."""
    if schema.version_of(connection) < schema.EDITS_SINCE:
        return empty_table(SCHEMA)
    rows = connection.execute(f"select {_COLUMNS} from edit order by tag_id, time_us").fetchall()  # noqa: S608 - constant
    return to_table(rows) if rows else empty_table(SCHEMA)


def find(connection: sqlite3.Connection, wanted: Wanted) -> Edits:
    """The edits of wanted samples."""
    rows = connection.execute(
        f"select {_COLUMNS} from edit where tag_id between ? and ? and time_us between ? and ?",  # noqa: S608 - constant
        (wanted.first_tag, wanted.last_tag, wanted.first_us, wanted.last_us),
    ).fetchall()
    samples = to_samples(rows)
    chosen = np.flatnonzero(wanted.mask(samples.tag_id, samples.time_us))
    return Edits(samples.take(chosen), tuple(rows[row][6] for row in chosen))


def put(connection: sqlite3.Connection, samples: Samples, kinds: Sequence[str], cause: Cause) -> None:
    """Make edits, in the place of earlier ones of the same samples."""
    values = [None if math.isnan(value) else value for value in samples.value.tolist()]
    connection.executemany(
        "insert or replace into edit (tag_id, time_us, value, value_int, value_text, status, kind, who, why, edited_us)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (tag_id, time_us, values[row], _text(samples.exact.get(row)), samples.text.get(row), status, kinds[row],
             cause.who, cause.why, cause.time_us)
            for row, (tag_id, time_us, status) in enumerate(
                zip(samples.tag_id.tolist(), samples.time_us.tolist(), samples.status.tolist(), strict=True)
            )
        ),
    )  # fmt: skip
    state.edits_changed(connection)


def _text(number: int | None) -> str | None:
    # Whole numbers go up to 64 bits without a sign, which SQLite has not.
    return None if number is None else str(number)


def removals(samples: Samples) -> Samples:
    """What edits of the kind REMOVE say in the place of ``samples``."""
    nothing = np.zeros(len(samples), np.uint32)
    return Samples(samples.tag_id, samples.time_us, np.full(len(samples), math.nan), nothing)


def forget(connection: sqlite3.Connection, samples: Samples) -> None:
    """Take back the edits of these samples."""
    keys = zip(samples.tag_id.tolist(), samples.time_us.tolist(), strict=True)
    connection.executemany("delete from edit where tag_id = ? and time_us = ?", keys)
    state.edits_changed(connection)


def visible(stored: Samples, edited: Edits) -> Samples:
    """What a reader sees of ``stored``, given all edits of these samples and of others."""
    added = edited.samples.take(np.flatnonzero(~edited.are(REMOVE)))
    if not len(edited.kinds) or not len(stored):
        return concatenate([stored, added])
    hidden = Keys(edited.samples.tag_id, edited.samples.time_us).mask(stored.tag_id, stored.time_us)
    return concatenate([stored.take(np.flatnonzero(~hidden)), added])


def of_table(table: pa.Table) -> Edits:
    """Columns of SCHEMA as edits."""
    return Edits(samples_of(table), tuple(table.column("kind").to_pylist()))


def overlay(known: CurrentSamples, table: pa.Table) -> CurrentSamples:
    """The newest samples (one a tag) as ``table`` of edits leaves them: new values, and none where it was removed."""
    if not len(table) or not len(known.samples):
        return known
    samples = known.samples
    keys = Keys(samples.tag_id, samples.time_us)
    edited = of_table(table)
    ours = np.flatnonzero(keys.mask(edited.samples.tag_id, edited.samples.time_us))
    if not len(ours):
        return known
    theirs = edited.samples.take(ours)
    rows = np.searchsorted(samples.tag_id, theirs.tag_id)
    removed = edited.are(REMOVE)[ours]
    # Samples of both, the edited behind: each row is taken from where it is now.
    source = np.arange(len(samples))
    source[rows] = len(samples) + np.arange(len(ours))
    kept = np.setdiff1d(np.arange(len(samples)), rows[removed])
    both = concatenate([samples, theirs]).take(source[kept])
    return CurrentSamples(both, known.newest[kept], known.pending[kept], known.last_scan_us[kept])


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Rows as columns of SCHEMA."""
    samples = complete(pa.Table.from_batches([to_batch(to_samples(rows))]))
    return samples.append_column(SCHEMA.field("kind"), text_column([row[6] for row in rows]))


def to_samples(rows: Sequence[Row]) -> Samples:
    """Rows as samples, in their order.  Loops over what SQLite gives as Python objects anyway."""
    return Samples(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array([math.nan if row[2] is None else row[2] for row in rows], np.float64),
        np.array([row[5] for row in rows], np.uint32),
        {place: int(row[3]) for place, row in enumerate(rows) if row[3] is not None},
        {place: row[4] for place, row in enumerate(rows) if row[4] is not None},
    )
