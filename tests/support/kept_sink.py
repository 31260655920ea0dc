"""A sink that keeps everything it is given, for what stands before the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field

from historian.model.scan import LateValues, Scan


@dataclass
class KeptSink:
    """Implements :class:`collectors.sink.Sink`; nothing it keeps waits for a store."""

    scans: list[Scan] = field(default_factory=list)
    late: list[LateValues] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    late_waiting: int = 0

    def accept(self, scan: Scan) -> None:
        self.scans.append(scan)

    def accept_late(self, late: LateValues) -> None:
        self.late.append(late)

    def types_resolved(self, types) -> None:
        """None are told here."""

    def event(self, kind: str, object_: str, text: str) -> None:
        self.events.append((kind, object_, text))

    def remember(self, source: str, key: str, note: str) -> None:
        self.notes[source, key] = note
