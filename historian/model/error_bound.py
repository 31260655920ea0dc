"""How far a reported or an archived value may lie from the truth: a number that only checked constructors make."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """A one-sided deviation in engineering units, finite and not negative (total width is twice this)."""

    deviation: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.deviation) or self.deviation < 0:
            raise ValueError(f"cannot use {self.deviation!r} as a deviation, wanted a finite number, 0 or more")

    @classmethod
    def percent_of_span(cls, percent: float, low: float, high: float) -> ErrorBound:
        """``percent`` of ``high - low``.  Raises ValueError unless low < high and percent is 0 or more."""
        if not low < high:
            raise ValueError(f"cannot take a percentage of the span {low!r} to {high!r}, wanted low below high")
        return cls(percent / 100.0 * (high - low))
