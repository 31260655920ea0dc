"""How much of a connection's time may go into waiting for units that do not answer.

Used by :mod:`collectors.modbus.bus`.  On a shared line a request to a dead unit holds up all others for its time-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHARE: Final = 0.1
"""The part of a connection's time in which dead units are tried again while others answer."""


@dataclass(slots=True)
class DeadTime:
    """An account in microseconds: what is spent on waiting must be earned by the time that passes, ``SHARE`` of it.

    Nothing is saved up.  So the waiting that :meth:`may_spend` has allowed takes, in any span, at most ``SHARE`` of it
    and one time-out more.
    """

    now_us: int
    debt_us: float = 0.0
    spent_us: int = 0

    def may_spend(self, now_us: int) -> bool:
        """Whether all that was spent has been earned."""
        self._pass(now_us)
        return self.debt_us <= 0

    def spend(self, waited_us: int, now_us: int) -> None:
        """So long was waited in vain, until now."""
        self._pass(now_us)
        self.debt_us += waited_us
        self.spent_us += waited_us

    def earned_in_us(self, now_us: int) -> int:
        """How long until more may be spent."""
        self._pass(now_us)
        return int(self.debt_us / SHARE)

    def _pass(self, now_us: int) -> None:
        self.debt_us = max(self.debt_us - SHARE * (now_us - self.now_us), 0.0)
        self.now_us = now_us
