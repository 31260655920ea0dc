"""A word to the person when one processor is hardly enough to collect, and others could help."""

from __future__ import annotations

from typing import Final

BUSY_PERCENT: Final = 85.0
"""Of one processor; scans begin to be late long before it is all in use."""

LOOKS: Final = 60
"""So many looks in a row, a second apart, make it more than a moment's work."""


class BusyHint:
    """Looks at the share of a processor that the collecting process takes; speaks once."""

    def __init__(self) -> None:
        self._looks = 0
        self._has_spoken = False

    def look(self, percent: float) -> str | None:
        """What to say now, mostly nothing."""
        self._looks = self._looks + 1 if percent > BUSY_PERCENT else 0
        if self._looks < LOOKS or self._has_spoken:
            return None
        self._has_spoken = True
        return (
            f"collecting has kept a processor busy for a minute ({percent:.0f} %): scans may start late; "
            "where the machine has more of them, historian collect --workers auto reads the sources in other processes"
        )
