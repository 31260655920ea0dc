"""Whether anybody collects, by when the collecting process was last heard of: it may be gone without a word."""

from __future__ import annotations

from typing import Final

STALE_US: Final = 30_000_000
"""A process that collects commits at least every few seconds.  When its last word is older than this, nobody stands for
the newest samples any more: ``snapshot`` calls those that were Good Uncertain, and ``status`` says that it is lost."""


def is_collecting(last_heard_us: int, now_us: int) -> bool:
    """True when the last word is not older than STALE_US."""
    return now_us - last_heard_us <= STALE_US
