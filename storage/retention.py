"""Retention: samples that are too old, or too many, go; by whole files where possible, else by writing a file anew.

The last sample of each tag before its limit stays, in a file of the level "kept": a valve that was opened years ago and
never closed is still open, and that sample is all that says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from historian.config.duration import format_duration
from historian.config.settings import RetentionSettings, ThinningSettings
from historian.model.commit import AuditEvent
from historian.model.samples import BoolArray, Int32Array, Int64Array
from storage import archive, audit, averages, catalogue, compaction_edits, state, steps, tags
from storage.arrays import column, empty_table, numpy_of
from storage.averages import Averaged, AverageFile
from storage.catalogue import KEPT, CatalogueEntry
from storage.columns import SAMPLE_SCHEMA, times_us
from storage.compaction import ConflictError
from storage.compaction_input import opened
from storage.compaction_merge import EditSet, Merge, choose_encodings, row_groups
from storage.compaction_plan import day_start
from storage.compaction_write import ArchiveWriter, Written, swap, zstd_level
from storage.database import explained, transaction
from storage.edits import Row
from storage.intents import Begin, Intents
from storage.pace import Pace
from storage.retention_limits import Choice, Limits, choose, count_expired
from storage.thinning import Thinner, due_months, made_until
from storage.value_kinds import Encodings

WHO: Final = "retention"


@dataclass(slots=True)
class RetentionReport:
    """What went, or would go: ``samples`` of ``tags`` tags, from ``first_us`` to ``last_us``.

    ``removed`` files went as a whole, ``rewritten`` ones in part, together of ``bytes_before`` bytes; ``bytes_after``
    are those of the files in their place, 0 as long as nothing was written.  ``reasons`` are the settings that say so.
    ``averaged`` are the months that got their averages before.
    """

    samples: int = 0
    tags: int = 0
    removed: int = 0
    rewritten: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    first_us: int | None = None
    last_us: int | None = None
    reasons: tuple[str, ...] = ()
    averaged: tuple[Averaged, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class _Expired:
    """What is known of the samples that go, gathered while they pass by."""

    rows: int = 0
    first_us: int = np.iinfo(np.int64).max
    last_us: int = np.iinfo(np.int64).min
    newest: list[pa.Table] = field(default_factory=list)
    counts: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, table: pa.Table) -> None:
        """Sorted samples, all of which are expired."""
        if not len(table):
            return
        times = times_us(table)
        self.rows += len(table)
        self.first_us, self.last_us = min(self.first_us, int(times.min())), max(self.last_us, int(times.max()))
        self.newest.append(_last_of_each_tag(table))
        counts = np.bincount(numpy_of(table.column("tag_id"), np.int32), minlength=len(self.counts))
        counts[: len(self.counts)] += self.counts
        self.counts = counts

    def kept(self) -> pa.Table:
        """The last of each tag, which stay."""
        return _last_of_each_tag(archive.sort(pa.concat_tables(self.newest))) if self.newest else _NONE


_NONE: Final = empty_table(SAMPLE_SCHEMA)


@dataclass(frozen=True, slots=True)
class Retainer:
    """Applies retention to one store.  ``turn`` gives its holder the connection, for short transactions only."""

    connection: sqlite3.Connection
    database: Path
    turn: AbstractContextManager[object]
    intents: Intents
    writer: ArchiveWriter
    pace: Pace

    def run(self, time_us: int, settings: RetentionSettings, *, dry_run: bool) -> RetentionReport:
        """What is due at ``time_us``.  Raises StoreFullError, CorruptionError, StoppedError: nothing went then."""
        self.pace.begin()
        with self.turn, explained(self.database, "read the catalogue"):
            files, table = catalogue.entries(self.connection), tags.read(self.connection)
            made = averages.entries(self.connection)
        limits, until_us = Limits.at(time_us, settings, table), day_start(time_us)
        averaged: tuple[Averaged, ...] = ()
        if settings.thinning is not None:
            months = due_months(files, made, settings, time_us, limits.latest_us)
            averaged = tuple(self._average(month, settings.thinning, time_us, dry_run=dry_run) for month in months)
            done: list[AverageFile | Averaged] = [*made, *averaged]
            until_us = min(until_us, made_until(files, done, time_us))
            limits = limits.capped(until_us)
        choices = choose(files, limits, settings, lambda file: self._count(file, limits), until_us=until_us)
        kept = [file for file in files if file.level == KEPT]
        report = self._apply(choices, kept, limits, settings, time_us, dry_run=dry_run)
        return replace(report, averaged=averaged)

    def _average(self, month_us: int, settings: ThinningSettings, time_us: int, *, dry_run: bool) -> Averaged:
        if dry_run:
            return Averaged(month_us, 0)
        thinner = Thinner(self.connection, self.database, self.turn, self.intents, self.pace)
        return thinner.average(month_us, settings, time_us)

    def _count(self, file: CatalogueEntry, limits: Limits) -> tuple[int, bool]:
        with opened(self.intents.folder, [file.path]) as inputs:
            return count_expired(inputs, file.last_us, limits)

    def _apply(
        self,
        choices: Sequence[Choice],
        kept: Sequence[CatalogueEntry],
        limits: Limits,
        settings: RetentionSettings,
        time_us: int,
        *,
        dry_run: bool,
    ) -> RetentionReport:
        if not choices:
            return RetentionReport()
        whole, part = ([choice.file for choice in choices if choice.verdict == what] for what in ("whole", "part"))
        chosen, rows = self._edits()
        expired = self._read_expired([*kept, *whole], part, limits, chosen)
        stays = expired.kept()
        report = _report(choices, expired, stays)
        if dry_run or not report.samples:
            return report
        self.writer.check_room(sum(file.bytes for file in part))
        with self.intents.writing() as begin:
            new = [written for file in part for written in self._rewrite(file, limits, chosen, begin)]
            new += self._keep(stays, begin)
            report.bytes_after = sum(each.file.bytes for each in new)
            with self.turn, transaction(self.connection, self.database, "let go of old samples"):
                old = [file.number for file in (*kept, *whole, *part)]
                self._finish(old, new, (chosen, rows), time_us)
                averages.make_final(self.connection, expired.first_us, expired.last_us)
                audit.append(self.connection, [_event(report, settings, time_us)])
                steps.reached("retention: catalogue written")
        steps.reached("retention: committed")
        return report

    def _edits(self) -> tuple[EditSet, list[Row]]:
        """All edits; those that meet their samples here are written in, the others stay."""
        with self.turn, explained(self.database, "read the edits"):
            chosen, rows = compaction_edits.select(self.connection, (-(1 << 63), (1 << 63) - 1), ())
        chosen.elsewhere[:] = True
        return chosen, rows

    def _read_expired(
        self, whole: Iterable[CatalogueEntry], part: Iterable[CatalogueEntry], limits: Limits, chosen: EditSet
    ) -> _Expired:
        expired = _Expired()
        for file in whole:
            for table in self._tables(file, chosen):
                expired.add(table)
        for file in part:
            for table in self._tables(file, chosen):
                expired.add(_where(table, _is_expired(table, limits)))
        return expired

    def _rewrite(self, file: CatalogueEntry, limits: Limits, chosen: EditSet, begin: Begin) -> list[Written]:
        """The samples of a file that stay."""
        with opened(self.intents.folder, [file.path]) as inputs:
            encodings = choose_encodings(inputs, zstd_level(file.level))
        left = (_where(table, ~_is_expired(table, limits)) for table in self._tables(file, chosen))
        return self.writer.write(
            begin, row_groups(table for table in left if len(table)), level=file.level, first_us=file.first_us,
            encodings=encodings, store_id=self._store_id(), replaces=[file.number],
        )  # fmt: skip

    def _keep(self, stays: pa.Table, begin: Begin) -> list[Written]:
        if not len(stays):
            return []
        return self.writer.write(
            begin, row_groups([stays]), level=KEPT, first_us=int(times_us(stays).min()), encodings=Encodings("PLAIN"),
            store_id=self._store_id(),
        )  # fmt: skip

    def _tables(self, file: CatalogueEntry, chosen: EditSet) -> Iterator[pa.Table]:
        with opened(self.intents.folder, [file.path]) as inputs:
            for table in Merge(inputs, edits=chosen).tables():
                self.pace.rest()
                yield table

    def _store_id(self) -> str:
        with self.turn, explained(self.database, "read the state of the store"):
            return state.read(self.connection).store_id

    def _finish(
        self, old: Sequence[int], new: Sequence[Written], edits: tuple[EditSet, Sequence[Row]], time_us: int
    ) -> None:
        """Inside the transaction.  Raises ConflictError."""
        if not compaction_edits.forget(self.connection, *edits):
            raise ConflictError("samples were edited while old ones were read; they wait for the next time")
        if not swap(self.connection, old, new, time_us):
            raise ConflictError("a file was taken out of the archive while old samples were read; they wait")


def _report(choices: Sequence[Choice], expired: _Expired, stays: pa.Table) -> RetentionReport:
    removed = sum(choice.verdict == "whole" for choice in choices)
    samples = expired.rows - len(stays)
    if not samples:
        return RetentionReport()
    return RetentionReport(
        samples=samples,
        tags=int((expired.counts > 1).sum()),  # one sample of each stays
        removed=removed,
        rewritten=len(choices) - removed,
        bytes_before=sum(choice.file.bytes for choice in choices),
        first_us=expired.first_us,
        last_us=expired.last_us,
        reasons=tuple(sorted({choice.reason for choice in choices})),
    )


def _event(report: RetentionReport, settings: RetentionSettings, time_us: int) -> AuditEvent:
    first, last = (f"{np.datetime64(at_us or 0, 'us')}Z" for at_us in (report.first_us, report.last_us))
    return AuditEvent(
        time_us, WHO, "samples removed", "archive",
        old=f"{report.samples} samples of {report.tags} tags from {first} to {last}, in {report.removed} files as a "
        f"whole and {report.rewritten} in part",
        new=f"{report.bytes_before} bytes became {report.bytes_after}; the last sample of each tag stays",
        why=_why(settings),
    )  # fmt: skip


def _why(settings: RetentionSettings) -> str:
    parts = [] if settings.keep_us is None else [f"keep = {format_duration(settings.keep_us)}"]
    parts += [f"keep of {group.name} = {format_duration(group.keep_us)}" for group in settings.groups]
    parts += [] if settings.max_bytes is None else [f"max_bytes = {settings.max_bytes}"]
    return ", ".join(parts)


def _is_expired(table: pa.Table, limits: Limits) -> BoolArray:
    expired: BoolArray = times_us(table) < limits.of(numpy_of(table.column("tag_id"), np.int32))
    return expired


def _where(table: pa.Table, chosen: BoolArray) -> pa.Table:
    return table if chosen.all() else table.take(column(np.flatnonzero(chosen), pa.int64()))


def _last_of_each_tag(table: pa.Table) -> pa.Table:
    tag_id: Int32Array = numpy_of(table.column("tag_id"), np.int32)
    return _where(table, np.append(tag_id[1:] != tag_id[:-1], True))
