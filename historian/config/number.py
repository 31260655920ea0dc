"""Numbers as people write them in configurations: ``12``, ``-0.5``, ``1e3``."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from historian.config.nearest import shown
from historian.errors import UnusableValueError

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@lru_cache(maxsize=4096)
def parse_number(text: str) -> float:
    """The finite number in ``text``.  Raises UnusableValueError for all else, ``nan`` and ``1e999`` too."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
    hint = "the decimal sign is a point, and there is no sign for thousands" if "," in text else ""
    raise UnusableValueError(shown(text), "a number such as 12, -0.5 or 1e3", hint)
