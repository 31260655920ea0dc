"""The first thing that runs: a Ctrl-C while all else still loads ends like any later one, without a traceback."""

from __future__ import annotations

import os
import sys
from typing import Final

EXIT_INTERRUPTED: Final = 130


def open_closed_streams() -> None:
    """Nobody may be there to write to (``>&-``, a service on Windows); what is said goes nowhere then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Open as long as the process is.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - no path


def main() -> None:
    """Load the command line and run it."""
    open_closed_streams()
    try:
        from cli.main import main as run  # noqa: PLC0415 - see above: this is what takes its time

        run()
    except KeyboardInterrupt:
        sys.stderr.write("historian: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
