"""``historian init``: a configuration to start from, which checks as it is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from historian.config.template import CONFIGURATION, CONFIGURATION_NAME, TAG_LIST, TAG_LIST_NAME
from historian.errors import HistorianError, UsageError


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--force", is_flag=True, help="Overwrite the files that are there already.")
def init(folder: Path, force: bool) -> None:
    """Write historian.toml and tags.csv into DIR, the current folder by default.

    Both are examples that check as they are: one Modbus device, one OPC UA server, three tags.
    """
    if folder.is_file():
        raise UsageError(f"cannot write into {folder}: it is a file, wanted a folder (none means this one)")
    files = {folder / CONFIGURATION_NAME: CONFIGURATION, folder / TAG_LIST_NAME: TAG_LIST}
    if not force:
        _refuse_to_overwrite(list(files))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            _write(path, text)
    except OSError as error:
        raise HistorianError(
            f"cannot write into {folder}: {error.strerror or error}; name a folder you may use"
        ) from error
    _say_next(folder, list(files))


def _refuse_to_overwrite(paths: list[Path]) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise UsageError(
            f"cannot write {' and '.join(there)}: already there; name another folder, or overwrite with --force"
        )


def _write(path: Path, text: str) -> None:
    """Write at once: whoever reads meanwhile, and whatever fails, sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _say_next(folder: Path, paths: list[Path]) -> None:
    option = "" if folder == Path() else f" --config {folder / CONFIGURATION_NAME}"
    click.echo(f"wrote {' and '.join(str(path) for path in paths)}")
    click.echo("Next:")
    for command, meaning in (
        ("", "edit both files: your devices, your tags"),
        (f"historian check{option}", "says what is wrong in them"),
        (f"historian check --connect{option}", "reads every tag once"),
        (f"historian collect{option}", "begins to record"),
    ):
        click.echo(f"  {command:<{26 + len(option)}}  {meaning}" if command else f"  {meaning}")
