"""``historian backup``: the store as it is now into another folder, only what is new, also while collecting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, find_store, store_option
from historian.errors import CorruptionError

if TYPE_CHECKING:
    from storage.backup import BackupReport


@click.command()
@click.argument("destination", type=click.Path(path_type=Path), metavar="DEST")
@click.option("--keep", type=click.IntRange(min=1), default=7, show_default=True, help="How many generations to keep.")
@click.option("--check", is_flag=True, help="Also read all that is in the backup already, and mend what is damaged.")
@store_option
@config_option
def backup(destination: Path, keep: int, check: bool, store_path: Path | None, config_path: Path) -> None:
    """Add a generation to the backup in the folder DEST, which is made if it is new.

    Files of the archive never change, so each is copied once.  Everything is read back and checked.
    """
    # Imported here, so that --help does not wait for Arrow.
    from cli.progress import byte_bar  # noqa: PLC0415 - as above
    from storage.backup import backup as make  # noqa: PLC0415 - as above
    from storage.progress import Progress  # noqa: PLC0415 - as above

    folder = find_store(store_path, config_path)
    with byte_bar("copying") as bar:
        report = make(
            folder, destination, time_us=time.time_ns() // 1000, keep=keep, check=check,
            progress=Progress(bar.begin, bar.advance),
        )  # fmt: skip
    click.echo(as_text(report))
    if report.lacking:
        lines = "\n".join(f"  {path}: {why}" for path, why in report.lacking.items())
        raise CorruptionError(
            f"the backup lacks {len(report.lacking)} files that are damaged or gone in the store:\n{lines}\n"
            "See what is lost with: historian verify"
        )


def as_text(report: BackupReport) -> str:
    """What was done, for people."""
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    made = report.generation
    until = "" if made.last_commit_us is None else f", collected until {format_time(made.last_commit_us)}"
    new = f"{report.copied:,} are new ({report.copied_bytes / 1e6:,.1f} MB copied and read back)"
    lines = [
        f"{report.folder}: generation {made.name} with {made.samples:,} samples{until}",
        f"  {len(made.files):,} files of the archive, of which {new}",
    ]
    if report.removed:
        lines.append(f"  removed: {', '.join(report.removed)}")
    return "\n".join(lines)
