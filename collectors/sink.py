"""Where scans go.  The pipeline implements it; tests use a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from historian.model.scan import LateValues, Scan
from historian.model.tag import ValueType


class Sink(Protocol):
    """Takes the scans of all groups, in the order of their times within a group."""

    def accept(self, scan: Scan) -> None:
        """Take one scan; quick, never blocks on a disk."""

    def accept_late(self, late: LateValues) -> None:
        """Take values of the past; they never change what is newest, and take no other sample's place."""

    @property
    def late_waiting(self) -> int:
        """So many of those are not stored yet: whoever brings them waits while it is many."""

    def types_resolved(self, types: Mapping[str, ValueType]) -> None:
        """The device has told the types of these tags, by name."""

    def event(self, kind: str, object_: str, text: str) -> None:
        """Something the audit must know: a clock step, a source lost or recovered."""

    def remember(self, source: str, key: str, note: str) -> None:
        """Something that a driver of the source wants to know again after a restart, in the place of what was there."""
