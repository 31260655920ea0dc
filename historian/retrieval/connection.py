"""A DuckDB connection over one consistent view of the store, locked down so that it can only read.

The store gives one instant (:class:`storage.reader.StoreSnapshot`): the archive's files, the recent samples that are in
no file yet, tags, newest samples, audit and health.  Each connection is a DuckDB of its own in memory; nothing of it
outlives :meth:`close`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import duckdb
import pyarrow as pa

from historian.errors import UnusableValueError
from historian.retrieval.functions.bind import Answered, create_functions
from historian.retrieval.query_errors import translated
from historian.retrieval.views import create_views
from storage.reader import StoreSnapshot
from storage.set_aside import first_damaged

_SETTINGS: Final = {
    # Without this a query could read the variables of the program that asks it, by their names.
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}

_SCANS_ARROW_WELL: Final = int(duckdb.__version__.split(".")[0]) >= 2
"""DuckDB 1.5 fails on an Arrow table when a join pushes a Bloom filter into its scan, so there the rows are copied
(about 0.1 s a million).  DuckDB 2 reads them in place."""


def connect(
    snapshot: StoreSnapshot,
    *,
    time_zone: str = "UTC",
    extra: Mapping[str, pa.Table] | None = None,
    settings: Mapping[str, str] | None = None,
    answered: Answered | None = None,
) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory with all views and table functions over ``snapshot``.

    ``time_zone`` is an IANA name; it decides how times without a zone are read and how times are shown, never what is
    stored.  ``extra`` are more tables by name, ``settings`` more of DuckDB's.  ``answered``: what the functions answer
    from; ``snapshot`` without it.  Raises UnusableValueError for an unknown zone, CorruptionError for an archive file
    that cannot be read.
    """
    connection = duckdb.connect(":memory:", config=dict(_SETTINGS))
    try:
        connection.execute("set enable_progress_bar = false")
        for name, value in (settings or {}).items():
            connection.execute(f"set {name} = {quoted(value)}")
        _set_time_zone(connection, time_zone)
        with translated(find_damaged=partial(first_damaged, [file.path for file in snapshot.files])):
            create_views(connection, snapshot, register)
            create_functions(connection, answered or Answered(snapshot, time_zone))
            for name, table in (extra or {}).items():
                register(connection, name, table)
            _lock(connection, [*(file.path for file in snapshot.files), *snapshot.averages])
    except BaseException:
        connection.close()
        raise
    return connection


def _set_time_zone(connection: duckdb.DuckDBPyConnection, time_zone: str) -> None:
    try:
        connection.execute(f"set TimeZone = {quoted(time_zone)}")
    except duckdb.Error as error:
        raise UnusableValueError(repr(time_zone), "a time zone such as UTC or Europe/Berlin") from error


def register(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Make ``table`` known to SQL as ``name``, in the place of one before."""
    if _SCANS_ARROW_WELL:
        connection.register(name, table)
        return
    connection.register(f"{name}_arrow", table)
    connection.execute(f"create or replace temp table {name} as select * from {name}_arrow")  # noqa: S608 - our own names
    connection.unregister(f"{name}_arrow")


def _lock(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """From here on the connection reads ``files`` and nothing else of this machine, and no setting can be changed.

    ``allowed_paths`` would let a COPY overwrite the very files it allows to be read; that no COPY gets here is what
    :mod:`historian.retrieval.statement` sees to.
    """
    spill = Path(tempfile.gettempdir()) / f"historian-sql-{uuid4().hex}"
    # A connection may outlive a query, and the files never change: their footers are read once.
    connection.execute("set parquet_metadata_cache = true")
    connection.execute(f"set temp_directory = {quoted(str(spill))}")
    connection.execute(f"set allowed_paths = [{', '.join(quoted(file) for file in files)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def quoted(text: str) -> str:
    """``text`` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
