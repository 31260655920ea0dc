"""The texts of a tag's codes, and since when each set of them holds: what readers need to name a stored code.

Kept beside the tags (:mod:`storage.tags`), because the set that was valid at the time of a sample names its code, and
going through all versions of all tags for every question would take longer than most answers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, TypeAlias

import pyarrow as pa

from storage.columns import TIME_TYPE

State: TypeAlias = dict[str, object]
"""``since`` in microseconds, and ``texts`` by code as pairs, or None from when on the tag had no enumeration."""

STATES_TYPE: Final = pa.list_(pa.struct([("since", TIME_TYPE), ("texts", pa.map_(pa.int64(), pa.string()))]))
"""The sets of one tag in their order.  What is before the first one has the first set too: imported history is older
than the tag's configuration."""

COLUMN: Final = pa.field("states", STATES_TYPE)
"""Of the table of tags; null for a tag that never had an enumeration."""

_QUERY: Final = """
select tag_id, valid_from_us, enumeration from tag_version
where tag_id in (select tag_id from tag_version where enumeration is not null) order by tag_id, version"""


def append(connection: sqlite3.Connection, tags: pa.Table) -> pa.Table:
    """``tags``, which has a column ``tag_id``, with the column COLUMN."""
    rows: list[tuple[int, int, str | None]] = connection.execute(_QUERY).fetchall()
    states = {tag_id: list(_sets(versions)) for tag_id, versions in groupby(rows, key=lambda row: row[0])}
    if states:
        values = pa.array([states.get(tag_id) for tag_id in tags.column("tag_id").to_pylist()], STATES_TYPE)
    else:
        values = pa.nulls(tags.num_rows, STATES_TYPE)
    return tags.append_column(COLUMN, values)


def _sets(versions: Iterable[tuple[int, int, str | None]]) -> Iterator[State]:
    """One state for each change of the enumeration, not for each version."""
    before: str | None = ""
    for _, since_us, enumeration in versions:
        if enumeration != before:
            yield {"since": since_us, "texts": None if enumeration is None else _texts(enumeration)}
        before = enumeration


@lru_cache(maxsize=1024)
def _texts(enumeration: str) -> Sequence[tuple[int, str]]:
    return [(int(code), text) for code, text in json.loads(enumeration).items()]
