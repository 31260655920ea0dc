"""What the collecting process says of itself with every commit: for ``historian status`` and the view ``process``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from historian import __version__
from historian.model.clock import US_PER_S, Clock
from historian.pipeline.commit_loop import CommitLoop
from historian.pipeline.pipeline import Pipeline

CPU_S: Final = 5.0
"""The share of a processor is that of so long a time at the least: of less it jumps."""


class ProcessFigures:
    """Figures since the process began to collect.  ``clock`` tells when that was and when they were taken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_us = clock.wall_us()
        self._cpu_percent = 0.0
        self.last: dict[str, object] = {}
        self._measured = time.perf_counter(), time.process_time()

    def take(self, pipeline: Pipeline, commits: CommitLoop) -> dict[str, object]:
        """JSON-ready figures by name; kept as ``last``."""
        counts, now_us = pipeline.counts(), self._clock.wall_us()
        self.last = {
            "pid": os.getpid(),
            "version": __version__,
            "started_us": self._started_us,
            "updated_us": now_us,
            "samples_in": counts.received,
            "samples_reported": counts.reported,
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
            "memory_bytes": resident_bytes(),
            "cpu_percent": self._cpu(),
            "store_state": commits.state,
            "last_error": commits.last_error or commits.flush_error,
        }
        return self.last

    def _cpu(self) -> float:
        """Of one processor, over the last few seconds."""
        was_s, used_s = self._measured
        passed_s = time.perf_counter() - was_s
        if passed_s >= CPU_S:
            self._cpu_percent = 100 * (time.process_time() - used_s) / passed_s
            self._measured = time.perf_counter(), time.process_time()
        return self._cpu_percent


def resident_bytes() -> int:
    """Memory of this process, 0 where the system does not tell it cheaply."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return 0
