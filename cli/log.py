"""Where log messages go: to stderr, one root for all packages.  Drivers quiet their libraries themselves."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Final

TIME: Final = "%(asctime)s.%(msecs)03dZ "
PLAIN: Final = "%(lowerlevel)s: %(message)s"
FOR_MENDING: Final = "%(lowerlevel)s %(name)s: %(message)s"


class UtcFormatter(logging.Formatter):
    """Times in UTC, as everywhere else in what this program says and stores."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """The whole second; TIME adds the milliseconds and the zone."""
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        """One record, its level as a word of the sentence."""
        record.lowerlevel = record.levelname.lower()
        return super().format(record)


def log_to_stderr(*, verbose: bool) -> None:
    """Log warnings (with ``verbose``: everything) of ``historian.*`` with time and level."""
    handler = logging.StreamHandler()
    handler.setFormatter(UtcFormatter(("" if _in_the_journal() else TIME) + (FOR_MENDING if verbose else PLAIN)))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("historian").setLevel(logging.DEBUG if verbose else logging.WARNING)


def time_for_files() -> str:
    """The time to put before a message of a service: nothing on a terminal and in the journal, which has its own."""
    if sys.stderr.isatty() or _in_the_journal():
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())


def _in_the_journal() -> bool:
    """True where systemd's journal reads stderr: it keeps the time of each line itself."""
    return "JOURNAL_STREAM" in os.environ
