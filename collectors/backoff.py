"""How long to wait before a lost source is tried again: at once, then longer and longer, with jitter.

Doubling keeps a dead device from being hammered, the limit keeps recovery quick, and the jitter keeps many sources
behind one switch from coming back in the same millisecond.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

FIRST_S: Final = 0.5
LIMIT_S: Final = 30.0
JITTER: Final = 0.2


@dataclass(slots=True)
class Backoff:
    """Delays in seconds: 0, then ``first_s`` doubling up to ``limit_s``, each up to 20 % shorter or longer."""

    first_s: float = FIRST_S
    limit_s: float = LIMIT_S
    random: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_s(self) -> float:
        """The delay before the next attempt; call once per failure."""
        exponent = self.failures - 1
        self.failures += 1
        if exponent < 0:
            return 0.0
        # 2.0**64 is far beyond any limit; the cap keeps a source that is dead for years from overflowing.
        base = min(self.first_s * 2.0 ** min(exponent, 64), self.limit_s)
        return base * self.random.uniform(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """The source answered: the next failure is the first again."""
        self.failures = 0
