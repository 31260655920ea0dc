"""What a source's runner tells the log: found, lost, answering again, and which of its points never answer.

Kept apart from the runner; here is what is said, once for each time that it becomes so and not too often.  The log is
what an operator sees of a service: losing a source is a warning there, as is its return.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import numpy as np

from collectors.losses import MOST_TOLD, Losses
from historian.model.scan import Scan, ScanGroup
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA, is_bad, status_name

log: Final = logging.getLogger("historian.collectors")

NAMED: Final = 5
"""So many tags of one status are named; the rest are counted."""


class SourceLog:
    """The log of one source, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[int] = set()
        self._losses = Losses()

    def connected(self, url: str, groups: Iterable[ScanGroup]) -> None:
        """The connection is there; what its first readings find Bad will be said (again)."""
        self._told.clear()
        log.info("%s: connected to %s, %d tags", self._name, url, sum(len(group.tags) for group in groups))

    def lost(self, error: str, now_us: int) -> bool:
        """It does not answer (any more); said once, not for every attempt, and not for every one of many losses.

        Whether it was said as a warning; ``now_us`` on the monotonic clock.
        """
        is_told = self._losses.lost(now_us)
        log.log(logging.WARNING if is_told else logging.INFO, "%s: %s%s", self._name, _sentence(error), self._often())
        return is_told

    def _often(self) -> str:
        if self._losses.untold:
            return f". It was lost {self._losses.untold} times more in the hour before"
        if self._losses.is_last_told:
            return f". This is loss {MOST_TOLD} within an hour: further ones are counted, and told with --verbose"
        return ""

    def failed_again(self, error: str, now_us: int) -> bool:
        """One more attempt that failed.  Whether that was said as a warning, for want of an earlier one."""
        if self._losses.lasts(now_us):
            log.warning("%s: %s", self._name, _sentence(error))
            return True
        log.debug("%s: still no answer: %s", self._name, error)
        return False

    def recovered(self, url: str) -> bool:
        """It answers after it was lost.  Whether that was said as a warning."""
        is_told = self._losses.recovered()
        log.log(logging.WARNING if is_told else logging.INFO, "%s: %s answers again", self._name, url)
        return is_told

    def learned(self, finding: str) -> None:
        """Something about the device was found out, and is minded from now on."""
        log.info("%s: found out about the device: %s", self._name, finding)

    def first_reading(self, group: ScanGroup, scan: Scan) -> None:
        """Which tags of a group are Bad in its first reading after a connect: mostly addresses that are not there."""
        if scan.group in self._told:
            return
        self._told.add(scan.group)
        # What has no value yet is no fault to look at.
        lanes = np.flatnonzero(is_bad(scan.status) & (scan.status != BAD_WAITING_FOR_INITIAL_DATA))
        if len(lanes):
            log.warning(
                "%s: %d of %d tags of the scan class %s are Bad: %s",
                self._name, len(lanes), len(scan), group.scan_class, _by_status(group, scan, lanes.tolist()),
            )  # fmt: skip


def _sentence(error: str) -> str:
    end = "" if error.endswith(("?", ".", "!")) else "."
    return f"{error}{end} All its tags are Bad now; it is tried again until it answers"


def _by_status(group: ScanGroup, scan: Scan, lanes: Iterable[int]) -> str:
    """``BadNodeIdUnknown: A, B and 7 more; BadTimeout: C``."""
    names: dict[int, list[str]] = {}
    # A loop over the Bad tags of one reading in a connection.
    for lane in lanes:
        names.setdefault(int(scan.status[lane]), []).append(group.tags[lane].name)
    return "; ".join(f"{status_name(status)}: {_some(tags)}" for status, tags in names.items())


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
