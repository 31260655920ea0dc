"""``historian rebuild``: the database anew from the files of the archive, when it is lost or damaged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, find_store, store_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.rebuild import RebuildReport


@click.command()
@store_option
@config_option
def rebuild(store_path: Path | None, config_path: Path) -> None:
    """Make historian.sqlite anew from the Parquet files, with what can still be read in the old one, which is kept.

    Collecting must be stopped.
    """
    # Imported here, so that --help does not wait for Arrow.
    from cli.person import person  # noqa: PLC0415 - as above
    from cli.progress import byte_bar  # noqa: PLC0415 - as above
    from storage.progress import Progress  # noqa: PLC0415 - as above
    from storage.rebuild import rebuild as make  # noqa: PLC0415 - as above

    folder = find_store(store_path, config_path)
    with byte_bar("reading") as bar:
        report = make(folder, time_us=time.time_ns() // 1000, who=person(), progress=Progress(bar.begin, bar.advance))
    click.echo("\n".join(lines_of(report)))


def lines_of(report: RebuildReport) -> Iterator[str]:
    """What was done, for people."""
    yield (
        f"{report.folder}: made the database anew: {report.tags:,} tags, {report.archive_rows:,} samples in "
        f"{report.files:,} files"
    )
    yield (
        f"  from the old database: {report.buffer_rows:,} samples in {report.batches:,} batches of the buffer, "
        f"{report.edits:,} edits, {report.audit_lines:,} lines of the audit"
    )
    yield from (f"  not brought back: {each}" for each in report.lost)
    yield from (f"  not part of the store: {each}" for each in report.left)
    if report.kept is not None:
        yield f"  the old database is {report.kept.name}"
    yield "  the next start of collecting marks the time since the last commit as a gap"
