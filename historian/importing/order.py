"""One chunk on its way into a store: the samples, and all that is noted with them, wherever the store is open.

The process that holds the store executes it (:func:`execute`): the command itself, or the one that collects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from historian.importing.file_samples import FileSamples, Reason, said_by
from historian.importing.report import EXAMPLES, Figures
from historian.model.commit import AuditEvent, QuarantinedSample
from historian.model.samples import IndexArray
from storage.edits import Cause
from storage.import_chunk import ImportNotes, ImportProgress, Outcome
from storage.store import Store

TABLE_ROWS: Final = 100_000
"""So many refused values of one file go into the store's quarantine; more are only counted, or go to a file."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What goes with the samples of a chunk, JSON-ready but for the names.

    ``figures`` of the file so far, without what the store has to say about this chunk; ``quarantined`` the values
    refused while the chunk was made.  ``keep_differing``: those that the store refuses go to the quarantine too.
    """

    source: str
    path: str
    position: int
    finished: bool
    replace: bool
    who: str
    now_us: int
    figures: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)
    quarantined: Sequence[Sequence[Any]] = ()
    keep_differing: bool = True

    def as_mapping(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reply:
    """``figures`` with this chunk; ``differing`` the rows that the store refused: it has other values there."""

    figures: Figures
    differing: IndexArray


def execute(store: Store, samples: FileSamples, heading: Heading) -> Reply:
    """Write a chunk, samples by ``tag_id`` and time; all of it or nothing is in the store."""
    replies: list[Reply] = []

    def settle(outcome: Outcome) -> ImportNotes:
        notes, reply = settled(samples, heading, outcome)
        replies[:] = [reply]  # a second attempt counts alone
        return notes

    cause = Cause(heading.who, f"import of {heading.path}", heading.now_us)
    store.insert_chunk(samples.samples, cause, replace=heading.replace, settle=settle)
    return replies[0]


def settled(samples: FileSamples, heading: Heading, outcome: Outcome) -> tuple[ImportNotes, Reply]:
    """What is noted when the store has said what it had of the samples."""
    figures = Figures.from_mapping(heading.figures)
    figures.imported += outcome.fresh
    figures.already += len(outcome.same)
    differing = outcome.differing
    refused: list[QuarantinedSample] = []
    if heading.replace:
        figures.replaced += len(differing)
    elif len(differing):
        refused = _refused(samples, heading, differing, figures)
    if len(samples):
        times = samples.samples.time_us
        figures.reach(int(times.min()), int(times.max()))
    room = TABLE_ROWS - figures.quarantined
    quarantined = [*_quarantined(heading), *(refused if heading.keep_differing else [])][:room]
    figures.quarantined += len(quarantined)
    events = [_event(heading, figures)] if heading.finished else []
    progress = ImportProgress(
        heading.source, heading.path, heading.position, figures.as_json(), heading.finished, heading.now_us
    )
    return ImportNotes(quarantined, events, progress), Reply(figures, differing)


def _refused(
    samples: FileSamples, heading: Heading, differing: IndexArray, figures: Figures
) -> list[QuarantinedSample]:
    some = samples.take(differing[:TABLE_ROWS])
    said = said_by(some.samples).to_pylist()
    names = [heading.names.get(str(tag_id), str(tag_id)) for tag_id in some.samples.tag_id[:EXAMPLES].tolist()]
    examples = [
        example(row, name, time_us, text)
        for row, name, time_us, text in zip(some.row.tolist(), names, some.samples.time_us.tolist(), said, strict=False)
    ]
    figures.refuse(Reason.STORED, len(differing), examples)
    return [
        QuarantinedSample(tag_id, time_us, text, status, reason_text(heading.path, row, Reason.STORED), heading.now_us)
        for tag_id, time_us, text, status, row in zip(
            some.samples.tag_id.tolist(), some.samples.time_us.tolist(), said, some.samples.status.tolist(),
            some.row.tolist(), strict=True,
        )
    ]  # fmt: skip


def _quarantined(heading: Heading) -> list[QuarantinedSample]:
    return [QuarantinedSample(*values) for values in heading.quarantined]


def reason_text(path: str, row: int, reason: Reason) -> str:
    """As the quarantine keeps it: what is wrong, and where it came from."""
    return f"{reason}; row {row} of {path}"


def example(row: int, tag: str | None, time_us: int | None, said: str | None) -> str:
    """One refused value as the report shows it."""
    parts = [f"row {row}" if row else "a row", *([tag] if tag else [])]
    if time_us is not None:
        parts.append(f"{np.datetime64(time_us, 'us')}Z")
    return f"{' '.join(parts)}: {said or 'nothing'}"


def _event(heading: Heading, figures: Figures) -> AuditEvent:
    new = f"{figures.imported} samples imported, {figures.replaced} replaced, {sum(figures.refused.values())} refused"
    return AuditEvent(heading.now_us, heading.who, "imported", heading.path, "", new, f"sha256 {heading.source}")
