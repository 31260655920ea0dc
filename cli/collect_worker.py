"""``python -m cli.collect_worker``: a worker of ``historian collect --workers``, which starts it; nobody else does."""

from __future__ import annotations

import os
import signal
import sys

from cli.event_loop import run
from cli.log import log_to_stderr
from cli.process_figures import ProcessorShare
from collectors.workers.worker import work

VERBOSE = "--verbose"


def worker_command(*, verbose: bool) -> list[str]:
    """The command that runs a worker, in the environment of this process."""
    return [sys.executable, "-P", "-m", "cli.collect_worker", *([VERBOSE] if verbose else [])]


def main() -> None:
    """Be a worker of whoever is at the other end of stdin and stdout."""
    # Who stops a service may tell all of its processes; we end in the order of the main process, or when it is gone.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    log_to_stderr(verbose=VERBOSE in sys.argv[1:])
    figures = ProcessorShare()
    orders = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever else is printed goes to stderr.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run(work(orders, messages, lambda: {"pid": os.getpid(), **figures.take()}))


if __name__ == "__main__":
    main()
