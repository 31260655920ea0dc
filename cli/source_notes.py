"""What a source's driver notes about its device: from the store at the start, to the store with the next commit.

Implements :class:`collectors.memory.SourceMemory`, which is all that a driver knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from historian.pipeline.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class SourceNotes:
    """The notes of one source; ``notes`` has those of all, by source and key, and is kept up to date."""

    source: str
    notes: dict[tuple[str, str], str]
    pipeline: Pipeline

    def recall(self, key: str) -> str | None:
        """What was noted last under this key."""
        return self.notes.get((self.source, key))

    def remember(self, key: str, text: str) -> None:
        """Note this in the place of what was there."""
        self.notes[self.source, key] = text
        self.pipeline.remember(self.source, key, text)
