"""``historian reload``: have the process that collects read its configuration again, and follow what has changed.

The command puts a request into the box of the store (:mod:`storage.requests`), where :mod:`cli.reloader` finds it;
SIGHUP to the process does the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cli.options import config_option, find_store
from historian.errors import UsageError

KIND: Final = "reload"


@click.command()
@config_option
def reload(config_path: Path) -> None:
    """Let the process that collects follow its changed configuration: tags and sources added, changed, removed.

    Nothing else is disturbed: other scans keep their times.  A configuration with faults is refused, and the old one
    goes on.  SIGHUP to a process without a terminal does the same, where the system has signals.
    """
    # Imported here, so that --help does not wait for it.
    from historian.config.load import load_configuration  # noqa: PLC0415 - as above
    from storage.lock import read_owner  # noqa: PLC0415 - as above
    from storage.requests import submit  # noqa: PLC0415 - as above

    configuration = load_configuration(config_path)  # all its faults are told here, each with its place
    folder = find_store(None, config_path)
    if read_owner(folder) is None:
        raise UsageError(
            f"cannot reload: nobody collects into {folder}; the configuration is read when collecting starts"
        )
    answer = submit(folder, KIND, {"path": str(configuration.path.resolve())})
    click.echo(answer["said"])
