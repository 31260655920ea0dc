"""Where scans go.  The pipeline implements it; tests use a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from historian.model.scan import Scan
from historian.model.tag import ValueType


class Sink(Protocol):
    """Takes the scans of all groups, in the order of their times within a group."""

    def accept(self, scan: Scan) -> None:
        """Take one scan; quick, never blocks on a disk."""

    def types_resolved(self, types: Mapping[str, ValueType]) -> None:
        """The device has told the types of these tags, by name."""

    def event(self, kind: str, object_: str, text: str) -> None:
        """Something the audit must know: a clock step, a source lost or recovered."""
