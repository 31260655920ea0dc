"""``historian``: the list of commands, and what happens to an error that reaches the top.

Commands are imported when they are called, so that ``historian --help`` starts quickly.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import click

from historian.errors import HistorianError

COMMANDS: Final[dict[str, str]] = {
    "demo": "Run a simulated plant, collect from it and query the result.",
    "init": "Write a commented configuration to start from.",
    "check": "Check the configuration and the tag lists; with --connect, read every tag once.",
    "collect": "Collect from all sources into the store until stopped.",
    "status": "Show sources, store and compression, also while collecting.",
    "sql": "Answer a question in SQL from the store.",
    "trend": "Draw tags over time in the terminal or into a picture.",
    "export": "Write samples to Parquet or CSV.",
}
"""Name of each command, in the order of use, and its line in the help; module ``cli.<name>``, function ``<name>``."""

EXIT_INTERRUPTED: Final = 130


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All command names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import and return one command, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="plant-historian", prog_name="historian")
def historian() -> None:
    """The open process historian: collect from Modbus and OPC UA, keep it for years, ask in SQL."""


def main() -> None:
    """Run the command line; a person's mistake ends with one message and exit code 1 or 2, never with a traceback."""
    try:
        historian(prog_name="historian", standalone_mode=False)
    except HistorianError as error:
        click.echo(f"historian: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("historian: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output is gone (``| head``): not an error, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
