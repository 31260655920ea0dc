"""``historian``: the list of commands, and what happens to an error that reaches the top.

Commands are imported when they are called, so that ``historian --help`` starts quickly.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
from typing import Final

import click

from cli.start import EXIT_INTERRUPTED
from historian.errors import HistorianError

COMMANDS: Final[dict[str, str]] = {
    "demo": "Run a simulated plant, collect from it and query the result.",
    "init": "Write a commented configuration to start from.",
    "probe": "Show a Modbus device's registers in every type and byte order; find units and readable ranges.",
    "browse": "List the variables of an OPC UA server as a tag list.",
    "check": "Check the configuration and the tag lists; with --connect, read every tag once.",
    "trust": "See which OPC UA servers are trusted; accept or remove one.",
    "collect": "Collect from all sources into the store until stopped.",
    "reload": "Let the process that collects follow its changed configuration.",
    "status": "Show sources, store and compression, also while collecting.",
    "sql": "Answer a question in SQL from the store.",
    "trend": "Draw tags over time in the terminal or into a picture.",
    "export": "Write samples to Parquet or CSV.",
    "edit": "Give one sample another value or status; the old one stays in the audit.",
    "remove": "Remove the samples of a range; the audit keeps them.",
    "annotate": "Note something on a tag at a time; list and remove notes.",
    "import": "Import samples from CSV and Parquet files.",
    "tags": "List and show tags, rename one, change many at once.",
    "tune": "Find the deviations that suit each tag, and say what they save and cost.",
    "compact": "Merge small files of the archive now, and let go of what retention says.",
    "verify": "Check every file and table of the store; with --set-aside, take damaged files out.",
    "rebuild": "Make the database anew from the files of the archive.",
    "backup": "Add the store as it is now to a backup, also while collecting.",
    "restore": "Make a store from a backup.",
}
"""Name of each command, in the order of use, and its line in the help; module ``cli.<name>``, function ``<name>``,
with an underscore behind a name that Python keeps for itself (``import``)."""

DEBUG_VARIABLE: Final = "HISTORIAN_DEBUG"


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All command names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import and return one command, or None."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(importlib.import_module(f"cli.{name}"), name)
        _keep_examples(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command is answered with the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            # Imported here, because it is needed for this mistake only.
            from historian.config.nearest import did_you_mean  # noqa: PLC0415 - as above

            hint = did_you_mean(args[0], COMMANDS) or "see all commands with: historian --help"
            raise click.UsageError(f"there is no command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _keep_examples(command: click.Command) -> None:
    r"""Turn the ``\b`` of raw docstrings into the character by which click knows paragraphs not to be wrapped."""
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _keep_examples(each)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="plant-historian", prog_name="historian", message="%(prog)s %(version)s")
def historian() -> None:
    """The open process historian: collect from Modbus and OPC UA, keep it for years, ask in SQL."""


def main() -> None:
    """Run the command line; a person's mistake ends with one message and exit code 1 or 2, never with a traceback."""
    # Nothing here multiplies matrices, and numpy's pool of threads for that costs start-up time and memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        # The exit code of a command that ended by itself; a group gives back what its command does.
        code = historian(prog_name="historian", standalone_mode=False)
        # Here and not at the interpreter's end, where a reader that is gone could not be handled any more.
        sys.stdout.flush()
        if isinstance(code, int) and code:
            sys.exit(code)
    except HistorianError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output is gone (``| head``): not an error, and nothing more can be said there.
        _drop_output()
        sys.exit(1)
    except Exception as error:
        # The last line of defence: a person cannot use a traceback, and whoever mends it can ask for one.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _say(_last_words(error))
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _drop_output()
        sys.exit(1)


def _last_words(error: Exception) -> str:
    """What a person can do about an error that nobody has put into words before."""
    if isinstance(error, PermissionError) and error.filename is not None:
        return f"not permitted: this account may not use {error.filename}; ask its owner, or use another account"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return "cannot write the result: the disk it goes to is full; make room and run it again"
    return (
        f"stopped by a fault of its own, not of yours: {type(error).__name__}: {error}\n"
        f"To see where, set {DEBUG_VARIABLE}=1 and run it again; please report what it shows."
    )


def _drop_output() -> None:
    """Let go of what is still waiting for stdout, or the interpreter complains of it on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    click.echo(f"historian: {text}", err=True)
