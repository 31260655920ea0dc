"""The views people use in SQL: samples, snapshot, tags, averages, annotations, audit, and those of the health figures.

``samples`` is the archive's files and the recent samples that are in none yet, with the tag's name for its number.
Plain views, so that DuckDB carries a query's conditions into them: one on the time goes straight into the scan of
the Parquet files, one on the tag goes through the join, as the few ``tag_id`` it leaves, and both skip whole row
groups.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa

from historian.model.samples import EXACT_LIMIT
from historian.model.status import SUBSTITUTED, UNCERTAIN, UNCERTAIN_LAST_USABLE_VALUE
from historian.model.status_codes import NAMES
from historian.retrieval.health_views import health_tables
from historian.retrieval.liveness import is_collecting
from historian.retrieval.reports import STATEMENTS
from storage.reader import StoreSnapshot

Register: TypeAlias = Callable[[duckdb.DuckDBPyConnection, str, pa.Table], None]
"""Makes an Arrow table known to a connection under a name."""

WHOLE_TYPES: Final = ("int16", "uint16", "int32", "uint32", "int64", "uint64")
"""Types whose values are whole numbers, unless they are scaled."""

SAMPLES_COLUMNS: Final = (
    "tag", "time", "value", "value_int", "value_text", "quality", "status", "status_code", "substituted",
)  # fmt: skip
"""Of the view ``samples``."""

_WHOLE: Final = f"""
    case when value_int is not null then value_int
         when whole and abs(value) <= {EXACT_LIMIT} and value = trunc(value) then value::decimal(20, 0) end as
         value_int"""

_TEXT: Final = f"""
    case when states is null then value_text
         else coalesce(value_text, map_extract_value(
             case when len(states) = 1 then states[1]
                  else coalesce(list_filter(states, lambda each: each.since <= time)[-1], states[1]) end.texts,
             case when value_int is not null then try_cast(value_int as bigint)
                  when abs(value) <= {EXACT_LIMIT} and value = trunc(value) then value::bigint end))
         end as value_text"""
"""The text of a code is the one that the tag's enumeration had at the time of the sample."""

_QUALITY: Final = f"case when status < 0 then 'Bad' when status >= {UNCERTAIN} then 'Uncertain' else 'Good' end"

_STATUS_COLUMNS: Final = f"""
    {_QUALITY} as quality,
    case when status = 0 then 'Good' else
         coalesce(map_extract_value(getvariable('status_names'), status & -65536),
                  printf('%s(0x%08X)', {_QUALITY}, status::bigint & 4294967295))
         end as status,
    (status::bigint & 4294967295)::uinteger as status_code,
    status & {SUBSTITUTED} = {SUBSTITUTED} as substituted"""
"""``status`` is a signed number in the archive, so Bad codes, whose top bit is set, are those below zero."""

_ROWS: Final = "select tag_id, time, value, value_int, value_text, status from "

_SAMPLES: Final = """
select tag, time, value, {whole}, {text}, {status}
from ({rows}) join _tag_numbers using (tag_id)"""

_ONE_TAG: Final = """
select tag, time, value, {whole}, value_text, {status}
from (select *, {tag} as tag, {is_whole} as whole from ({rows}))"""

_EDITED: Final = f"""
select r.* from ({{rows}}) r anti join _edits e on r.tag_id = e.tag_id and r.time = e.time
union all {_ROWS} _edits where kind <> 'remove'"""  # noqa: S608 - constants

_SNAPSHOT: Final = """
create or replace view snapshot as
select tag, time, value, {whole}, {text}, {status}, last_scan
from (select * exclude (status), {judged} as status from _current) join _tag_numbers using (tag_id)"""

_AVERAGES: Final = """
create view averages as
select tag, time, average, minimum, maximum, good_percent, samples
from {rows} join _tag_numbers using (tag_id)"""

_NO_AVERAGES: Final = """(
    select null::integer as tag_id, null::timestamptz as time, null::double as average, null::double as minimum,
           null::double as maximum, null::double as good_percent, null::bigint as samples
    where false)"""

_ANNOTATIONS: Final = """
create view annotations as
select number, tag, start, "end", text, who, made from _annotations join _tag_numbers using (tag_id)"""

