"""The tables of ``historian.sqlite`` and their format version; makes them, and judges those it finds.

docs/format/database.md says what each column means.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from historian.errors import StoreForeignError, StoreNotFoundError, StoreVersionError

APPLICATION_ID: Final = 0x48495354
"""In the header of the database file: "HIST", so that ``file`` and we can tell a store from any other database."""

FORMAT_VERSION: Final = 3
"""The version this software writes; in the database's header and in the footer of every archive file."""

EDITS_SINCE: Final = 2
"""The first version with edits, and with files that are retired before they are removed."""

ANNOTATIONS_SINCE: Final = 3
"""The first version with annotations."""

SHADOW_SINCE: Final = 3
"""The first version with raw samples kept as a proof."""

SOURCE_MEMORY_SINCE: Final = 3
"""The first version that keeps notes of drivers."""

HELD_SINCE: Final = 3
"""The first version whose doors hold more than one sample of a tag."""

PAGE_BYTES: Final = 8192
"""A commit of 5,000 samples takes 0.73 ms with 8 KiB pages, 0.86 ms with 32 KiB; deleting a flushed buffer takes a
third less than with SQLite's 4 KiB."""

TABLES: Final = """
create table state (
    id integer primary key check (id = 1),
    store_id text not null,
    commit_number integer not null default 0,
    last_commit_us integer,
    run_open integer not null default 0,
    tags_version integer not null default 0,
    tags_written integer not null default 0,
    files_version integer not null default 0,
    next_file integer not null default 1,
    edits_version integer not null default 0,
    annotations_version integer not null default 0
);
create table tag_version (
    tag_id integer not null,
    version integer not null,
    valid_from_us integer not null,
    valid_to_us integer,
    name text not null,
    source text not null,
    address text not null,
    scan_class text not null,
    type_text text not null,
    value_type text,
    units text not null,
    description text not null,
    scale real,
    "offset" real,
    low real,
    high real,
    step integer,
    exc_dev real,
    exc_min_us integer not null,
    exc_max_us integer,
    comp_dev real,
    comp_min_us integer not null,
    comp_max_us integer,
    enumeration text,
    primary key (tag_id, version)
) without rowid;
create unique index tag_version_name on tag_version (name) where valid_to_us is null;
create table tag_table (
    id integer primary key check (id = 1),
    tags_version integer not null,
    tags blob not null
);
create table batch (
    number integer primary key,
    committed_us integer not null,
    rows integer not null,
    first_us integer not null,
    last_us integer not null,
    samples blob not null
);
create table current_group (
    group_number integer primary key,
    samples blob not null
);
create table file (
    number integer primary key,
    path text not null unique,
    rows integer not null,
    first_us integer not null,
    last_us integer not null,
    first_tag integer not null,
    last_tag integer not null,
    bytes integer not null,
    sha256 text not null,
    level text not null default 'flush',
    retired_us integer
);
create table file_intent (
    path text primary key
) without rowid;
create table audit (
    number integer primary key autoincrement,
    time_us integer not null,
    who text not null,
    action text not null,
    object text not null,
    old text not null,
    new text not null,
    why text not null
);
create trigger audit_keeps_lines before update on audit begin
    select raise(abort, 'the audit is append-only');
end;
create trigger audit_loses_no_lines before delete on audit begin
    select raise(abort, 'the audit is append-only');
end;
create table quarantine (
    number integer primary key autoincrement,
    tag_id integer not null,
    time_us integer not null,
    value text not null,
    status integer not null,
    reason text not null,
    seen_us integer not null
);
create table health (
    name text primary key,
    figures text not null
) without rowid;
"""

TABLES_2: Final = """
create table edit (
    tag_id integer not null,
    time_us integer not null,
    kind text not null check (kind in ('replace', 'insert', 'remove')),
    value real,
    value_int text,
    value_text text,
    status integer not null,
    who text not null,
    why text not null,
    edited_us integer not null,
    primary key (tag_id, time_us)
) without rowid;
create table former (
    number integer primary key autoincrement,
    change integer not null,
    rows integer not null,
    first_us integer not null,
    last_us integer not null,
    samples blob not null
);
create index former_change on former (change);
create trigger former_keeps_samples before update on former begin
    select raise(abort, 'what was replaced or removed is kept for the audit');
end;
create trigger former_loses_no_samples before delete on former begin
    select raise(abort, 'what was replaced or removed is kept for the audit');
end;
create table average_file (
    number integer primary key,
    path text not null unique,
    month_us integer not null,
    every_us integer not null,
    rows integer not null,
    first_us integer not null,
    last_us integer not null,
    first_tag integer not null,
    last_tag integer not null,
    bytes integer not null,
    sha256 text not null,
    stale integer not null default 0,
    final integer not null default 0,
    retired_us integer
);
create table import_progress (
    source text primary key,
    path text not null,
    position integer not null,
    figures text not null,
    finished integer not null,
    updated_us integer not null
) without rowid;
"""
"""What version 2 added; a table that a later version adds goes into a script of its own."""

