"""Tags with all their versions: what a tag's configuration said, and from when to when.

A change of anything that the configuration says makes a new version, so that history keeps the units, scale and type it was
recorded with.  Names may change, ``tag_id`` stays and is never given twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import pyarrow as pa

from historian.errors import UsageError
from historian.model.commit import AuditEvent
from historian.model.tag import Tag, ValueType
from storage import audit, state
from storage.columns import TIME_TYPE

BULK: Final = 1000
"""More new tags than this at once are one line of the audit, not one each: their first versions say the same."""

Metadata: TypeAlias = tuple[str | int | float | None, ...]
"""The values of METADATA of one version, in that order."""

METADATA: Final = (
    "source", "address", "scan_class", "type_text", "value_type", "units", "description", "scale", "offset", "low", "high",
    "step", "exc_dev", "exc_min_us", "exc_max_us", "comp_dev", "comp_min_us", "comp_max_us", "enumeration",
)  # fmt: skip
"""What a version of a tag says, as columns of ``tag_version``."""

_TYPE_AT: Final = METADATA.index("value_type")
_COLUMNS: Final = "tag_id, version, valid_from_us, valid_to_us, name, " + ", ".join(f'"{name}"' for name in METADATA)
_INSERT: Final = f"insert into tag_version ({_COLUMNS}) values ({', '.join('?' * (5 + len(METADATA)))})"  # noqa: S608 - constants

SCHEMA: Final = pa.schema([
    ("tag_id", pa.int32()),
    ("tag", pa.string()),
    ("source", pa.string()),
    ("address", pa.string()),
    ("scan_class", pa.string()),
    ("type_text", pa.string()),
    ("value_type", pa.string()),
    ("units", pa.string()),
    ("description", pa.string()),
    ("scale", pa.float64()),
    ("offset", pa.float64()),
    ("low", pa.float64()),
    ("high", pa.float64()),
    ("step", pa.bool_()),
    ("is_step", pa.bool_()),
    ("exc_dev", pa.float64()),
    ("exc_min_us", pa.int64()),
    ("exc_max_us", pa.int64()),
    ("comp_dev", pa.float64()),
    ("comp_min_us", pa.int64()),
    ("comp_max_us", pa.int64()),
    ("enumeration", pa.string()),
    ("version", pa.int32()),
    ("valid_from", TIME_TYPE),
    ("valid_to", TIME_TYPE),
])
"""Tags as readers get them.  ``step`` is what was configured, ``is_step`` what holds; ``enumeration`` a JSON object of
texts by code; ``valid_to`` null while the version holds."""


@dataclass(frozen=True, slots=True)
class _Version:
    tag_id: int
    version: int
    valid_from_us: int
    name: str
    metadata: Metadata


def metadata_of(tag: Tag) -> Metadata:
    """What a tag's configuration says, as the table keeps it."""
    exception, compression = tag.exception, tag.compression
    return (
        tag.source, tag.address, tag.scan_class, tag.type_text, None if tag.value_type is None else tag.value_type.value,
        tag.units, tag.description, tag.scale, tag.offset, tag.low, tag.high, None if tag.step is None else int(tag.step),
        None if exception.deviation is None else exception.deviation.deviation, exception.min_us, exception.max_us,
        None if compression.deviation is None else compression.deviation.deviation, compression.min_us, compression.max_us,
        None if tag.enumeration is None else _enumeration_text(tag.enumeration),
    )  # fmt: skip


def _enumeration_text(enumeration: Mapping[int, str]) -> str:
    return json.dumps({str(code): enumeration[code] for code in sorted(enumeration)}, ensure_ascii=False)


def register(connection: sqlite3.Connection, tags: Sequence[Tag], time_us: int, who: str) -> dict[str, int]:
    """Make new tags and new versions of changed ones; the identifier of each, by name.

    Inside the caller's transaction.  A tag that leaves its type open keeps the type that is known.  Raises UsageError for
    a name that comes twice.
    """
    _refuse_doubles(tags)
    known = _holding(connection)
    fresh = [tag for tag in tags if tag.name not in known]
    changed = [
        (known[tag.name], metadata)
        for tag in tags
        if tag.name in known and (metadata := _wanted(tag, known[tag.name])) != known[tag.name].metadata
    ]
    identifiers = _create(connection, fresh, time_us, who)
    _change(connection, changed, time_us, who, why="configuration")
    if fresh or changed:
        state.tags_changed(connection)
    return {tag.name: identifiers[tag.name] if tag.name in identifiers else known[tag.name].tag_id for tag in tags}


def _refuse_doubles(tags: Sequence[Tag]) -> None:
    seen: set[str] = set()
    for tag in tags:
        if tag.name in seen:
            raise UsageError(f"cannot register the tags: {tag.name!r} comes twice, wanted every name once; rename one of them")
        seen.add(tag.name)


def _wanted(tag: Tag, known: _Version) -> Metadata:
    metadata = metadata_of(tag)
    if tag.value_type is None:
        return _with_type(metadata, known.metadata[_TYPE_AT])
    return metadata


def _with_type(metadata: Metadata, value_type: str | float | None) -> Metadata:
    return (*metadata[:_TYPE_AT], value_type, *metadata[_TYPE_AT + 1 :])


