"""What collects from sources: this process itself (:mod:`.local_sources`), or others (:mod:`.workers`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from collectors.source_task import SourceTask
from historian.config.settings import SourceSettings
from historian.model.scan import ScanGroup


class Sources(Protocol):
    """A number of sources that are collected from, by name; to be used in one event loop."""

    def start(self) -> None:
        """Begin with those that were added so far; others begin when they are added."""

    async def close(self) -> None:
        """Collect no more, and close every connection; what was read until then has reached the sink."""

    async def prepare(self, settings: SourceSettings) -> None:
        """Load what such a source takes, so that ``add`` holds up nobody."""

    def has(self, name: str) -> bool:
        """Whether it collects from this source."""

    def add(self, task: SourceTask) -> None:
        """Collect from one more source."""

    async def change(self, name: str, groups: Sequence[ScanGroup], exchange: Callable[[], None]) -> None:
        """Collect these groups from the source; those that were there before are not disturbed.

        ``exchange`` is called when no scan of a group that goes is still to come, and before one of a new group comes.
        """

    async def remove(self, name: str) -> None:
        """Collect no more from a source; nothing of it is still to come."""

    def figures(self) -> dict[str, Mapping[str, object]]:
        """The health figures of each source, by its name."""
