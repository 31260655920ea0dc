"""``historian collect``: the service of a plant server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import click

from cli.collect_worker import worker_command
from cli.event_loop import run
from cli.garbage import no_search
from cli.log import log_to_stderr, time_for_files
from cli.options import config_option
from cli.service import CollectService
from collectors.workers.placement import processors, workers_wanted
from collectors.workers.pool import WorkerPool
from historian.config.load import load_configuration

AUTO: Final = "auto"


class WorkersType(click.ParamType["int | None"]):
    """A number of worker processes; None for ``auto``."""

    name = "workers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Whole numbers from 0 on, and the word."""
        if value == AUTO:
            return None
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if number < 0:
            self.fail(f"got {value!r}, wanted a whole number from 0 on, or {AUTO}", param, ctx)
        return number


@click.command()
@config_option
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop in order after so many seconds.")
@click.option(
    "--workers",
    type=WorkersType(),
    default=0,
    metavar="N|auto",
    help="Read the sources in so many other processes, for a plant that keeps more than one processor busy;"
    " auto: as many as the configuration needs, none if it needs none.  [default: 0]",
)
@click.option("-v", "--verbose", is_flag=True, help="Log every event of the sources to stderr.")
def collect(config_path: Path, seconds: float | None, workers: int | None, verbose: bool) -> None:
    """Collect from all sources into the store until stopped by Ctrl-C or SIGTERM.

    Stops in order within 5 s: what was held back is stored, and every tag gets BadShutdown, so that nobody takes the
    last value for a current one.
    """
    log_to_stderr(verbose=verbose)
    with no_search():
        configuration = load_configuration(config_path)
        if workers is None:
            workers = workers_wanted(configuration.sources, configuration.groups(), processors())
        service = CollectService(
            configuration,
            say=lambda text: click.echo(f"{time_for_files()}historian: {text}", err=True),
            make_pool=partial(WorkerPool, workers, worker_command(verbose=verbose)) if workers else None,
        )
        run(service.run(seconds))