def _create(connection: sqlite3.Connection, tags: Sequence[Tag], time_us: int, who: str) -> dict[str, int]:
    (last,) = connection.execute("select coalesce(max(tag_id), 0) from tag_version").fetchone()
    identifiers = {tag.name: last + place for place, tag in enumerate(tags, start=1)}
    rows = [(identifiers[tag.name], 1, time_us, None, tag.name, *metadata_of(tag)) for tag in tags]
    connection.executemany(_INSERT, rows)
    audit.append(connection, _creation_events(rows, time_us, who))
    return identifiers


def _creation_events(rows: Sequence[tuple[object, ...]], time_us: int, who: str) -> Iterator[AuditEvent]:
    if len(rows) > BULK:
        identifiers = f"tag_id {rows[0][0]} to {rows[-1][0]}"
        yield AuditEvent(time_us, who, "tags created", f"{len(rows)} tags", new=identifiers, why="configuration")
        return
    for row in rows:
        said = {name: value for name, value in zip(METADATA, row[5:], strict=True) if value not in (None, "")}
        yield AuditEvent(time_us, who, "tag created", str(row[4]), new=_json(said), why="configuration")


def _change(
    connection: sqlite3.Connection,
    changes: Iterable[tuple[_Version, Metadata]],
    time_us: int,
    who: str,
    *,
    why: str,
) -> None:
    """End the versions that hold and begin new ones.  No version begins before the one it follows (the clock may step)."""
    for old, metadata in changes:
        begin_us = max(time_us, old.valid_from_us)
        connection.execute(
            "update tag_version set valid_to_us = ? where tag_id = ? and version = ?", (begin_us, old.tag_id, old.version)
        )
        connection.execute(_INSERT, (old.tag_id, old.version + 1, begin_us, None, old.name, *metadata))
        audit.append(connection, [_change_event(old, metadata, time_us, who, "tag changed", why)])


def _change_event(old: _Version, metadata: Metadata, time_us: int, who: str, action: str, why: str) -> AuditEvent:
    pairs = [(name, was, now) for name, was, now in zip(METADATA, old.metadata, metadata, strict=True) if was != now]
    return AuditEvent(
        time_us, who, action, old.name,
        old=_json({name: was for name, was, _ in pairs}), new=_json({name: now for name, _, now in pairs}), why=why,
    )  # fmt: skip


def _json(mapping: Mapping[str, object]) -> str:
    return json.dumps(mapping, ensure_ascii=False)


def update_types(connection: sqlite3.Connection, types: Mapping[int, ValueType], time_us: int) -> None:
    """Take over the types that sources have told, by identifier; inside the caller's transaction.

    A type that was open is filled in; another type than before begins a new version.  Raises UsageError for an
    identifier that no tag has.
    """
    known = {version.tag_id: version for version in _holding(connection).values()}
    unknown = sorted(set(types) - set(known))
    if unknown:
        raise UsageError(f"cannot set the types of tags: no tag has the identifier {unknown[0]}; register the tag first")
    news = [
        (known[tag_id], _with_type(known[tag_id].metadata, value_type.value))
        for tag_id, value_type in types.items()
        if known[tag_id].metadata[_TYPE_AT] != value_type.value
    ]
    _fill_in(connection, [(old, new) for old, new in news if old.metadata[_TYPE_AT] is None], time_us)
    changes = [(old, new) for old, new in news if old.metadata[_TYPE_AT] is not None]
    _change(connection, changes, time_us, "source", why="the source told another type")
    if news:
        state.tags_changed(connection)


def _fill_in(connection: sqlite3.Connection, news: Sequence[tuple[_Version, Metadata]], time_us: int) -> None:
    connection.executemany(
        "update tag_version set value_type = ? where tag_id = ? and version = ?",
        [(metadata[_TYPE_AT], old.tag_id, old.version) for old, metadata in news],
    )
    if len(news) > BULK:
        event = AuditEvent(time_us, "source", "types told", f"{len(news)} tags", why="left open by the configuration")
        audit.append(connection, [event])
        return
    audit.append(
        connection,
        [_change_event(old, new, time_us, "source", "type told", "left open by the configuration") for old, new in news],
    )


def _holding(connection: sqlite3.Connection) -> dict[str, _Version]:
    rows = connection.execute(f"select {_COLUMNS} from tag_version where valid_to_us is null")  # noqa: S608 - constants
    return {row[4]: _Version(row[0], row[1], row[2], row[4], row[5:]) for row in rows}


def read(connection: sqlite3.Connection, *, all_versions: bool = False) -> pa.Table:
    """The columns of SCHEMA by tag_id: the version that holds of each tag, or all versions."""
    which = "" if all_versions else "where valid_to_us is null"
    rows = connection.execute(f"select {_COLUMNS} from tag_version {which} order by tag_id, version").fetchall()  # noqa: S608 - constants
    return _to_table(rows)


def _to_table(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    found = ("tag_id", "version", "valid_from", "valid_to", "tag", *METADATA)
    columns = dict(zip(found, zip(*rows, strict=True), strict=True)) if rows else {name: () for name in found}
    columns["is_step"] = tuple(map(_is_step, columns["step"], columns["value_type"], columns["enumeration"]))
    columns["step"] = tuple(None if step is None else bool(step) for step in columns["step"])
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def _is_step(step: object, value_type: object, enumeration: object) -> bool:
    """As :attr:`historian.model.tag.Tag.is_step`."""
    if step is not None:
        return bool(step)
    return enumeration is not None or (value_type is not None and ValueType(str(value_type)).is_discrete)
