"""What a source's runner tells the log: found, lost, answering again, and which of its points never answer.

Kept apart from the runner, which decides; here is only what is said, once for each time that it becomes so.  The log is
what an operator sees of a service: losing a source is a warning there, as is its return.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import numpy as np

from historian.model.scan import Scan, ScanGroup
from historian.model.status import is_bad, status_name

log: Final = logging.getLogger("historian.collectors")

NAMED: Final = 5
"""So many tags of one status are named; the rest are counted."""


class SourceLog:
    """The log of one source, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[int] = set()

    def connected(self, url: str, groups: Iterable[ScanGroup]) -> None:
        """The connection is there; what its first readings find Bad will be said (again)."""
        self._told.clear()
        log.info("%s: connected to %s, %d tags", self._name, url, sum(len(group.tags) for group in groups))

    def lost(self, error: str) -> None:
        """It does not answer (any more); said once, not for every attempt."""
        end = "" if error.endswith(("?", ".", "!")) else "."
        log.warning("%s: %s%s All its tags are Bad now; it is tried again until it answers", self._name, error, end)

    def failed_again(self, error: str) -> None:
        """One more attempt that failed."""
        log.debug("%s: still no answer: %s", self._name, error)

    def recovered(self, url: str) -> None:
        """It answers after it was lost."""
        log.warning("%s: %s answers again", self._name, url)

    def learned(self, finding: str) -> None:
        """Something about the device was found out, and is minded from now on."""
        log.info("%s: found out about the device: %s", self._name, finding)

    def first_reading(self, group: ScanGroup, scan: Scan) -> None:
        """Which tags of a group are Bad in its first reading after a connect: mostly addresses that are not there."""
        if scan.group in self._told:
            return
        self._told.add(scan.group)
        lanes = np.flatnonzero(is_bad(scan.status))
        if len(lanes):
            log.warning(
                "%s: %d of %d tags of the scan class %s are Bad: %s",
                self._name, len(lanes), len(scan), group.scan_class, _by_status(group, scan, lanes.tolist()),
            )  # fmt: skip


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
