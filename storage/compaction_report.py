"""What compaction did, or would do: for people, and for ``status``."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.compaction_merge import Collisions
from storage.compaction_plan import Action, Job


@dataclass(frozen=True, slots=True)
class JobReport:
    """One step.  Of a step that is only imagined, ``rows`` and ``bytes_out`` are those of the inputs.

    ``edits`` were written into the files.  ``is_whole``: False when it took only some of the files at once, because
    there are too many.
    """

    action: Action
    level: str
    first_us: int
    end_us: int
    files_in: int
    files_out: int
    rows: int
    bytes_in: int
    bytes_out: int
    edits: int = 0
    is_whole: bool = True
    collisions: Collisions = field(default_factory=Collisions)

    @classmethod
    def imagined(cls, job: Job) -> JobReport:
        """What a job would do."""
        size = sum(file.bytes for file in job.inputs)
        return cls(
            job.action, job.period.level, *job.period.span, len(job.inputs), len(job.outputs),
            sum(file.rows for file in job.inputs), size, size,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What one run did: its steps in their order, what could not be done, how many retired files were removed.

    ``stopped``: the store was closed before everything was done.
    """

    jobs: tuple[JobReport, ...]
    errors: tuple[str, ...] = ()
    removed: int = 0
    stopped: bool = False

    def as_figures(self, time_us: int, took_s: float) -> dict[str, object]:
        """For the health figures: the run's sums, JSON-ready."""
        return {
            "updated_us": time_us,
            "seconds": round(took_s, 3),
            "steps": len(self.jobs),
            "files_in": sum(job.files_in for job in self.jobs),
            "files_out": sum(job.files_out for job in self.jobs),
            "samples": sum(job.rows for job in self.jobs if job.action != "rename"),
            "edits": sum(job.edits for job in self.jobs),
            "bytes_in": sum(job.bytes_in for job in self.jobs),
            "bytes_out": sum(job.bytes_out for job in self.jobs),
            "last_error": self.errors[-1] if self.errors else "",
        }
