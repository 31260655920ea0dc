"""Live samples for ``historian tune --probe``: the configured sources are read into a store that is gone afterwards.

The way of a sample is that of ``historian collect``, but nothing is left out on it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cli.event_loop import run
from cli.log import log_to_stderr
from cli.service import CollectService
from historian.config.duration import format_duration
from historian.config.load import load_configuration
from historian.config.settings import Configuration, RetentionSettings
from historian.model.clock import US_PER_S
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.retrieval.tag_selection import select_tags


@contextmanager
def probed(config_path: Path, wanted: Sequence[str], duration_us: int) -> Iterator[Path]:
    """The folder of a store with what the sources of the tags ``wanted`` (all without any) gave for so long.

    Ctrl-C ends the reading early; what was read until then is there.  Raises ConfigurationError, and UsageError for a
    name that means no tag.
    """
    configuration = load_configuration(config_path)
    with tempfile.TemporaryDirectory(prefix="historian-tune-", ignore_cleanup_errors=True) as folder:
        store_path = Path(folder) / "store"
        probe = _raw(configuration, wanted, store_path)
        tags = f"{len(probe.tags):,} tag{'' if len(probe.tags) == 1 else 's'}"
        text = f"reading {tags} for {format_duration(duration_us)}; Ctrl-C ends it early"
        with _shown(text):
            log_to_stderr(verbose=False)  # in here, so that a line of it stands above the clock
            run(CollectService(probe, say=lambda _: None).run(duration_us / US_PER_S))
        yield store_path


def _raw(configuration: Configuration, wanted: Sequence[str], store_path: Path) -> Configuration:
    """The configuration with these tags alone, nothing left out, and another store that nobody looks after."""
    by_name = {tag.name: tag for tag in configuration.tags}
    names = select_tags(wanted, list(by_name)) if wanted else list(by_name)
    return replace(
        configuration,
        store=replace(configuration.store, path=store_path),
        tags=tuple(_uncompressed(by_name[name]) for name in names),
        compaction=replace(configuration.compaction, enabled=False),
        retention=RetentionSettings(),
    )


def _uncompressed(tag: Tag) -> Tag:
    return replace(tag, exception=ExceptionSettings(), compression=CompressionSettings())


@contextmanager
def _shown(text: str) -> Iterator[None]:
    """Says on stderr what goes on, with a clock where somebody looks."""
    if not sys.stderr.isatty():
        click.echo(text, err=True)
        yield
        return
    # Imported here, because nobody waits for it otherwise.
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(text, total=None)
        yield
