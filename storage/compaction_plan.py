"""What compaction would do next: which files become which, by UTC days and months; pure, from the catalogue alone.

A file that reaches over the end of a day (or, in months that are over, of a month) is split there first.  Then the
files of a day that is over become one file, and those of a month that is over another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from historian.config.settings import CompactionSettings
from historian.model.samples import Int64Array
from storage.catalogue import DAY, FLUSH, KEPT, MONTH, CatalogueEntry
from storage.compaction_merge import Span

US_PER_DAY: Final = 86_400_000_000

MAX_DIRECT_FILES: Final = 64
"""The files of a month become one directly as long as there are not more than these; else its days come first."""

LATE_FILES: Final = 8
LATE_SHARE: Final = 0.1
"""Late samples of a period that has its file already wait until they are so many files, or this share of its rows: a
file of a month is not written anew for each of them.  They can be queried all the while."""

_RANKS: Final = {FLUSH: 0, DAY: 1, MONTH: 2}

Action: TypeAlias = Literal["split", "merge", "rename"]


class Period(NamedTuple):
    """A UTC day or month that is over, or the time from the last of these on (level "flush")."""

    level: str
    span: Span


class Output(NamedTuple):
    """A file to be made (or several, when it would become too large): the times it takes, and its level."""

    span: Span
    level: str


@dataclass(frozen=True, slots=True)
class Job:
    """One step: ``inputs`` are retired when the ``outputs`` are there.

    "split": one file into those of its periods; "merge": the files of a period into one, with its edits; "rename": the
    only file of a period is its file from now on, without writing it again.
    """

    action: Action
    period: Period
    inputs: tuple[CatalogueEntry, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days and months are over at a time.  ``settle_us`` is how long late data is waited for."""

    day_limit_us: int
    month_limit_us: int

    @classmethod
    def at(cls, now_us: int, settle_us: int) -> Calendar:
        """Days and months that ended ``settle_us`` before ``now_us`` or earlier are over."""
        settled_us = now_us - settle_us
        return cls(day_start(settled_us), month_start(settled_us))

    def period(self, time_us: int) -> Period:
        """The period that a sample of this time belongs to."""
        if time_us < self.month_limit_us:
            start = month_start(time_us)
            return Period(MONTH, (start, next_month(start)))
        if time_us < self.day_limit_us:
            start = day_start(time_us)
            return Period(DAY, (start, start + US_PER_DAY))
        return Period(FLUSH, (self.day_limit_us, np.iinfo(np.int64).max))

    def periods(self, first_us: int, last_us: int) -> Iterator[Period]:
        """All periods from that of ``first_us`` to that of ``last_us``."""
        period = self.period(first_us)
        yield period
        while period.span[1] <= last_us:
            period = self.period(period.span[1])
            yield period


def day_start(time_us: int) -> int:
    """The midnight (UTC) at or before a time."""
    return time_us - time_us % US_PER_DAY


def month_start(time_us: int) -> int:
    """The beginning of a time's UTC month."""
    return _month_us(np.datetime64(time_us, "us").astype("datetime64[M]"))


def next_month(time_us: int) -> int:
    """The beginning of the month after a time's."""
    return _month_us(np.datetime64(time_us, "us").astype("datetime64[M]") + 1)


def _month_us(month: np.datetime64) -> int:
    return int(month.astype("datetime64[us]").astype(np.int64))


def next_job(
    files: Iterable[CatalogueEntry],
    edits_us: Int64Array,
    now_us: int,
    settings: CompactionSettings,
    *,
    everything: bool = False,
    without: frozenset[Span] = frozenset(),
) -> Job | None:
    """The next step, oldest first; None when nothing is due.

    ``edits_us`` int64[n] are the times of edits that shall be written into files.  ``everything``: late samples do not
    wait for more of them.  Periods of ``without`` are left as they are, and files that reach into one are not split.
    """
    calendar = Calendar.at(now_us, settings.settle_us)
    homes: dict[Period, list[CatalogueEntry]] = {}
    for file in sorted(files, key=lambda each: each.number):
        if file.level == KEPT:
            continue
        period = calendar.period(file.first_us)
        if file.last_us < period.span[1]:
            homes.setdefault(period, []).append(file)
        elif period.span not in without:
            return _split(file, period, calendar)
    for time_us in np.unique(edits_us).tolist():
        homes.setdefault(calendar.period(time_us), [])
    for period in sorted(homes, key=lambda each: each.span):
        if period.level == FLUSH or period.span in without:
            continue
        edited = bool(((edits_us >= period.span[0]) & (edits_us < period.span[1])).any())
        job = _due(period, homes[period], edited=edited, everything=everything, without=without)
        if job is not None:
            return job
    return None


def _split(file: CatalogueEntry, first: Period, calendar: Calendar) -> Job:
    periods = calendar.periods(file.first_us, file.last_us)
    return Job("split", first, (file,), tuple(Output(period.span, FLUSH) for period in periods))


def _due(
    period: Period, files: Sequence[CatalogueEntry], *, edited: bool, everything: bool, without: frozenset[Span]
) -> Job | None:
    small = [file for file in files if _RANKS[file.level] < _RANKS[period.level]]
    output = (Output(period.span, period.level),)
    if edited:
        return Job("merge", period, tuple(files), output)
    if not small or not (everything or _is_worth_it(small, files)):
        return None
    if len(files) == 1:
        return Job("rename", period, tuple(files), output)
    days = _days(small, without) if period.level == MONTH and len(files) > MAX_DIRECT_FILES else {}
    for span, members in days.items():
        return Job("merge", Period(DAY, span), tuple(members), (Output(span, DAY),))
    return Job("merge", period, tuple(files), output)


def _is_worth_it(small: Sequence[CatalogueEntry], files: Sequence[CatalogueEntry]) -> bool:
    """Whether there is no file of the period yet, or enough beside it."""
    late = sum(file.rows for file in small)
    old = sum(file.rows for file in files) - late
    return not old or len(small) >= LATE_FILES or late >= LATE_SHARE * old


def _days(files: Sequence[CatalogueEntry], without: frozenset[Span]) -> dict[Span, list[CatalogueEntry]]:
    """Those that are of one day with others, by day."""
    days: dict[Span, list[CatalogueEntry]] = {}
    for file in files:
        start = day_start(file.first_us)
        if file.last_us < start + US_PER_DAY:
            days.setdefault((start, start + US_PER_DAY), []).append(file)
    return {span: members for span, members in days.items() if len(members) > 1 and span not in without}


def imagined(job: Job, files: Sequence[CatalogueEntry], number: int) -> list[CatalogueEntry]:
    """The catalogue after a job; new files are numbered ``number`` and share rows and bytes evenly."""
    gone = {file.number for file in job.inputs}
    left = [file for file in files if file.number not in gone]
    share = max(len(job.outputs), 1)
    rows, size = (sum(counts) // share for counts in ([f.rows for f in job.inputs], [f.bytes for f in job.inputs]))
    for span, level in job.outputs if job.inputs else ():
        first_us = max(span[0], min(file.first_us for file in job.inputs))
        last_us = min(span[1] - 1, max(file.last_us for file in job.inputs))
        tags = min(file.first_tag for file in job.inputs), max(file.last_tag for file in job.inputs)
        left.append(CatalogueEntry(number, "", rows, first_us, last_us, *tags, size, level))
    return left
