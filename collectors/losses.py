"""A source that is lost again and again: some losses an hour are told one by one, the others as a number.

Used by :mod:`collectors.source_log`.  A device that hangs up each minute would else fill the log and the audit for
years, and bury what else is said there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from historian.model.clock import US_PER_S

MOST_TOLD: Final = 10
"""Losses within a span that are told one by one."""

SPAN_US: Final = 3_600 * US_PER_S

LASTING_US: Final = 60 * US_PER_S
"""A loss that lasts so long is told in any case."""


@dataclass(slots=True)
class Losses:
    """Counts the losses of one source, in spans that begin with a loss; times on the monotonic clock."""

    _span_us: int = 0
    _lost_us: int = 0
    _in_span: int = 0
    _is_told: bool = True
    untold: int = 0
    """Losses of the span before that nobody was told of, when a new one has just begun."""

    def lost(self, now_us: int) -> bool:
        """One more; whether to tell of it."""
        self.untold = 0
        if self._in_span and now_us - self._span_us >= SPAN_US:
            self.untold = max(self._in_span - MOST_TOLD, 0)
            self._in_span = 0
        if not self._in_span:
            self._span_us = now_us
        self._in_span += 1
        self._lost_us = now_us
        self._is_told = self._in_span <= MOST_TOLD
        return self._is_told

    @property
    def is_last_told(self) -> bool:
        """Whether no more losses are told one by one in this span."""
        return self._in_span == MOST_TOLD

    def lasts(self, now_us: int) -> bool:
        """It is still lost; whether to tell of that, because nobody has been told and it has been long."""
        if self._is_told or now_us - self._lost_us < LASTING_US:
            return False
        self._is_told = True
        return True

    def recovered(self) -> bool:
        """It is back; whether to tell of it: of each loss that was told."""
        return self._is_told
