"""Count, NumberOfTransitions and AnnotationCount (OPC 10000-13, 5.4.3.21, .22 and .25)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray
from historian.model.status import BAD, CALCULATED
from historian.retrieval.aggregates.answer import Answer, calculated, flag
from historian.retrieval.aggregates.judgement import by_values, doubtful_where
from historian.retrieval.aggregates.kinds import RowList
from historian.retrieval.aggregates.question import Question


def count(question: Question) -> Answer:
    """The number of Good samples."""
    return _counted(question, question.inside.good)


def number_of_transitions(question: Question) -> Answer:
    """How often the value changed from one usable sample to the next; the very first of a tag counts as a change."""
    changes = _changes(question).count(question.pieces.first, question.pieces.stop)
    return _counted(question, question.rows.total_of(changes))


def annotation_count(question: Question) -> Answer:
    """The number of notes made on the tag; those where no data are known count as well."""
    times, notes = question.pieces, question.notes
    number = np.zeros(len(times), np.intp)
    if notes is not None:
        side: Literal["left", "right"] = "right" if times.reverse else "left"
        for tag in range(len(question.series)):  # one search a tag for all its pieces
            where = times.tag == tag
            of_tag = notes.time_us[notes.starts[tag] : notes.starts[tag + 1]]
            low, high = times.low.time_us[where], times.high.time_us[where]
            number[where] = np.searchsorted(of_tag, high, side) - np.searchsorted(of_tag, low, side)
    total = question.rows.total_of(number)
    good = doubtful_where(np.zeros(len(total), np.bool_))
    return calculated(total.astype(np.float64), good, question.partial).only(question.reached | (total > 0))


def _counted(question: Question, number: IndexArray) -> Answer:
    """By the numbers of samples; Bad without the bit Calculated where all samples are bad."""
    status = by_values(question)
    all_bad = (question.inside.all > 0) & (question.inside.bad == question.inside.all)
    status = np.where(all_bad, np.uint32(BAD), status)
    value: FloatArray = np.where(status == BAD, np.nan, number)
    return Answer(value, status, question.partial | flag(~all_bad, CALCULATED))


def _changes(question: Question) -> RowList:
    """The usable samples whose value is not that of the usable sample of the tag before it."""
    value, bad, starts = question.series.value, question.kinds.bad, question.series.starts
    changed = np.ones(len(value), np.bool_)
    np.not_equal(value[1:], value[:-1], out=changed[1:])
    # What follows a bad one is compared with what was before that; a text or a large whole number by what it is.
    after = bad.stretches[1]
    doubtful = np.concatenate([after[after < len(value)], *_beside(question)])
    changed[doubtful] = _differ(question, doubtful, bad.last_other(doubtful - 1))
    changed[bad.rows] = False
    first_usable = bad.next_other(starts[:-1])
    changed[first_usable[first_usable < starts[1:]]] = True
    return RowList(np.flatnonzero(changed))


def _beside(question: Question) -> list[IndexArray]:
    """The samples that are no doubles, and those after them."""
    series = question.series
    rows = np.array([*series.exact, *series.text], np.intp)
    return [rows, rows[rows + 1 < len(series.value)] + 1]


def _differ(question: Question, row: IndexArray, before: IndexArray) -> BoolArray:
    """True where the samples of two rows (intp[x], -1 for none) have different values."""
    value, remainders, text = question.series.value, question.remainders, _numbered(question)
    same = np.equal(value[row], value[before]) | (np.isnan(value[row]) & np.isnan(value[before]))
    same &= np.equal(remainders.at(row), remainders.at(before)) & np.equal(text[row], text[before])
    return ~same


def _numbered(question: Question) -> IndexArray:
    """A number for every text of the series, by row (intp[n]); 0 where there is none."""
    text = question.series.text
    number_of = {each: number for number, each in enumerate(sorted(set(text.values())), start=1)}
    numbers = np.zeros(len(question.series.time_us), np.intp)
    # A loop over the texts, which are no numbers that numpy could compare.
    for row, each in text.items():
        numbers[row] = number_of[each]
    return numbers
