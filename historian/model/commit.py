"""What the pipeline hands to the store in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from historian.model.samples import BoolArray, Int64Array, Samples


@dataclass(frozen=True, slots=True)
class CurrentSamples:
    """What is known now of the tags of one scan group, beyond what was stored.

    ``samples``: the newest sample of each tag, and the samples held back by exception reporting or compression.
    ``newest`` bool[n]: this row is its tag's newest.  ``pending`` bool[n]: this row is not among the stored samples
    (yet), so that a query must add it.  ``last_scan_us`` int64[n]: the last time the source answered for the tag
    with something that was not refused (arrival time; 0 when never): up to then its newest sample holds.
    """

    samples: Samples
    newest: BoolArray
    pending: BoolArray
    last_scan_us: Int64Array


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

    ``stored`` are samples that are final.  ``current`` replaces what the store knew of each group, by group number.
    ``health`` replaces the figures of a source or of the process, by name, as JSON-ready mappings.  ``notes`` replace
    what is kept for a source's driver, by source and key.  ``shadow`` are raw samples of a few tags, kept beside as a
    proof and never seen by queries.
    """

    time_us: int
    stored: Samples = field(default_factory=Samples.empty)
    current: Mapping[int, CurrentSamples] = field(default_factory=dict)
    quarantined: Sequence[QuarantinedSample] = ()
    events: Sequence[AuditEvent] = ()
    health: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    shadow: Samples = field(default_factory=Samples.empty)
