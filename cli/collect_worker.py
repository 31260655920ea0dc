"""``python -m cli.collect_worker``: a worker of ``historian collect --workers``, which starts it; nobody else does."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from cli.event_loop import run
from cli.log import log_to_stderr
from cli.process_figures import ProcessorShare
from cli.start import open_closed_streams
from collectors.workers.worker import work
from historian import __version__

VERBOSE: Final = "--verbose"

NOT_FOR_US: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Who stops a service or lets it reload may tell all of its processes; we follow the main process, and end when it is
gone.  By name: no system has all of them."""


def worker_command(*, verbose: bool) -> list[str]:
    """The command that runs a worker, in the environment of this process; it takes orders of this version only."""
    return [sys.executable, "-P", "-m", "cli.collect_worker", __version__, *([VERBOSE] if verbose else [])]


def main() -> None:
    """Be a worker of whoever is at the other end of stdin and stdout."""
    for name in NOT_FOR_US:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    open_closed_streams()
    log_to_stderr(verbose=VERBOSE in sys.argv[1:])
    if __version__ not in sys.argv[1:]:
        sys.exit(
            f"historian: this worker cannot begin: it is of version {__version__}, the main process of another one; "
            "plant-historian was replaced while it ran, start historian collect anew"
        )
    figures = ProcessorShare()
    orders = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever else is printed goes to stderr.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run(work(orders, messages, lambda: {"pid": os.getpid(), **figures.take()}))


if __name__ == "__main__":
    main()
