"""The entry: some aggregates of some tags over some intervals, as rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from historian.errors import UsageError
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array, take_extras
from historian.model.status import (
    BAD,
    BAD_OUT_OF_RANGE,
    CALCULATED,
    INTERPOLATED,
    MULTIPLE_VALUES,
    PARTIAL,
)
from historian.retrieval.aggregates.answer import NO_ROW, Answer
from historian.retrieval.aggregates.catalogue import CATALOGUE, NAMES, Aggregate
from historian.retrieval.aggregates.notes import Notes
from historian.retrieval.aggregates.options import AggregateOptions
from historian.retrieval.aggregates.portions import Portion, portions
from historian.retrieval.aggregates.question import Question
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

ScalarT = TypeVar("ScalarT", np.float64, np.int64, np.uint32, np.intp)

_INFO_TYPE: Final = 0x0C00
_DATA_VALUE: Final = 0x0400
_SMALLER: Final = 2.0**-300
"""What values are multiplied by where sums of them leave the range of a double; a power of two changes no digit."""


@dataclass(frozen=True, slots=True)
class AggregateRows:
    """``r`` results: by tag, in each by interval, in each by aggregate, as these were asked for.

    ``tag``, ``interval``, ``aggregate`` intp[r]: the places of the three in the question.  ``time_us`` int64[r]: the
    start of the interval in the direction of reading, or the time of the sample for aggregates that give one;
    ``end_us`` its end.  ``value`` float64[r], NaN for none; ``exact`` and ``text`` by row, what a double cannot hold.
    ``status`` uint32[r], with the bits of how it came about.  ``percent_good`` float64[r]: the share of the interval
    that begins with Good data, NaN where nothing is known of it.
    """

    tag: IndexArray
    interval: IndexArray
    aggregate: IndexArray
    time_us: Int64Array
    end_us: Int64Array
    value: FloatArray
    status: UInt32Array
    percent_good: FloatArray
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def calculated(self) -> BoolArray:
        """True where the value was calculated and is no value of a sample at the row's time."""
        return self._has(CALCULATED)

    @property
    def interpolated(self) -> BoolArray:
        """True where the value lies between samples, or past the last."""
        return self._has(INTERPOLATED)

    @property
    def partial(self) -> BoolArray:
        """True where data begin or end inside the interval."""
        return self._has(PARTIAL)

    @property
    def multiple(self) -> BoolArray:
        """True where several samples have the value."""
        return self._has(MULTIPLE_VALUES)

    def _has(self, bit: int) -> BoolArray:
        is_data = (self.status & np.uint32(_INFO_TYPE)) == _DATA_VALUE
        return np.asarray(is_data & ((self.status & np.uint32(bit & ~_INFO_TYPE)) != 0))


def aggregate(
    series: Series,
    intervals: Intervals,
    names: Sequence[str],
    options: AggregateOptions | None = None,
    *,
    windows: Windows | None = None,
    notes: Notes | None = None,
) -> AggregateRows:
    """The aggregates ``names`` of every tag of ``series`` over every interval (or only its ``windows``).

    ``notes`` are what AnnotationCount counts.  Raises UsageError for a name that is none of NAMES.
    """
    return _joined([*aggregate_in_parts(series, intervals, names, options, windows=windows, notes=notes)])


def aggregate_in_parts(
    series: Series,
    intervals: Intervals,
    names: Sequence[str],
    options: AggregateOptions | None = None,
    *,
    windows: Windows | None = None,
    notes: Notes | None = None,
) -> Iterator[AggregateRows]:
    """The same, some hundred thousand rows at a time, for answers that are too long to be held in memory."""
    asked = [_known(name) for name in names]
    parts = Windows.whole(intervals) if windows is None else windows
    for portion in portions(series, intervals, parts, notes):
        yield _rows_of(portion, asked, options or AggregateOptions())


def _rows_of(portion: Portion, asked: Sequence[Aggregate], options: AggregateOptions) -> AggregateRows:
    series = _never_empty(portion.series)
    question = Question(series, portion.intervals, portion.windows, options, portion.notes)
    with np.errstate(all="ignore"):  # no value is NaN, and what overflows is seen to: neither is worth a warning
        answers = [_answer(question, each) for each in asked]
        return _rows(question, answers, portion)


