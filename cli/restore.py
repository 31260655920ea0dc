"""``historian restore``: a store from a backup, in an empty folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, find_store, store_option
from historian.errors import CorruptionError

if TYPE_CHECKING:
    from storage.restore import RestoreReport


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--at", metavar="GENERATION", help="The generation, or the beginning of its name; without it the newest.")
@store_option
@config_option
def restore(source: Path, at: str | None, store_path: Path | None, config_path: Path) -> None:
    """Make a store from the backup in the folder SOURCE; where it goes must be a new or empty folder."""
    # Imported here, so that --help does not wait for Arrow.
    from cli.progress import byte_bar  # noqa: PLC0415 - as above
    from storage.progress import Progress  # noqa: PLC0415 - as above
    from storage.restore import restore as make  # noqa: PLC0415 - as above

    folder = find_store(store_path, config_path)
    with byte_bar("restoring") as bar:
        report = make(source, folder, time_us=time.time_ns() // 1000, at=at, progress=Progress(bar.begin, bar.advance))
    click.echo(as_text(report))
    if report.lacking:
        lines = "\n".join(f"  {path}: {why}" for path, why in report.lacking.items())
        raise CorruptionError(f"the store lacks {len(report.lacking)} files, everything else can be used:\n{lines}")


def as_text(report: RestoreReport) -> str:
    """What was done, for people."""
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    made = report.generation
    last = "nothing was ever collected into it"
    if made.last_commit_us is not None:
        when = format_time(made.last_commit_us)
        last = f"last commit: {when}; the next start of collecting marks the time since then as a gap"
    return (
        f"{report.folder}: generation {made.name} restored, {made.samples:,} samples, {report.files:,} files of the "
        f"archive ({report.bytes / 1e6:,.1f} MB), all checked\n"
        f"  {last}"
    )
