"""Sizes of memory as people write them: ``256MiB``, ``1GB``."""

from __future__ import annotations

import re
from typing import Final

from historian.config.nearest import shown
from historian.errors import UnusableValueError

UNITS_BYTES: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

WANTED: Final = "a size such as 256MiB, 512MB or 1GB"

_SIZE: Final = re.compile(r"(\d{1,15})(kB|MB|GB|KiB|MiB|GiB)", re.ASCII)


def parse_byte_size(text: str) -> int:
    """Bytes of ``text``.  Raises UnusableValueError when it is no size."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UnusableValueError(shown(text), WANTED)
    return int(match[1]) * UNITS_BYTES[match[2]]
