"""Python's search for garbage, kept from what a collecting process holds for good: its tags and libraries."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search() -> Iterator[None]:
    """While everything that is made stays: with 50,000 tags a start searches for 0.25 s and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_what_is_there() -> None:
    """Never look through it again, which would hold up scans for 30 ms each time; from now on search anew."""
    gc.freeze()
    gc.enable()