_TAG_NUMBERS: Final = f"""
create table _tag_numbers as
select tag_id, tag,
       coalesce(value_type in {WHOLE_TYPES!r}, false) and coalesce(scale, 1) = 1 and coalesce("offset", 0) = 0 as whole,
       states
from _tags"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class OneTag:
    """A tag by name; ``is_whole``: its values are whole numbers."""

    name: str
    is_whole: bool


def create_views(connection: duckdb.DuckDBPyConnection, snapshot: StoreSnapshot, register: Register) -> None:
    """Create all views over ``snapshot`` in an empty database."""
    register(connection, "_tags", snapshot.tags)
    for name, table in _changing(snapshot):
        register(connection, name, table)
    for name, table in health_tables(snapshot.health).items():
        register(connection, f"_{name}", table)
        connection.execute(f"create view {name} as select * from _{name}")  # noqa: S608 - our own names
    if len(snapshot.edits):
        register(connection, "_edits", snapshot.edits)
    connection.execute(f"set variable status_names = {_status_names()}")
    connection.execute(_TAG_NUMBERS)
    connection.execute(f"create view samples as {samples_select(snapshot)}")
    averages = f"read_parquet({_listed(snapshot.averages)})" if snapshot.averages else _NO_AVERAGES
    connection.execute(_AVERAGES.format(rows=averages))
    register(connection, "_annotations", snapshot.annotations)
    connection.execute(_ANNOTATIONS)
    _create_snapshot(connection, snapshot, judged_status(snapshot.health, time.time_ns() // 1000))
    connection.execute("create view tags as select tag, * exclude (tag, tag_id, valid_to, states), tag_id from _tags")
    connection.execute("create view audit as select * exclude (number) from _audit order by number")
    register(connection, "_refused", snapshot.refused)
    for statement in STATEMENTS:
        connection.execute(statement)


def register_changes(
    connection: duckdb.DuckDBPyConnection,
    before: StoreSnapshot,
    now: StoreSnapshot,
    judged: str,
    register: Register,
) -> None:
    """Let the views made over ``before`` show ``now``, which has the same files, tags and edits.

    ``judged`` is what :func:`judged_status` says now.
    """
    for (name, table), (_, old) in zip(_changing(now), _changing(before), strict=True):
        if table is not old:
            register(connection, name, table)
    if now.annotations is not before.annotations:
        register(connection, "_annotations", now.annotations)
    if now.refused is not before.refused:
        register(connection, "_refused", now.refused)
    if now.health != before.health:
        for name, table in health_tables(now.health).items():
            register(connection, f"_{name}", table)
    _create_snapshot(connection, now, judged)


def _changing(snapshot: StoreSnapshot) -> tuple[tuple[str, pa.Table], ...]:
    """What changes with every commit."""
    return ("_recent", snapshot.recent), ("_current", snapshot.current), ("_audit", snapshot.audit)


def _create_snapshot(connection: duckdb.DuckDBPyConnection, snapshot: StoreSnapshot, judged: str) -> None:
    text = _text(snapshot)
    connection.execute(_SNAPSHOT.format(whole=_WHOLE, text=text, status=_STATUS_COLUMNS, judged=judged))


def samples_select(snapshot: StoreSnapshot, where: str = "true", only: OneTag | None = None) -> str:
    """The query that is the view ``samples``, of the stored rows for which ``where`` holds.

    With ``only`` they are all of that one tag, which has no enumeration: nothing has to be looked up for each row, a
    fifth of the time.
    """
    rows = f"select * from ({_all_rows(snapshot)}) where {where}"  # noqa: S608 - our own conditions
    if only is not None:
        return _ONE_TAG.format(
            whole=_WHOLE, status=_STATUS_COLUMNS, rows=rows, tag=literal(only.name), is_whole=only.is_whole
        )
    return _SAMPLES.format(whole=_WHOLE, text=_text(snapshot), status=_STATUS_COLUMNS, rows=rows)


def _text(snapshot: StoreSnapshot) -> str:
    return _TEXT if has_states(snapshot.tags) else "value_text"


def has_states(tags: pa.Table) -> bool:
    """True when a tag among these ever had an enumeration."""
    return bool(tags.column("states").null_count < tags.num_rows)


def _all_rows(snapshot: StoreSnapshot) -> str:
    """Every sample, once.  Without an edit nothing is asked for edits: looking for them would cost time."""
    rows = _stored_rows(snapshot)
    return _EDITED.format(rows=rows) if len(snapshot.edits) else rows


def _stored_rows(snapshot: StoreSnapshot) -> str:
    """The archive's rows and the recent ones, of both only where there are any: each costs a query its time."""
    recent = f"{_ROWS} _recent"
    if not snapshot.files:
        return recent
    archived = f"{_ROWS} read_parquet({_listed(file.path for file in snapshot.files)})"
    return f"{archived} union all {recent}" if len(snapshot.recent) else archived


def _listed(paths: Iterable[str]) -> str:
    # A literal list and not a parameter: a view keeps its text, and not the values it was made with.
    return "[" + ", ".join(map(literal, paths)) + "]"


def literal(text: str) -> str:
    """``text`` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _status_names() -> str:
    """A map from the number of a status, signed and without its flags, to its name."""
    codes = ",".join(str(code - (1 << 32) if code >> 31 else code) for code in NAMES)
    names = ",".join(NAMES.values())
    # Two texts to split, because parsing some three hundred literals takes 15 ms and this 1 ms.
    return f"map(string_split('{codes}', ',')::int[], string_split('{names}', ','))"


def judged_status(health: dict[str, dict[str, object]], now_us: int) -> str:
    """SQL of a newest sample's status: Good becomes Uncertain when the process that collected is not heard of any more.

    A store that no process ever collected into (an imported one) is taken as it is.
    """
    last_us = health.get("process", {}).get("updated_us")
    if not isinstance(last_us, int) or is_collecting(last_us, now_us):
        return "status"
    return f"case when status between 0 and {UNCERTAIN - 1} then {UNCERTAIN_LAST_USABLE_VALUE} else status end"


def view_names() -> Iterable[str]:
    """The names of all views that people use."""
    return (
        "samples", "snapshot", "tags", "averages", "annotations",
        "sources", "source_errors", "source_lateness", "workers", "process", "audit",
    )  # fmt: skip
