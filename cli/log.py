"""Where log messages go: to stderr, one root for all packages, quiet libraries."""

from __future__ import annotations

import logging
from typing import Final

NOISY: Final = ("pymodbus",)
"""Libraries that log every lost connection with a traceback; our own messages say the same for a person.  The OPC UA
driver quiets its library itself."""


def log_to_stderr(*, verbose: bool) -> None:
    """Log warnings (with ``verbose``: everything) of ``historian.*`` with time and level."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("historian").setLevel(logging.DEBUG if verbose else logging.WARNING)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
