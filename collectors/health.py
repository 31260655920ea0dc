"""What is known about a source while it is collected from: for ``historian status`` and the SQL view ``sources``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from historian.model.recent import Recent
from historian.model.samples import UInt32Array
from historian.model.spread import Spread
from historian.model.status import UNCERTAIN, is_bad, status_name

SourceState: TypeAlias = Literal["connecting", "connected", "failed"]

COUNTERS: Final = (
    "scans", "requests", "overruns", "errors", "reconnects", "skewed", "lost", "backfilled", "last_good_us",
    "latency_max_ms", "lateness_max_ms",
)  # fmt: skip
"""Figures of a source that hold on when another process takes it over."""


@dataclass(slots=True)
class SourceHealth:
    """Figures of one source since the start of collecting.

    ``scans`` were read, with so many ``requests``; ``overruns`` were skipped because an earlier one was not done,
    ``errors`` failed as a whole, ``errors_by_kind`` of these by the name of the status.
    ``good``, ``uncertain`` and ``bad`` count the points of the newest reading of each group, ``skewed`` all values so
    far whose time was further ahead of our clock than the source allows, ``lost`` how often values are known to be
    missing, ``backfilled`` the values that came from its history.  Latency is the time of one reading, lateness how
    long after its grid time it started; their percentiles are those of the newest ones
    (:mod:`historian.model.recent`), all lateness since the start is in ``lateness_counts``
    (:mod:`historian.model.spread`).
    """

    protocol: str
    url: str
    state: SourceState = "connecting"
    points: int = 0
    scans: int = 0
    requests: int = 0
    overruns: int = 0
    errors: int = 0
    reconnects: int = 0
    good: int = 0
    uncertain: int = 0
    bad: int = 0
    skewed: int = 0
    lost: int = 0
    backfilled: int = 0
    latency_ms: float = 0.0
    latency_max_ms: float = 0.0
    lateness_ms: float = 0.0
    lateness_max_ms: float = 0.0
    last_good_us: int = 0
    last_error: str = ""
    updated_us: int = 0
    errors_by_kind: dict[str, int] = field(default_factory=dict)
    _latencies: Recent = field(default_factory=Recent, repr=False)
    _latenesses: Recent = field(default_factory=Recent, repr=False)
    _all_latenesses: Spread = field(default_factory=Spread, repr=False)

    @classmethod
    def going_on(cls, protocol: str, url: str, before: Mapping[str, object]) -> SourceHealth:
        """Figures that go on where another process had the source: counts from there, by name, all else anew."""
        health = cls(protocol, url)
        for name in COUNTERS:
            setattr(health, name, before.get(name, 0))
        health.errors_by_kind = _counts(before, "errors_by_kind")
        health._all_latenesses = Spread(_counts(before, "lateness_counts"))
        return health

    def note_latency(self, latency_ms: float) -> None:
        """A reading took so long."""
        self.latency_ms = latency_ms
        self.latency_max_ms = max(self.latency_max_ms, latency_ms)
        self._latencies.note(latency_ms)

    def note_lateness(self, lateness_ms: float) -> None:
        """A scan started so long after its time."""
        self.lateness_ms = lateness_ms
        self.lateness_max_ms = max(self.lateness_max_ms, lateness_ms)
        self._latenesses.note(lateness_ms)
        self._all_latenesses.note(lateness_ms)

    def note_error(self, status: int, text: str) -> None:
        """The source as a whole has failed, with this status in all its tags."""
        kind = status_name(status)
        self.errors += 1
        self.errors_by_kind[kind] = self.errors_by_kind.get(kind, 0) + 1
        self.state = "failed"
        self.last_error = text

    def as_mapping(self) -> dict[str, object]:
        """JSON-ready figures by name."""
        figures = {each.name: getattr(self, each.name) for each in fields(self) if not each.name.startswith("_")}
        return {
            **figures,
            "errors_by_kind": dict(self.errors_by_kind),
            "latency_p50_ms": self._latencies.percentile(50),
            "latency_p99_ms": self._latencies.percentile(99),
            "lateness_p99_ms": self._latenesses.percentile(99),
            "lateness_counts": self._all_latenesses.as_mapping(),
        }


def _counts(figures: Mapping[str, object], name: str) -> dict[str, int]:
    found = figures.get(name)
    return dict(found) if isinstance(found, dict) else {}


class Points(NamedTuple):
    """How many points of a reading are what."""

    good: int
    uncertain: int
    bad: int

    @classmethod
    def of(cls, status: UInt32Array) -> Points:
        """By status uint32[n]."""
        bad = int(np.count_nonzero(is_bad(status)))
        uncertain = int(np.count_nonzero(status >= UNCERTAIN)) - bad
        return cls(len(status) - bad - uncertain, uncertain, bad)
