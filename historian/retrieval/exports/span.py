"""The part of a range in which something is known of some tags: where an export begins and ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import IndexArray
from historian.retrieval.functions.reading import Reading
from historian.retrieval.history import FIRST_US
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.calendar_steps import intervals_by, local_date, local_us
from historian.retrieval.questions.step_text import ElapsedStep, Step
from historian.retrieval.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class DataSpan:
    """Of some tags the time of the first sample and the last time that anything is known of, microseconds."""

    first_us: int
    last_us: int

    def inside(self, start_us: int | None, end_us: int) -> TimeRange | None:
        """What of [start, end) lies in it; None when nothing does."""
        low_us = self.first_us if start_us is None else max(start_us, self.first_us)
        high_us = min(end_us, self.last_us + 1)
        return TimeRange(low_us, high_us) if low_us < high_us else None


def data_span(reading: Reading, rows: IndexArray) -> DataSpan | None:
    """Of the tags at ``rows``; None when there are no samples of them."""
    series = reading.series(rows, FIRST_US, FIRST_US + 1)
    sampled = np.flatnonzero(np.diff(series.starts) > 0)
    if not len(sampled):
        return None
    return DataSpan(int(series.time_us[series.starts[sampled]].min()), int(series.known_us[sampled].max()))


def steps_over(reading: Reading, known: DataSpan, step: Step, start_us: int | None, end_us: int) -> Intervals | None:
    """The intervals of an export, as far as there are data; None when there are none in [start, end).

    From the start that was given, or else from the beginning of the step that the first sample lies in.
    """
    if known.inside(start_us, end_us) is None:
        return None
    begin_us = _round_down(known.first_us, step, reading) if start_us is None else start_us
    return intervals_by(step, begin_us, min(end_us, known.last_us + 1), reading.zone)


def _round_down(time_us: int, step: Step, reading: Reading) -> int:
    if isinstance(step, ElapsedStep):
        return time_us // step.length_us * step.length_us
    day = local_date(time_us, reading.zone)
    if step.unit in {"month", "quarter", "year"}:
        months = {"month": 1, "quarter": 3, "year": 12}[step.unit]
        day = day.replace(day=1, month=(day.month - 1) // months * months + 1)
    return local_us(day, 0, reading.zone)
