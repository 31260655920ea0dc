"""Minimum, Maximum, their actual times and Range: of the Good samples alone (OPC 10000-13, 5.4.3.10 to 5.4.3.14)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import BoolArray, UInt32Array
from historian.model.status import CALCULATED, MULTIPLE_VALUES
from historian.retrieval.aggregates.answer import Answer, calculated, flag
from historian.retrieval.aggregates.extremes import HIGHEST, LOWEST, End, Winners
from historian.retrieval.aggregates.judgement import doubtful_where
from historian.retrieval.aggregates.question import Question


def minimum(question: Question) -> Answer:
    """The least Good value."""
    return _extreme(question, LOWEST)


def maximum(question: Question) -> Answer:
    """The greatest Good value."""
    return _extreme(question, HIGHEST)


def minimum_actual_time(question: Question) -> Answer:
    """The least Good value and when it was there first."""
    return _at_its_time(question, LOWEST)


def maximum_actual_time(question: Question) -> Answer:
    """The greatest Good value and when it was there first."""
    return _at_its_time(question, HIGHEST)


def value_range(question: Question) -> Answer:
    """The greatest less the least Good value."""
    low, high = question.inside.good_extreme(LOWEST), question.inside.good_extreme(HIGHEST)
    value = np.where(low.there, high.value, 0) - np.where(low.there, low.value, 0) + (high.rest - low.rest)
    return calculated(value, doubtful_where(question.inside.bad > 0), question.partial).only(low.there)


def _extreme(question: Question, end: End) -> Answer:
    found, doubtful = question.inside.good_extreme(end), _doubtful(question, end)
    raw = question.times_of(found.sample) == question.time_us
    bits = flag(~raw | doubtful, CALCULATED) | _common_bits(question, found)
    answer = Answer(found.value, doubtful_where(doubtful), bits, sample=found.sample)
    return answer.only(found.there)


def _at_its_time(question: Question, end: End) -> Answer:
    found = question.inside.good_extreme(end)
    status = doubtful_where(_doubtful(question, end))
    times = np.where(found.there, question.times_of(found.sample), question.time_us)
    return Answer(found.value, status, _common_bits(question, found), times, found.sample).only(found.there)


def _common_bits(question: Question, found: Winners) -> UInt32Array:
    return question.partial | flag(found.count > 1, MULTIPLE_VALUES)


def _doubtful(question: Question, end: End) -> BoolArray:
    """True where a bad sample is inside, or an Uncertain one lies beyond the extreme."""
    doubtful = question.inside.bad > 0
    if question.kinds.uncertain:
        doubtful |= (
            question.inside.usable_extremes(end).best(end, question.rows).beyond(question.inside.good_extreme(end), end)
        )
    return doubtful
