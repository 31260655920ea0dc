"""What the main process and a worker tell each other.  Scans and late values go as they are, between these.

A channel keeps their order, and that is what everything here rests on: scans before ``Exchanged`` are of the groups
before the change, those behind it of the groups after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from collectors.source_task import SourceTask
from historian.model.clock import AnchoredClock
from historian.model.scan import LateValues, Scan, ScanGroup
from historian.model.tag import ValueType

# -- to a worker ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message: what the worker is called, and the clock by which samples get their times."""

    name: str
    clock: AnchoredClock


@dataclass(frozen=True, slots=True)
class Add:
    """Collect from one more source."""

    task: SourceTask


@dataclass(frozen=True, slots=True)
class Start:
    """Begin with the sources that were added so far."""


@dataclass(frozen=True, slots=True)
class Change:
    """Collect these groups from a source; ``ticket`` is given back with the answers."""

    ticket: int
    source: str
    groups: Sequence[ScanGroup]


@dataclass(frozen=True, slots=True)
class Remove:
    """Collect no more from a source."""

    ticket: int
    source: str


@dataclass(frozen=True, slots=True)
class LateTaken:
    """``taken`` late values of this worker have arrived; so many of all workers' ``waiting`` are not stored yet."""

    taken: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Close every connection and end."""


Order: TypeAlias = Begin | Add | Start | Change | Remove | LateTaken | Stop


# -- from a worker ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypesTold:
    """A device has told the types of these tags, by name."""

    types: Mapping[str, ValueType]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something for the audit."""

    kind: str
    object_: str
    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that a driver wants to know again after a restart."""

    source: str
    key: str
    note: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """From here on scans are of the groups after the change with this ticket."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for with this ticket is done, or has failed by a fault of ours, which ``error`` tells."""

    ticket: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was so at ``time_us``: health figures of each source by its name, and of the process itself."""

    time_us: int
    sources: Mapping[str, Mapping[str, object]]
    process: Mapping[str, object]


Report: TypeAlias = Scan | LateValues | TypesTold | Happened | Noted | Exchanged | Done | Figures
