"""WorstQuality and WorstQuality2: the worst status, as a number (OPC 10000-13, 5.4.3.35 and .36)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.model.samples import IndexArray, UInt32Array
from historian.model.status import BAD_NO_DATA, GOOD, MULTIPLE_VALUES
from historian.retrieval.aggregates.answer import NO_ROW, Answer, calculated, flag
from historian.retrieval.aggregates.bounds import Bounds, simple_bounds
from historian.retrieval.aggregates.extremes import picked
from historian.retrieval.aggregates.judgement import doubtful_where
from historian.retrieval.aggregates.kinds import RowList
from historian.retrieval.aggregates.question import Question

_ABSENT: Final = -1
_LAST: Final = np.iinfo(np.intp).max


@dataclass(frozen=True, slots=True)
class _Worst:
    """The worst of several statuses in each piece: its ``severity``, ``code`` (the first such) and ``count``."""

    severity: IndexArray
    code: UInt32Array
    count: IndexArray

    def answer(self, question: Question) -> Answer:
        """The worst of each row.  Several of the same severity are told, unless that is Good."""
        rows = question.rows
        worst = rows.over(np.maximum, self.severity, _ABSENT)
        spread = rows.spread(worst)
        holds = self.severity == (spread if self.severity.ndim == 1 else spread[:, None])
        numbers = np.arange(holds.size).reshape(holds.shape)
        number = rows.over(np.minimum, np.where(holds, numbers, _LAST), _LAST)
        there = worst > _ABSENT
        code = picked(self.code, np.where(there, number, NO_ROW), BAD_NO_DATA)
        several = rows.total_of(np.where(holds, self.count, 0)) > 1
        bits = question.partial | flag(several & (worst > GOOD), MULTIPLE_VALUES)
        good = doubtful_where(np.zeros(len(worst), np.bool_))
        return calculated(code.astype(np.float64), good, bits).only(there)


def worst_quality(question: Question) -> Answer:
    """The worst status of the samples; Uncertain ones are what they are."""
    pieces = question.pieces
    return _of_samples(question, pieces.first, pieces.stop).answer(question)


def worst_quality_2(question: Question) -> Answer:
    """The worst status of the samples and of the simple bounds at both edges."""
    samples = _of_samples(question, question.regions.first, question.regions.stop)
    low, high = (_bounds_by_status(question, late=late) for late in (False, True))
    parts = (_of_bounds(question, low), samples, _of_bounds(question, high))
    return _Worst(
        np.stack([part.severity for part in parts], axis=1),
        np.stack([part.code for part in parts], axis=1),
        np.stack([part.count for part in parts], axis=1),
    ).answer(question)


def _of_samples(question: Question, first: IndexArray, stop: IndexArray) -> _Worst:
    """Of the samples [first, stop) of each piece."""
    kinds, status = question.kinds, question.series.status
    severity = np.where(stop > first, 0, _ABSENT)
    row, count = first, stop - first
    for number, rows in ((1, kinds.uncertain_status), (2, kinds.certainly_bad)):
        found = rows.count(first, stop)
        severity = np.where(found > 0, number, severity)
        row = np.where(found > 0, _first_of(rows, first), row)
        count = np.where(found > 0, found, count)
    return _Worst(severity, status[np.minimum(row, len(status) - 1)], count)


def _first_of(rows: RowList, first: IndexArray) -> IndexArray:
    """The first row of the list from ``first`` on, where there is one."""
    if not rows:
        return first
    return rows.rows[np.minimum(rows.before(first), len(rows.rows) - 1)]


def _bounds_by_status(question: Question, *, late: bool) -> Bounds:
    """The simple bounds at one edge, where Uncertain samples are not taken for Bad ones."""
    edges = question.pieces.high if late else question.pieces.low
    return simple_bounds(question.series, question.kinds, edges, question.kinds.certainly_bad)


def _of_bounds(question: Question, bounds: Bounds) -> _Worst:
    severity = np.minimum(bounds.status >> np.uint32(30), 2).astype(np.intp)
    outside = question.pieces.outside
    return _Worst(np.where(outside, _ABSENT, severity), bounds.status, (~outside).astype(np.intp))
