"""Values at the edges of intervals: Interpolative, Start, End, Delta, bounds (OPC 10000-13, 5.4.3.4 and .26 ff.)."""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.model.samples import FloatArray, IndexArray
from historian.model.status import BAD, BAD_NO_DATA, CALCULATED, INTERPOLATED, UNCERTAIN
from historian.retrieval.aggregates.answer import NO_ROW, Answer, calculated, flag
from historian.retrieval.aggregates.bounds import Bounds
from historian.retrieval.aggregates.judgement import doubtful_where
from historian.retrieval.aggregates.question import Question

_LAST: Final = np.iinfo(np.intp).max


def interpolative(question: Question) -> Answer:
    """The value at the row's time; past the end of data the last one goes on, Uncertain.  Never Partial."""
    pieces = question.pieces
    edges = pieces.high if pieces.reverse else pieces.low
    found = _of_rows(question, question.interpolated(edges, edges.stepped), last=pieces.reverse)
    return Answer(found.value, found.status, flag(found.interpolated, INTERPOLATED), sample=found.sample)


def start(question: Question) -> Answer:
    """The first sample, whatever its status, at its own time."""
    there = question.pieces.samples > 0
    first = question.rows.over(np.minimum, np.where(there, question.pieces.first, _LAST), _LAST)
    return _sample(question, first)


def end(question: Question) -> Answer:
    """The last sample, whatever its status, at its own time."""
    there = question.pieces.samples > 0
    last = question.rows.over(np.maximum, np.where(there, question.pieces.stop - 1, NO_ROW), NO_ROW)
    return _sample(question, last)


def delta(question: Question) -> Answer:
    """The last Good sample less the first; Uncertain where the last or the first of all is not Good."""
    not_good, pieces, rows = question.kinds.not_good, question.pieces, question.rows
    first, last = not_good.next_other(pieces.first), not_good.last_other(pieces.stop - 1)
    there = first <= last
    first = rows.over(np.minimum, np.where(there, first, _LAST), _LAST)
    last = rows.over(np.maximum, np.where(there, last, NO_ROW), NO_ROW)
    there = last > NO_ROW
    first, last = np.where(there, first, 0), np.where(there, last, 0)
    value = question.remainders.difference(question.series.value[last] - question.series.value[first], last, first)
    edges = start(question).status | end(question).status
    return calculated(value, doubtful_where(edges >= UNCERTAIN), question.partial).only(there)


def start_bound(question: Question) -> Answer:
    """The simple bound at the row's time."""
    found, _ = _bounds_of_rows(question)
    bits = flag(found.interpolated, INTERPOLATED) | question.partial
    return Answer(found.value, found.status, bits, sample=found.sample)


def end_bound(question: Question) -> Answer:
    """The simple bound at the other edge."""
    _, found = _bounds_of_rows(question)
    bits = flag(~found.missing, CALCULATED) | question.partial
    return Answer(found.value, found.status, bits, sample=found.sample)


def delta_bounds(question: Question) -> Answer:
    """EndBound less StartBound."""
    begin, finish = _bounds_of_rows(question)
    there = ~(begin.missing | finish.missing)
    value = finish.value - begin.value
    if question.remainders:
        value = value + (question.remainders.at(finish.sample) - question.remainders.at(begin.sample))
    status = np.where(there, doubtful_where(~(begin.good & finish.good)), np.uint32(BAD_NO_DATA))
    return Answer(np.where(there, value, np.nan), status, flag(there, CALCULATED) | question.partial)


def _sample(question: Question, row: IndexArray) -> Answer:
    """The samples at ``row``, out of range where there is none."""
    series = question.series
    there = (row > NO_ROW) & (row < _LAST)
    row = np.where(there, row, NO_ROW)
    status, value = series.status[row], series.value[row]
    times = np.where(there, series.time_us[row], question.time_us)
    value = np.where(status >= BAD, np.nan, value)
    return Answer(value, status, question.partial, times, row).only(there)


def _bounds_of_rows(question: Question) -> tuple[Bounds, Bounds]:
    """The simple bounds at the start and at the end of each row, in the direction of reading."""
    low = _of_rows(question, question.low_bounds, last=False)
    high = _of_rows(question, question.high_bounds, last=True)
    return (high, low) if question.pieces.reverse else (low, high)


def _of_rows(question: Question, bounds: Bounds, *, last: bool) -> Bounds:
    """The bounds of the first or the last piece of each row; missing where a row has none."""
    pick = question.rows.last_of if last else question.rows.first_of
    value: FloatArray = pick(bounds.value, np.nan)
    return Bounds(value, pick(bounds.status, BAD_NO_DATA), pick(bounds.raw, empty=False), pick(bounds.sample, NO_ROW))
