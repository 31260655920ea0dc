"""What to look at when a tag is Bad, in one line a status: for ``historian check --connect``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

NAMED: Final = 3
"""So many tags of a status are named; the rest are counted."""

HINTS: Final[Mapping[str, str]] = {
    "BadNoCommunication": "no connection, or a gateway that does not reach the device; address, port, firewall?",
    "BadTimeout": "connected, but no answer in time; unit, timeout, a gateway that is busy?",
    "BadConfigurationError": "the device refuses the address; the right table (hr: or ir:), off by one, the unit?",
    "BadNodeIdUnknown": "the server has no such node; spelling, namespace index (nsu=URI;s=... survives a restart)?",
    "BadOutOfRange": "NaN, infinity, or a code that enum does not have; the type, the byte order, the list of states?",
    "BadDecodingError": "the bytes are no value of this type; the type, the byte order?",
    "BadTypeMismatch": "the node holds an array, a structure or another type than the tag list says",
    "BadNotReadable": "the node cannot be read; rights of the user?",
    "BadUserAccessDenied": "this user may not read it; user and password_env of the source?",
    "BadNoValue": "the server has no value for it yet",
    "BadCommunicationError": "what came is no answer of this protocol; the scheme of the url?",
    "BadOutOfService": "the device says that it is busy (exception 5 or 6); request_pause, a slower scan class?",
    "BadDeviceFailure": "the device says that it has a fault",
    "BadSensorFailure": "the device says that its instrument has a fault",
}
"""By name of the status; the long form is in docs/how-to/first-plant.md."""


def hints(bad: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A line for each status in ``bad``, pairs of tag and status: which tags, and what to look at."""
    tags: dict[str, list[str]] = {}
    for tag, status in bad:
        tags.setdefault(status, []).append(tag)
    for status, names in tags.items():
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        what = HINTS.get(status)
        yield f"{status} ({', '.join(names[:NAMED])}{more})" + (f": {what}" if what else "")
