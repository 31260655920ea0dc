"""What the collecting process says of itself with every commit: for ``historian status`` and the view ``process``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from historian import __version__
from historian.model.clock import US_PER_S, Clock
from historian.pipeline.commit_loop import CommitLoop
from historian.pipeline.pipeline import Pipeline

CPU_S: Final = 5.0
"""The share of a processor is that of so long a time at the least: of less it jumps."""

Figures: TypeAlias = Mapping[str, Any]


class ProcessFigures:
    """Figures since the process began to collect.  ``clock`` tells when that was and when they were taken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_us = clock.wall_us()
        self._processor = ProcessorShare()
        self.last: dict[str, Any] = {}

    def take(self, pipeline: Pipeline, commits: CommitLoop, workers: Iterable[Figures] = ()) -> dict[str, Any]:
        """JSON-ready figures by name; kept as ``last``.  Memory and processor are also those of the ``workers``."""
        counts, now_us, own = pipeline.counts(), self._clock.wall_us(), self._processor.take()
        everybody = [own, *workers]
        self.last = {
            "pid": os.getpid(),
            "version": __version__,
            "started_us": self._started_us,
            "updated_us": now_us,
            "samples_in": counts.received,
            "samples_reported": counts.reported,
            "samples_suppressed": counts.suppressed,
            "samples_stored": counts.stored,
            "unchanged": counts.unchanged,
            "restamped": counts.restamped,
            "quarantined": counts.quarantined,
            "rate_per_s": counts.received / max((now_us - self._started_us) / US_PER_S, 1.0),
            "commits": commits.commits,
            "commit_ms": commits.commit_ms,
            "commit_p50_ms": commits.recent_ms.percentile(50),
            "commit_p99_ms": commits.recent_ms.percentile(99),
            "commit_max_ms": commits.commit_max_ms,
            "commit_rows": commits.commit_rows,
            "pending_rows": commits.waiting_samples,
            "late_rows": pipeline.late_rows,
            "memory_bytes": sum(each.get("memory_bytes", 0) for each in everybody),
            "cpu_percent": sum(each.get("cpu_percent", 0.0) for each in everybody),
            "main_cpu_percent": own["cpu_percent"],
            "store_state": commits.state,
            "last_error": commits.last_error or commits.flush_error,
        }
        return self.last


class ProcessorShare:
    """What this process takes of the machine."""

    def __init__(self) -> None:
        self._percent = 0.0
        self._measured = time.perf_counter(), time.process_time()

    def take(self) -> dict[str, Any]:
        """JSON-ready: ``memory_bytes`` now, ``cpu_percent`` of one processor over the last few seconds."""
        was_s, used_s = self._measured
        passed_s = time.perf_counter() - was_s
        if passed_s >= CPU_S:
            self._percent = 100 * (time.process_time() - used_s) / passed_s
            self._measured = time.perf_counter(), time.process_time()
        return {"memory_bytes": resident_bytes(), "cpu_percent": self._percent}


def resident_bytes() -> int:
    """Memory of this process, 0 where the system does not tell it cheaply."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return 0
