"""Samples of files for ``historian tune --file``: imported into a store that is gone afterwards.

So files are understood as ``historian import`` understands them, and memory does not grow with them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from cli.import_ import mapping_of
from cli.person import person
from cli.progress import rows_read
from historian.config.load import load_configuration
from historian.importing.options import ImportOptions
from historian.importing.report import FileReport
from historian.importing.run import Setting, check_file, import_file
from historian.importing.tag_book import TagBook
from historian.importing.target import StoreTarget, TagFinder
from historian.model.tag import CompressionSettings, ExceptionSettings
from storage.store import Store

FUTURE_US: Final = 600_000_000


@contextmanager
def imported(files: Sequence[Path], asked: Mapping[str, Any], config_path: Path) -> Iterator[Path]:
    """The folder of a store with the samples of ``files``, read as ``asked`` (options of ``historian import``).

    Raises UsageError for a file that is not understood.
    """
    options = _options(asked)
    for path in files:
        check_file(path, options)
    with tempfile.TemporaryDirectory(prefix="historian-tune-", ignore_cleanup_errors=True) as folder:
        store_path = Path(folder) / "store"
        with closing(Store.open(store_path, create=True)) as store:
            _import(files, store, options, config_path)
        yield store_path


def _options(asked: Mapping[str, Any]) -> ImportOptions:
    zone, time_format = asked["zone"], asked["time_format"]
    return ImportOptions(
        columns=mapping_of(asked),
        tag=asked["tag"],
        zone=zone,
        zone_name=str(zone),
        time_format=None if time_format == "iso" else time_format,
    )


def _import(files: Sequence[Path], store: Store, options: ImportOptions, config_path: Path) -> None:
    configured = load_configuration(config_path).tags if config_path.exists() else ()
    # Of a tag that is configured the file's values are read by its type, and none is left out.
    raw = [replace(tag, exception=ExceptionSettings(), compression=CompressionSettings()) for tag in configured]
    now_us = time.time_ns() // 1000
    target, book = StoreTarget(store, person(), now_us), TagBook(TagFinder(raw, None).find)
    setting = Setting(options, target, book, person(), now_us, now_us + FUTURE_US)
    for path in files:
        with rows_read(path.name) as advance:
            report = import_file(path, setting, advance)
        click.echo(_told(report), err=True)


def _told(report: FileReport) -> str:
    figures = report.figures
    refused = sum(figures.refused.values())
    tail = f", {refused:,} refused: see historian import --dry-run" if refused else ""
    count = figures.known_tags + figures.new_tags
    return f"{report.path}: {figures.imported:,} samples of {count:,} tag{'' if count == 1 else 's'}{tail}"
