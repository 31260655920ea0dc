"""What a server made of the wishes of subscriptions, kept so that it can be shown for as long as it holds.

Between the driver and a :class:`collectors.memory.SourceMemory`, which keeps texts.
"""

from __future__ import annotations

import json
from typing import Final

from collectors.memory import SourceMemory

REVISED: Final = "opcua revised"


def found_out(note: str) -> str:
    """What a note under :data:`REVISED` says, for a person; empty when it says nothing."""
    try:
        told = json.loads(note)
        return "; ".join(str(text) for text in told.values())
    except (ValueError, AttributeError):
        return ""  # no note that this version wrote


class ServerNotes:
    """The notes of one source's server, by scan class."""

    def __init__(self, memory: SourceMemory) -> None:
        self._memory = memory
        self._told: dict[str, str] = {}

    def begin(self) -> None:
        """A new connection: what held on the last one is asked for anew."""
        self._told = {}
        if self._memory.recall(REVISED) is not None:
            self._write()

    def keep(self, scan_class: str, text: str) -> None:
        """Note what is other than a scan class has wished, in words; nothing when all is as wished."""
        if text:
            self._told[scan_class] = text
        else:
            self._told.pop(scan_class, None)
        if text or self._memory.recall(REVISED) is not None:
            self._write()

    def _write(self) -> None:
        note = json.dumps(self._told, ensure_ascii=False)
        if self._memory.recall(REVISED) != note:
            self._memory.remember(REVISED, note)