def _known(name: str) -> Aggregate:
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0)[0]
    raise UsageError(
        f"cannot aggregate: got {name!r}, wanted a name of OPC 10000-13 (near: {near}): {', '.join(NAMES)}"
    )


def _never_empty(series: Series) -> Series:
    """A series with at least one row, of no tag if need be, so that positions without a sample have one to look at."""
    if len(series.time_us):
        return series
    return Series(
        series.starts,
        np.zeros(1, np.int64),
        np.full(1, np.nan),
        np.full(1, BAD, np.uint32),
        series.stepped,
        series.known_us,
    )


def _answer(question: Question, asked: Aggregate) -> Answer:
    question = question.numbers if asked.of_numbers else question
    found = asked.answer(question)
    if asked.degree:
        found = _in_range(question, asked, found)
    return found if asked.always else found.only(question.reached)


def _in_range(question: Question, asked: Aggregate, found: Answer) -> Answer:
    """Values whose sums left the range of a double are worked out anew from smaller ones; what is none is Bad."""
    text = _is_text(question, found)
    lost = ~np.isfinite(found.value) & (found.status < BAD) & ~text
    if not lost.any():
        return found
    smaller = asked.answer(question.scaled(_SMALLER)).value
    for _ in range(asked.degree):
        smaller = smaller / _SMALLER
    value = np.where(lost, smaller, found.value)
    lost &= ~np.isfinite(value)
    status = np.where(lost, np.uint32(BAD_OUT_OF_RANGE), found.status)
    return Answer(np.where(lost, np.nan, value), status, found.bits, found.time_us, found.sample)


def _is_text(question: Question, found: Answer) -> BoolArray:
    if found.sample is None or not question.series.text:
        return np.zeros(len(found.value), np.bool_)
    return np.isin(found.sample, np.fromiter(question.series.text, np.intp, len(question.series.text)))


def _rows(question: Question, answers: Sequence[Answer], portion: Portion) -> AggregateRows:
    """The answers side by side, row by row."""
    count, total, intervals = len(answers), question.rows.total, len(portion.intervals)
    none = np.full(total, NO_ROW)
    sample = _interleaved([none if each.sample is None else each.sample for each in answers], none)
    times = [question.time_us if each.time_us is None else each.time_us for each in answers]
    row = np.repeat(np.arange(total), count)
    return AggregateRows(
        tag=row // intervals + portion.tag,
        interval=row % intervals + portion.interval,
        aggregate=np.tile(np.arange(count), total),
        time_us=_interleaved(times, question.time_us),
        end_us=question.end_us[row],
        value=_interleaved([each.value for each in answers], np.empty(0)),
        status=_interleaved([each.codes() for each in answers], np.empty(0, np.uint32)),
        percent_good=question.percent_good[row],
        exact=take_extras(question.series.exact, sample),
        text=take_extras(question.series.text, sample),
    )


def _interleaved(columns: Sequence[NDArray[ScalarT]], none: NDArray[ScalarT]) -> NDArray[ScalarT]:
    """The first of every column, the second of every column, ...; nothing of what ``none`` has without columns."""
    return np.stack(columns, axis=1).ravel() if columns else none[:0]


def _joined(parts: Sequence[AggregateRows]) -> AggregateRows:
    """All rows of the parts one after the other."""
    if len(parts) == 1:
        return parts[0]
    none, times, numbers = np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0)
    begins = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return AggregateRows(
        np.concatenate([none, *(part.tag for part in parts)]),
        np.concatenate([none, *(part.interval for part in parts)]),
        np.concatenate([none, *(part.aggregate for part in parts)]),
        np.concatenate([times, *(part.time_us for part in parts)]),
        np.concatenate([times, *(part.end_us for part in parts)]),
        np.concatenate([numbers, *(part.value for part in parts)]),
        np.concatenate([np.empty(0, np.uint32), *(part.status for part in parts)]),
        np.concatenate([numbers, *(part.percent_good for part in parts)]),
        {row + begin: each for part, begin in zip(parts, begins, strict=False) for row, each in part.exact.items()},
        {row + begin: each for part, begin in zip(parts, begins, strict=False) for row, each in part.text.items()},
    )
