"""What drivers noted about their devices, in words, whichever protocol a note is of."""

from __future__ import annotations

from collectors.modbus import device_notes
from collectors.opcua import server_notes


def found_out(key: str, note: str) -> str:
    """What a driver's note under this key says of a device, for a person; empty for other notes."""
    if key == device_notes.REFUSED:
        return device_notes.found_out(note)
    return server_notes.found_out(note) if key == server_notes.REVISED else ""
