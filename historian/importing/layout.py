"""Which column of a file is what: as asked, else by the names that such columns usually have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from historian.config.nearest import did_you_mean, one_of
from historian.errors import UsageError
from historian.importing.options import FILE_PLACEHOLDER, Form, ImportOptions

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "time": frozenset(
        {"time", "timestamp", "date_time", "datetime", "date time", "date", "ts", "time_us", "zeit", "zeitstempel"}
    ),
    "tag": frozenset({"tag", "tagname", "tag_name", "tag name", "point", "point_name", "signal", "channel", "name"}),
    "value": frozenset({"value", "val", "reading", "wert", "pv"}),
    "value_int": frozenset({"value_int"}),
    "value_text": frozenset({"value_text"}),
    "status": frozenset({"status", "statuscode", "status_code", "quality", "q"}),
}
"""Names in small letters by which a column is recognised.  Of several for one role the one that stands first here (its
own name) or in the file is taken."""

QUALITY_NAMES: Final = frozenset({"quality", "q"})
MAPPED_ROLES: Final = ("time", "tag", "value", "status", "group")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in a file.

    ``values`` of a long file: the columns of the one value (number, whole number, text) that each row has; of a wide
    one the column of each tag, by the tag's name without prefix and group.  ``fixed_tag``: the tag of all rows, when
    no column says it.  ``ignored``: columns that nothing is read from.
    """

    form: Form
    time: str
    values: Mapping[str, str]
    tag: str | None = None
    fixed_tag: str | None = None
    group: str | None = None
    status: str | None = None
    ignored: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """The columns that are read."""
        single = (self.time, self.tag, self.group, self.status)
        return list(dict.fromkeys([*(name for name in single if name is not None), *self.values.values()]))


def find_layout(path: Path, schema: pa.Schema, options: ImportOptions) -> Layout:
    """The layout of the file ``path`` with these columns.  Raises UsageError that says what is missing or too much."""
    names = _usable(path, schema.names)
    _check_asked(path, names, options)
    free = [name for name in names if name not in options.skip]
    time = options.columns.get("time") or _find_time(path, schema, free)
    roles = _roles(free, time, options)
    form = options.form or _form(path, free, time, roles, options)
    if form == "long":
        return _long(path, free, time, roles, options)
    return _wide(path, free, time, options)


def _usable(path: Path, names: Sequence[str]) -> list[str]:
    doubles = sorted({name for name in names if names.count(name) > 1 and name})
    if doubles:
        raise UsageError(f"cannot import {path}: its column {doubles[0]!r} comes twice, wanted every name once")
    return [name for name in names if name]


def _check_asked(path: Path, names: Sequence[str], options: ImportOptions) -> None:
    for column in (*options.columns.values(), *options.skip):
        if column not in names:
            hint = did_you_mean(column, names) or f"it has {one_of([repr(name) for name in names[:12]])}"
            raise UsageError(f"cannot import {path}: it has no column {column!r}; {hint}")


def _find_time(path: Path, schema: pa.Schema, free: Sequence[str]) -> str:
    named = _first_called(free, "time")
    typed = [name for name in free if pa.types.is_temporal(schema.field(name).type)]
    if named is not None:
        return named
    if len(typed) == 1:
        return typed[0]
    got = one_of([repr(name) for name in free[:12]]) or "no columns"
    raise UsageError(
        f"cannot import {path}: no column is called like a time, got {got}; name it with --time-column, and give times "
        "that are not ISO 8601 with --time-format"
    )


def _first_called(free: Sequence[str], role: str) -> str | None:
    by_lower = {name.strip().lower(): name for name in reversed(free)}
    if role in by_lower:
        return by_lower[role]
    return next((name for name in free if name.strip().lower() in ROLES[role]), None)


def _roles(free: Sequence[str], time: str, options: ImportOptions) -> dict[str, str]:
    others = [name for name in free if name != time]
    found = {role: _first_called(others, role) for role in ROLES if role != "time"}
    asked = {role: column for role, column in options.columns.items() if role in MAPPED_ROLES}
    return {**{role: name for role, name in found.items() if name is not None}, **asked}


def _form(path: Path, free: Sequence[str], time: str, roles: Mapping[str, str], options: ImportOptions) -> Form:
    if "group" in options.columns:
        return "wide"
    has_value = "value" in roles or "value_text" in roles
    if has_value and ("tag" in roles or options.tag is not None):
        return "long"
    if has_value and not set(free) - {time, roles.get("value", ""), roles.get("status", "")}:
        raise UsageError(
            f"cannot import {path}: it has times and values but no column that names the tag; name it with --tag NAME "
            f"(--tag '{FILE_PLACEHOLDER}': the file's name), or say --format wide if {roles.get('value')!r} is the tag"
        )
    if options.tag is not None:
        raise UsageError(
            f"cannot import {path} as --tag {options.tag}: no column is called like a value; name it with "
            "--map value=COLUMN"
        )
    return "wide"


def _long(path: Path, free: Sequence[str], time: str, roles: Mapping[str, str], options: ImportOptions) -> Layout:
    for unknown in (role for role in options.columns if role not in MAPPED_ROLES):
        raise UsageError(f"cannot import {path} as long: --map {unknown} is no role of a column; {_role_hint(unknown)}")
    values = {role: roles[role] for role in ("value", "value_int", "value_text") if role in roles}
    if not values:
        raise UsageError(
            f"cannot import {path} as long: no column is called like a value; name it with --map value=COLUMN"
        )
    tag = None if options.tag is not None else roles.get("tag")
    if tag is None and options.tag is None:
        raise UsageError(
            f"cannot import {path} as long: no column names the tag; name it with --map tag=COLUMN, or the tag of all "
            "rows with --tag NAME"
        )
    fixed = None if options.tag is None else options.tag.replace(FILE_PLACEHOLDER, path.name.partition(".")[0])
    layout = Layout("long", time, values, tag, fixed, None, roles.get("status"))
    return _with_ignored(layout, free)


def _wide(path: Path, free: Sequence[str], time: str, options: ImportOptions) -> Layout:
    group = options.columns.get("group")
    called = {column: tag for tag, column in options.columns.items() if tag not in MAPPED_ROLES}
    columns = [name for name in free if name not in {time, group} and not name.startswith("__index_level_")]
    if not columns:
        raise UsageError(f"cannot import {path}: beside the time {time!r} it has no column that could be a tag")
    for column in called.keys() - columns:
        tag, hint = called[column], _role_hint(called[column])
        raise UsageError(f"cannot import {path}: --map {tag}={column} is of no tag, {column!r} is its time; {hint}")
    values = {called.get(name, name): name for name in columns}
    if len(values) < len(columns):
        raise UsageError(f"cannot import {path}: two of its columns are mapped to the same tag")
    return _with_ignored(Layout("wide", time, values, group=group), free)


def _role_hint(text: str) -> str:
    return did_you_mean(text, MAPPED_ROLES) or f"the roles are {one_of(MAPPED_ROLES)}"


def _with_ignored(layout: Layout, free: Sequence[str]) -> Layout:
    used = set(layout.columns())
    ignored = tuple(name for name in free if name not in used)
    return Layout(
        layout.form, layout.time, layout.values, layout.tag, layout.fixed_tag, layout.group, layout.status, ignored
    )
