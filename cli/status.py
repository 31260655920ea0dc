"""``historian status``: what the collecting process, its sources and the store do, from any process at any time."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import config_option, open_store, report_format_option, store_option
from storage.health import SOURCE, WORKER

if TYPE_CHECKING:
    from storage.statistics import StoreStatistics

Figures = dict[str, Any]

SILENT_US: Final = 5_000_000
"""A process that commits more often than this is alive, even where its number says nothing: in another container."""


@click.command()
@report_format_option("it")
@click.option("--report", "reports", is_flag=True, help="Which tags deserve a look, instead.")
@store_option
@config_option
def status(format_: str, reports: bool, store_path: Path | None, config_path: Path) -> None:
    """Show whether collecting goes on, each source, and what the store holds; also while another process collects."""
    if reports:
        from cli.status_report import report_tags  # noqa: PLC0415 - DuckDB takes its time, which status does not need

        with open_store(store_path, config_path) as reader:
            report_tags(reader, format_)
        return
    with open_store(store_path, config_path) as reader:
        folder, health, statistics = reader.folder, reader.health(), reader.statistics()
        health = with_trouble(with_findings(health, reader.source_notes()), reader.trouble())
    report = make_report(folder, health, statistics, time.time_ns() // 1000, is_gone=_writer_is_gone(folder))
    if format_ == "json":
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    # Imported here, because rich takes longer to load than the figures take to read.
    from cli.status_screen import show  # noqa: PLC0415 - as above

    show(report)


def with_findings(health: dict[str, Figures], notes: dict[tuple[str, str], str]) -> dict[str, Figures]:
    """The figures, those of sources with what was found out about their devices (``found_out``), where anything was."""
    if not notes:
        return health
    from collectors.findings import found_out  # noqa: PLC0415 - mostly there is nothing to tell

    found: dict[str, list[str]] = {}
    for (source, key), note in notes.items():
        found.setdefault(f"{SOURCE}{source}", []).append(found_out(key, note))
    texts = {name: "; ".join(filter(None, each)) for name, each in found.items()}
    return {name: {**row, "found_out": texts[name]} if texts.get(name) else row for name, row in health.items()}


def with_trouble(health: dict[str, Figures], trouble: Figures | None) -> dict[str, Figures]:
    """The figures, with what a process says that cannot write them to the database, when that is newer."""
    process = health.get("process", {})
    if trouble is None or int(trouble.get("updated_us", 0)) < int(process.get("updated_us", 0)):
        return health
    return {**health, "process": {**process, **trouble}}


def _writer_is_gone(folder: Path) -> bool:
    """True when the process that took the store's lock last, and did not let go, does not exist any more.

    Known only of a process of this machine; on Windows there is no harmless way to ask.
    """
    from storage.lock import read_owner  # noqa: PLC0415 - so that --help does not wait for it

    owner = read_owner(folder)
    if owner is None or owner.host != platform.node() or sys.platform == "win32":
        return False
    try:
        os.kill(owner.pid, 0)  # signal 0 only asks whether there is such a process
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it exists, and belongs to another account
    return False


def make_report(
    folder: Path, health: dict[str, Figures], statistics: StoreStatistics, now_us: int, *, is_gone: bool = False
) -> Figures:
    """All that ``status`` says, JSON-ready: process, sources by name, workers by number, store.

    Times are ISO 8601 in UTC.  ``is_gone``: the process that collected does not exist any more, however short ago its
    last word was.
    """
    process = health.get("process", {})
    return {
        "collecting": _collecting(health, statistics, now_us, is_gone=is_gone),
        "process": _with_times(process),
        "sources": {
            name.removeprefix(SOURCE): _with_times(row)
            for name, row in sorted(health.items())
            if name.startswith(SOURCE)
        },
        "workers": {
            name.removeprefix(WORKER): _with_times(row)
            for name, row in sorted(health.items())
            if name.startswith(WORKER)
        },
        "store": _store(folder, statistics, process),
        "compaction": _with_times(health.get("compaction", {})),
        "bound": _bound(health.get("bound", {})),
    }


def _collecting(health: dict[str, Figures], statistics: StoreStatistics, now_us: int, *, is_gone: bool) -> Figures:
    """``state``: "yes", "no" (ended in order), "lost" (ended without a word) or "never"; and its last word."""
    # Imported here, because it brings DuckDB's views along.
    from historian.retrieval.liveness import is_collecting  # noqa: PLC0415 - as above

    last_us = max(statistics.last_commit_us or 0, health.get("process", {}).get("updated_us") or 0)
    if not last_us:
        state = "never"
    elif not statistics.run_open:
        state = "no"
    else:
        gone = is_gone and now_us - last_us > SILENT_US
        state = "yes" if is_collecting(last_us, now_us) and not gone else "lost"
    return {
        "state": state,
        "last_commit": _instant(last_us),
        "seconds_since": round((now_us - last_us) / 1e6, 3) if last_us else None,
    }


def _with_times(figures: Figures) -> Figures:
    """Figures with times as text: ``last_good_us`` becomes ``last_good``."""
    return {
        (key.removesuffix("_us") if _is_time(key) else key): (_instant(value) if _is_time(key) else value)
        for key, value in figures.items()
    }


def _bound(figures: Figures) -> Figures:
    """How compression keeps its promise; empty where nothing is shadowed."""
    rows = {name: [_with_times(row) for row in figures.get(name, [])] for name in ("worst", "broken")}
    return {**_with_times(figures), **rows} if figures else {}


def _is_time(key: str) -> bool:
    return key in {"updated_us", "started_us", "last_good_us", "until_us", "at_us"}


def _store(folder: Path, statistics: StoreStatistics, process: Figures) -> Figures:
    rows = asdict(statistics)
    first, last, commit = (_instant(rows.pop(f"{name}_us")) for name in ("first", "last", "last_commit"))
    taken, stored = process.get("samples_in"), process.get("samples_stored")
    return {
        "path": str(folder), **rows, "first": first, "last": last, "last_commit": commit,
        "bytes_per_sample": statistics.bytes_per_sample,
        "samples_in": taken, "samples_stored": stored,
        "compression_ratio": taken / stored if taken and stored else None,
    }  # fmt: skip


def _instant(time_us: int | None) -> str | None:
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    return format_time(time_us) if time_us else None
