"""What a driver found out about its device and wants to know again after a restart: a few short texts by key.

A collector knows no store; whoever wires it gives it a memory of its source.  What is lost is found out again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from collectors.sink import Sink


class SourceMemory(Protocol):
    """The notes of one source."""

    def recall(self, key: str) -> str | None:
        """What was noted last under this key; None when nothing was."""

    def remember(self, key: str, text: str) -> None:
        """Note this in the place of what was there; quick, never blocks on a disk."""


@dataclass(slots=True)
class ShortMemory:
    """Notes that end with the process: for a look at a device, and for tests."""

    notes: dict[str, str] = field(default_factory=dict)

    def recall(self, key: str) -> str | None:
        """What was noted last under this key."""
        return self.notes.get(key)

    def remember(self, key: str, text: str) -> None:
        """Note this in the place of what was there."""
        self.notes[key] = text


@dataclass(frozen=True, slots=True)
class SinkMemory:
    """The notes of ``source`` from before, by key, and new ones; the sink sees to it that they outlive the process."""

    source: str
    notes: dict[str, str]
    sink: Sink

    def recall(self, key: str) -> str | None:
        """What was noted last under this key."""
        return self.notes.get(key)

    def remember(self, key: str, text: str) -> None:
        """Note this in the place of what was there."""
        self.notes[key] = text
        self.sink.remember(self.source, key, text)
