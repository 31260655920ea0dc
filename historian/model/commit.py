"""What the pipeline hands to the store in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import BoolArray, Int64Array, Samples


@dataclass(frozen=True, slots=True)
class CurrentSamples:
    """What is known now of the tags of one scan group, beyond what was stored.

    ``samples``: the newest sample of each tag, and repeats of states that are held back.  ``newest`` bool[n]: this row
    is its tag's newest.  ``pending`` bool[n]: this row is among neither the stored samples nor those a door holds, so
    that a query must add it.  ``last_scan_us`` int64[n]: the last time the source answered for the tag
    with something that was not refused (arrival time; 0 when never): up to then its newest sample holds.
    """

    samples: Samples
    newest: BoolArray
    pending: BoolArray
    last_scan_us: Int64Array


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """What a door knows of its lanes between two blocks of scans: enough to go on from there.

    ``held``: the samples that are neither stored nor left out yet; ``stored``: the last stored sample of each lane that
    has one; ``reported``: the last report of each lane with exception reporting.  ``held_mark`` and ``stored_mark``
    uint8 are what exception reporting said of them.  ``lanes``: columns over the lanes by name, ``tag_id`` among them.
    """

    held: Samples
    held_mark: NDArray[np.uint8]
    stored: Samples
    stored_mark: NDArray[np.uint8]
    reported: Samples
    lanes: Mapping[str, NDArray[Any]]

    @classmethod
    def gone(cls) -> OpenDoor:
        """One without lanes: there is nothing to go on with."""
        nothing, mark = Samples.empty(), np.empty(0, np.uint8)
        return cls(nothing, mark, nothing, mark, nothing, {"tag_id": np.empty(0, np.int32)})


@dataclass(frozen=True, slots=True)
class HeldSamples:
    """What a door holds more than at the commit before.

    ``settled``: takes the place of everything the door held; None: it goes on holding that.  ``fresh``: samples that
    came behind it.
    """

    fresh: Samples
    settled: OpenDoor | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedSample:
    """A sample that was refused, kept apart so that nothing is dropped in silence."""

    tag_id: int
    time_us: int
    value: str
    status: int
    reason: str
    seen_us: int


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit: who did what to which object, old and new value, and why."""

    time_us: int
    who: str
    action: str
    object: str
    old: str = ""
    new: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """One atomic write: all of it or nothing is in the store.

    ``stored`` are samples that are final.  ``current`` replaces what the store knew of each group, by group number;
    ``held`` changes what the store knew of each door, by the door's number.
    ``health`` replaces the figures of a source or of the process, by name, as JSON-ready mappings.  ``notes`` replace
    what is kept for a source's driver, by source and key.  ``shadow`` are raw samples of a few tags, kept beside as a
    proof and never seen by queries.  ``late`` are samples of the past: each is stored where its tag has none of its
    time.
    """

    time_us: int
    stored: Samples = field(default_factory=Samples.empty)
    current: Mapping[int, CurrentSamples] = field(default_factory=dict)
    quarantined: Sequence[QuarantinedSample] = ()
    events: Sequence[AuditEvent] = ()
    health: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    held: Mapping[int, HeldSamples] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    shadow: Samples = field(default_factory=Samples.empty)
    late: Samples = field(default_factory=Samples.empty)
