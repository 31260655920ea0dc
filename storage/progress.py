"""How far a long work is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """``begin`` is told how many bytes there are to read (again, when there are more), ``advance`` those that were."""

    begin: Callable[[int], None] = lambda _: None
    advance: Callable[[int], None] = lambda _: None
