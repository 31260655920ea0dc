"""``historian collect``: the service of a plant server."""

from __future__ import annotations

from pathlib import Path

import click

from cli.event_loop import run
from cli.log import log_to_stderr, time_for_files
from cli.options import config_option
from cli.service import CollectService
from historian.config.load import load_configuration


@click.command()
@config_option
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop in order after so many seconds.")
@click.option("-v", "--verbose", is_flag=True, help="Log every event of the sources to stderr.")
def collect(config_path: Path, seconds: float | None, verbose: bool) -> None:
    """Collect from all sources into the store until stopped by Ctrl-C or SIGTERM.

    Stops in order within 5 s: what was held back is stored, and every tag gets BadShutdown, so that nobody takes the
    last value for a current one.
    """
    log_to_stderr(verbose=verbose)
    configuration = load_configuration(config_path)
    service = CollectService(
        configuration, say=lambda text: click.echo(f"{time_for_files()}historian: {text}", err=True)
    )
    run(service.run(seconds))
