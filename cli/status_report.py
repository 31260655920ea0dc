"""``historian status --report``: which tags deserve a look, the first few of each list.

The lists are table functions of SQL (:mod:`historian.retrieval.reports`), where all of them are.
"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from typing import Any, Final

import click
import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.status_screen import PIPE_WIDTH, age, count
from historian.retrieval.connection import connect
from historian.retrieval.query import ask
from historian.retrieval.reports import REPORTS
from historian.retrieval.time_range import format_time
from storage.reader import StoreReader

MOST: Final = 10
"""Tags of each list."""

Rows = list[dict[str, Any]]

_TITLES: Final = {
    "never_connected": "never connected",
    "silent_longest": "silent longest",
    "most_changing": "most samples in an hour",
    "refused": "samples refused, because their time cannot be",
}


def report_tags(reader: StoreReader, format_: str) -> None:
    """Write all lists to stdout, as tables or as JSON by name: ``total`` and the first ``tags``."""
    with closing(connect(reader.snapshot())) as connection:
        found = {name: (_total(connection, name), _first(connection, name)) for name in REPORTS}
    if format_ == "json":
        lists = {name: {"total": total, "tags": rows} for name, (total, rows) in found.items()}
        click.echo(json.dumps(lists, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width of its own.
        console.width = PIPE_WIDTH
    for name, (total, rows) in found.items():
        _show(console, name, total, rows)


def _total(connection: duckdb.DuckDBPyConnection, view: str) -> int:
    return int(ask(connection, f"select count(*) as n from {view}()").table().column("n")[0].as_py())  # noqa: S608 - our own


def _first(connection: duckdb.DuckDBPyConnection, view: str) -> Rows:
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in ask(connection, f"from {view}() limit {MOST}").table().to_pylist()
    ]


def _plain(value: object) -> object:
    """JSON-ready; times as text."""
    return format_time(int(value.timestamp() * 1e6)) if isinstance(value, datetime) else value


def _show(console: Console, name: str, total: int, rows: Rows) -> None:
    console.print(Text(f"{_TITLES[name]}: {count(total)}", "bold"))
    if not rows:
        console.print(Text("none", "dim"))
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in rows[0]:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(_cell(column, value) for column, value in row.items()))
        console.print(table)
        if total > len(rows):
            console.print(Text(f'all: historian sql "from {name}()"', "dim"))
    console.print()


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if column == "seconds" and isinstance(value, float):
        return age(value)
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
