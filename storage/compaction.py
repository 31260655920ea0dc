"""Compaction: files of minutes become files of days, and those files of months; edits are written into them.

The plan is :mod:`storage.compaction_plan`, the merging :mod:`storage.compaction_merge`; here each job becomes files and
one transaction that puts them in the place of those they were made of.  The old ones are retired: no reader finds them
any more, and they are removed when those who had found them before must be done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from historian.config.settings import CompactionSettings
from historian.errors import CorruptionError, StoreFullError
from historian.model.commit import AuditEvent
from historian.model.samples import Int64Array
from storage import audit, averages, catalogue, compaction_edits, state, steps
from storage.catalogue import FLUSH, CatalogueEntry
from storage.compaction_input import Inputs, opened
from storage.compaction_merge import Collisions, EditSet, Merge, Span, choose_encodings, peak_rows, row_groups
from storage.compaction_plan import Job, Output, imagined, next_job
from storage.compaction_report import CompactionReport, JobReport
from storage.compaction_write import ArchiveWriter, Written, swap, zstd_level
from storage.database import explained, transaction
from storage.edits import Row
from storage.intents import Begin, Intents
from storage.pace import Pace, StoppedError

MAX_INPUTS: Final = 200
"""More files are not open at a time."""

MAX_HELD_ROWS: Final = 8_000_000
"""A merge that would hold more rows in memory (some 50 bytes each) begins with fewer files."""

WHO: Final = "compaction"


class ConflictError(Exception):
    """Something changed while files were being merged: they are thrown away, and made again the next time."""


@dataclass(slots=True)
class _Progress:
    """What a run has done so far; ``left`` are periods that it has finished or cannot do."""

    reports: list[JobReport] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    left: frozenset[Span] = frozenset()

    def add(self, job: Job, report: JobReport) -> None:
        self.reports.append(report)
        if job.action == "merge" and report.is_whole:
            self.left |= {job.period.span}

    def skip(self, job: Job, reason: str) -> None:
        self.errors.append(reason)
        self.left |= {job.period.span}


@dataclass(frozen=True, slots=True)
class Compactor:
    """Compacts one store.  ``turn`` gives its holder the connection; it is held for short transactions only."""

    connection: sqlite3.Connection
    database: Path
    turn: AbstractContextManager[object]
    intents: Intents
    writer: ArchiveWriter
    pace: Pace
    max_held_rows: int = MAX_HELD_ROWS

    def run(self, time_us: int, settings: CompactionSettings, *, everything: bool) -> CompactionReport:
        """All that is due at ``time_us``, oldest first.  See :meth:`storage.store.Store.compact`."""
        progress = _Progress()
        self.pace.begin()
        try:
            while (job := self._next(time_us, settings, everything, progress.left)) is not None:
                self._try(job, time_us, progress)
        except StoppedError:
            return CompactionReport(tuple(progress.reports), tuple(progress.errors), stopped=True)
        except StoreFullError as error:
            progress.errors.append(str(error))
        return CompactionReport(tuple(progress.reports), tuple(progress.errors))

    def plan(self, time_us: int, settings: CompactionSettings, *, everything: bool) -> CompactionReport:
        """What :meth:`run` would do, by the catalogue alone; nothing is read or written."""
        files, edits_us = self.look(time_us if everything else time_us - settings.settle_us)
        jobs: list[Job] = []
        left: frozenset[Span] = frozenset()
        while job := next_job(files, edits_us, time_us, settings, everything=everything, without=left):
            jobs.append(job)
            files = imagined(job, files, -len(jobs))
            left |= {job.period.span} if job.action == "merge" else frozenset()
        return CompactionReport(tuple(map(JobReport.imagined, jobs)))

    def _next(self, time_us: int, settings: CompactionSettings, everything: bool, left: frozenset[Span]) -> Job | None:
        files, edits_us = self.look(time_us if everything else time_us - settings.settle_us)
        return next_job(files, edits_us, time_us, settings, everything=everything, without=left)

    def look(self, edited_before_us: int) -> tuple[list[CatalogueEntry], Int64Array]:
        """The catalogue, and the times of edits made until then."""
        with self.turn, explained(self.database, "read the catalogue"):
            return catalogue.entries(self.connection), compaction_edits.due(self.connection, edited_before_us)

    def _try(self, job: Job, time_us: int, progress: _Progress) -> None:
        try:
            progress.add(job, self.execute(job, time_us))
        except (ConflictError, CorruptionError) as error:
            # Other periods go on: one damaged file does not keep the rest of the archive in small files.
            progress.skip(job, str(error))

    def execute(self, job: Job, time_us: int) -> JobReport:
        """Do one job.  Raises ConflictError, CorruptionError, StoreFullError, StoppedError: nothing was changed."""
        if job.action == "rename":
            return self._rename(job)
        self.intents.clean_up()
        some = job.inputs[:MAX_INPUTS]
        with opened(self.intents.folder, [file.path for file in some]) as inputs:
            count = self._as_many_as_fit(inputs, len(some))
            if count == len(job.inputs):
                return self._merge(job, inputs, time_us, is_whole=True)
            part = Job(job.action, job.period, job.inputs[:count], (Output(job.period.span, FLUSH),))
            return self._merge(part, inputs.first(count), time_us, is_whole=False)

    def _rename(self, job: Job) -> JobReport:
        """Nothing to merge: the file is already what it would become."""
        with self.turn, transaction(self.connection, self.database, "note what a file is"):
            catalogue.set_level(self.connection, [file.number for file in job.inputs], job.period.level)
        return JobReport.imagined(job)

    def _as_many_as_fit(self, inputs: Inputs, count: int) -> int:
        """How many of the files, from the first on, are merged within the limits of memory; at least two."""
        while count > 2 and peak_rows(inputs.first(count)) > self.max_held_rows:
            count = max(count // 2, 2)
        return count

    def _merge(self, job: Job, inputs: Inputs, time_us: int, *, is_whole: bool) -> JobReport:
        self.writer.check_room(sum(file.bytes for file in job.inputs))
        chosen, rows = self._edits(job, is_whole=is_whole)
        collisions = Collisions()
        with self.intents.writing() as begin:
            new = self._write(job, inputs, chosen, collisions, begin)
            with self.turn, transaction(self.connection, self.database, "put merged files in the place of others"):
                self._finish(job, new, (chosen, rows), time_us)
                if collisions.disagreeing:
                    audit.append(self.connection, [_collided(job, collisions, time_us)])
                steps.reached("compaction: catalogue written")
        steps.reached("compaction: committed")
        return JobReport(
            job.action, job.period.level if is_whole else FLUSH, *job.period.span, len(job.inputs), len(new),
            sum(each.file.rows for each in new), sum(file.bytes for file in job.inputs),
            sum(each.file.bytes for each in new), int(chosen.folded.sum()), is_whole, collisions,
        )  # fmt: skip

    def _edits(self, job: Job, *, is_whole: bool) -> tuple[EditSet, list[Row]]:
        """The edits to be written in: none while only a part of a period's files is looked at."""
        span = job.period.span if is_whole and job.action == "merge" else (0, 0)
        with self.turn, explained(self.database, "read the edits"):
            return compaction_edits.select(self.connection, span, job.inputs)

    def _write(self, job: Job, inputs: Inputs, chosen: EditSet, collisions: Collisions, begin: Begin) -> list[Written]:
        encodings = choose_encodings(inputs, zstd_level(job.outputs[0].level))
        first_us = min((file.first_us for file in job.inputs), default=job.period.span[0])
        replaces = [file.number for file in job.inputs]
        new: list[Written] = []
        for output in job.outputs:
            span = output.span if job.action == "split" else None
            merge = Merge(inputs, span, chosen, collisions=collisions)
            new += self.writer.write(
                begin, row_groups(self._paced(merge.tables())), level=output.level,
                first_us=max(first_us, output.span[0]), encodings=encodings, store_id=self._store_id(),
                replaces=replaces if output is job.outputs[-1] else (),
            )  # fmt: skip
        return new

    def _paced(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            self.pace.rest()
            yield table

    def _store_id(self) -> str:
        with self.turn, explained(self.database, "read the state of the store"):
            return state.read(self.connection).store_id

    def _finish(
        self,
        job: Job,
        new: Sequence[Written],
        edits: tuple[EditSet, Sequence[Row]],
        time_us: int,
    ) -> None:
        """Inside the transaction.  Raises ConflictError."""
        if not compaction_edits.forget(self.connection, *edits):
            raise ConflictError("samples were edited while they were merged; their files wait for the next time")
        if not swap(self.connection, [file.number for file in job.inputs], new, time_us):
            raise ConflictError("a file was taken out of the archive while it was merged; the others wait")
        if job.action == "merge":
            averages.make_stale(self.connection, *job.period.span)


def _collided(job: Job, collisions: Collisions, time_us: int) -> AuditEvent:
    tag_id, first_us = collisions.first or (0, 0)
    return AuditEvent(
        time_us, WHO, "samples disagreed", "archive",
        old=f"{collisions.disagreeing} samples of the same tag and time with different values",
        new=f"those of the later file stay; the first is tag_id {tag_id} at {first_us} us",
        why="found while merging " + ", ".join(file.path for file in job.inputs[:3]),
    )  # fmt: skip
