"""Edits: samples that were changed, inserted or removed after they were stored, until compaction writes that down.

A row of the table ``edit`` stands in the place of whatever sample of that tag and time there is in files, buffer and
pending samples.  The samples of a store are therefore all of those but the ones an edit hides, and the edits that are
no removals: each (tag, time) has one visible version at most.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.samples import Samples
from storage import schema
from storage.arrays import empty_table, text_column
from storage.columns import SAMPLE_SCHEMA, complete, to_batch

REPLACE: Final = "replace"
INSERT: Final = "insert"
REMOVE: Final = "remove"
"""Kinds.  ``replace`` and ``remove`` hide a sample; for an ``insert`` there was none when it was made."""

SCHEMA: Final = pa.schema([*SAMPLE_SCHEMA, pa.field("kind", pa.string(), nullable=False)])
"""Edits as readers get them.  A removal has no value, and the status 0, which means nothing."""

Row: TypeAlias = tuple[Any, ...]
"""tag_id, time_us, value, value_int, value_text, status, kind: as SQLite gives them."""


def read(connection: sqlite3.Connection) -> pa.Table:
    """All edits, columns of SCHEMA, by tag and time; none in a store of a version that knew of none."""
    if schema.version_of(connection) < schema.EDITS_SINCE:
        return empty_table(SCHEMA)
    rows = connection.execute(
        "select tag_id, time_us, value, value_int, value_text, status, kind from edit order by tag_id, time_us"
    ).fetchall()
    return to_table(rows) if rows else empty_table(SCHEMA)


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