TABLES_3: Final = """
create table annotation (
    number integer primary key autoincrement,
    tag_id integer not null,
    start_us integer not null,
    end_us integer not null check (end_us >= start_us),
    text text not null,
    who text not null,
    made_us integer not null
);
create index annotation_time on annotation (tag_id, start_us);
create table source_memory (
    source text not null,
    key text not null,
    note text not null,
    updated_us integer not null,
    primary key (source, key)
) without rowid;
create table shadow (
    number integer primary key autoincrement,
    committed_us integer not null,
    rows integer not null,
    first_us integer not null,
    last_us integer not null,
    packed integer not null,
    samples blob not null
);
create table held (
    number integer primary key autoincrement,
    door integer not null,
    samples blob not null
);
create index held_of_door on held (door);
create table held_door (
    door integer primary key,
    lanes blob not null,
    stored blob not null,
    reported blob not null
);
"""

_COLUMNS_2: Final = """
alter table state add column edits_version integer not null default 0;
alter table file add column level text not null default 'flush';
alter table file add column retired_us integer;
"""
"""The columns of TABLES that version 1 had not."""


_COLUMNS_3: Final = """
alter table state add column annotations_version integer not null default 0;
"""


def _to_2(connection: sqlite3.Connection) -> None:
    _run(connection, _COLUMNS_2 + TABLES_2)


def _to_3(connection: sqlite3.Connection) -> None:
    _run(connection, _COLUMNS_3 + TABLES_3)


MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {1: _to_2, 2: _to_3}
"""By version: what turns a database of that version into one of the next, inside a transaction."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, inside the caller's transaction."""
    connection.execute(f"pragma application_id = {APPLICATION_ID}")
    connection.execute(f"pragma user_version = {FORMAT_VERSION}")
    _run(connection, TABLES + TABLES_2 + TABLES_3)
    connection.execute("insert into state (id, store_id) values (1, ?)", (uuid.uuid4().hex,))


def _run(connection: sqlite3.Connection, script: str) -> None:
    # Not executescript: that would commit the caller's transaction first.
    for statement in _statements(script):
        connection.execute(statement)


def _statements(script: str) -> list[str]:
    """The statements of a script; one ends where SQLite says that it is complete (a trigger has inner semicolons)."""
    statements, text = [], ""
    for line in script.strip().splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def is_empty(connection: sqlite3.Connection) -> bool:
    """True for a database in which nothing was ever made, as a crash while creating it leaves behind."""
    (objects,) = connection.execute("select count(*) from sqlite_master").fetchone()
    return objects == 0 and _pragma(connection, "user_version") == 0


def check(connection: sqlite3.Connection, path: Path) -> int:
    """The format version of the database ``path``, one that this software can read.

    Raises StoreNotFoundError when its creation was never finished, StoreForeignError when it is not a store's database,
    StoreVersionError when a newer version wrote it.
    """
    if is_empty(connection):
        raise StoreNotFoundError(
            f"cannot open the store {path.parent}: {path.name} is empty, its creation was never finished; "
            "start collecting into it to finish that"
        )
    application, version = _pragma(connection, "application_id"), version_of(connection)
    if application != APPLICATION_ID:
        raise StoreForeignError(
            f"cannot open the store {path.parent}: {path.name} is a database of some other program "
            f"(application id {application:#010x}, wanted {APPLICATION_ID:#010x}); give the folder of a store, or an "
            "empty one"
        )
    if version > FORMAT_VERSION:
        raise StoreVersionError(
            f"cannot open the store {path.parent}: it has format version {version}, this software knows versions up to "
            f"{FORMAT_VERSION}; update it to the release that wrote the store or a newer one. Nothing was changed"
        )
    return version


def version_of(connection: sqlite3.Connection) -> int:
    """The format version as of the connection's transaction: a writer that comes later may raise it."""
    return _pragma(connection, "user_version")


def migrate(
    connection: sqlite3.Connection,
    version: int,
    *,
    wanted: int = FORMAT_VERSION,
    migrations: Mapping[int, Callable[[sqlite3.Connection], None]] = MIGRATIONS,
) -> None:
    """Bring a database of an older version up to ``wanted``, inside the caller's transaction."""
    for step in range(version, wanted):
        migrations[step](connection)
        connection.execute(f"pragma user_version = {step + 1}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"pragma {name}").fetchone()
    return int(value)
