"""What is exported, and how it is cut into the files of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import numpy as np

from historian.errors import UsageError
from historian.model.samples import IndexArray
from historian.retrieval.exports.form import Form
from historian.retrieval.exports.span import data_span, steps_over
from historian.retrieval.functions.reading import Reading
from historian.retrieval.intervals import Intervals
from historian.retrieval.long_table import VersionsOf
from historian.retrieval.questions.calendar_steps import intervals_by
from historian.retrieval.questions.step_text import CalendarStep, Step
from historian.retrieval.time_range import TimeRange, format_time

Key: TypeAlias = Literal["year", "month", "day", "tag"]

KEYS: Final[tuple[Key, ...]] = ("year", "month", "day", "tag")

_LENGTH: Final = {"year": 4, "month": 7, "day": 10}
"""So much of a time in ISO 8601 names the period."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Tags (``rows``) from ``start_us`` (None: the first sample) to ``end_us``.

    Without ``step`` every stored sample; with it the value at the beginning of each step, or ``aggregates`` over it.
    ``wide``: a row a time, a column a tag.
    """

    reading: Reading
    versions_of: VersionsOf
    rows: IndexArray
    start_us: int | None
    end_us: int
    step: Step | None = None
    aggregates: tuple[str, ...] = ()
    wide: bool = False

    def time(self) -> TimeRange | Intervals | None:
        """The range of the samples, or the intervals of the answer; None when there is no data in it."""
        known = data_span(self.reading, self.rows)
        if known is None:
            return None
        if self.step is None:
            return known.inside(self.start_us, self.end_us)
        return steps_over(self.reading, known, self.step, self.start_us, self.end_us)

    def form(self, rows: IndexArray, time: TimeRange | Intervals) -> Form:
        """Of these tags over a part of the time."""
        # Imported here, because one of them is needed.
        from historian.retrieval.exports.grid import GridForm, WideForm  # noqa: PLC0415 - as above
        from historian.retrieval.exports.long import LongForm  # noqa: PLC0415 - as above

        if isinstance(time, TimeRange):
            return LongForm(self.reading, rows, time, self.versions_of)
        if self.aggregates:
            from historian.retrieval.exports.aggregated import (  # noqa: PLC0415 - as above
                AggregateForm,
                WideAggregateForm,
            )

            return (WideAggregateForm if self.wide else AggregateForm)(self.reading, rows, time, self.aggregates)
        return (WideForm if self.wide else GridForm)(self.reading, rows, time)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a folder: its path below it, and what is in it."""

    path: str
    rows: IndexArray
    time: TimeRange | Intervals


def pieces(request: ExportRequest, keys: Sequence[Key], ending: str) -> Iterator[Piece]:
    """The files of a folder in the manner of Hive, ``month=2026-11/tag=FIC101.PV/part.parquet``.

    Months and the like are those of UTC.  Raises UsageError for wide rows by tag.
    """
    if request.wide and "tag" in keys:
        raise UsageError("cannot export --wide by tag: a wide row has all tags; partition it by month, or not --wide")
    time = request.time()
    if time is None:
        return
    for period, part in _periods(time, [key for key in keys if key != "tag"]):
        if "tag" not in keys:
            yield Piece("/".join([*period, f"part.{ending}"]), request.rows, part)
            continue
        for row in request.rows.tolist():
            name = f"tag={quote(request.reading.tags.names[row], safe=' ()[]{}@,;+-_.~')}"
            yield Piece("/".join([*period, name, f"part.{ending}"]), np.array([row], np.intp), part)


def _periods(time: TimeRange | Intervals, keys: Sequence[Key]) -> Iterator[tuple[list[str], TimeRange | Intervals]]:
    """The folders of the shortest of the periods in ``keys``, and the part of the time in each."""
    if not keys:
        yield [], time
        return
    start_us, end_us = (time.start_us, time.end_us) if isinstance(time, TimeRange) else _ends(time)
    shortest = max(keys, key=KEYS.index)
    unit: Literal["year", "month", "day"] = "day" if shortest == "day" else "month" if shortest == "month" else "year"
    spans = intervals_by(CalendarStep(1, unit), start_us, end_us, UTC)
    for low_us, high_us in zip(spans.start_us.tolist(), spans.end_us.tolist(), strict=True):
        part = _between(time, low_us, high_us)
        if part is not None:
            yield [f"{key}={format_time(low_us)[: _LENGTH[key]]}" for key in keys], part


def _ends(time: Intervals) -> tuple[int, int]:
    return int(time.start_us[0]), int(time.start_us[-1]) + 1


def _between(time: TimeRange | Intervals, low_us: int, high_us: int) -> TimeRange | Intervals | None:
    """The part that begins in [low, high)."""
    if isinstance(time, TimeRange):
        return TimeRange(low_us, high_us)
    first, end = time.start_us.searchsorted([low_us, high_us]).tolist()
    if first == end:
        return None
    return replace(time, start_us=time.start_us[first:end], end_us=time.end_us[first:end])
