"""How long: in a state, Good, Bad, and as a share of the time (OPC 10000-13, 5.4.3.23, .24 and .31 to .34)."""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.model.samples import FloatArray, Int64Array
from historian.model.status import UNCERTAIN
from historian.retrieval.aggregates.answer import Answer, calculated
from historian.retrieval.aggregates.judgement import by_time, doubtful_where
from historian.retrieval.aggregates.kinds import RowList
from historian.retrieval.aggregates.question import Question
from historian.retrieval.aggregates.regions import GOOD

US_PER_MS: Final = 1000


def duration_in_state_zero(question: Question) -> Answer:
    """Milliseconds that begin with a Good sample of value 0, which holds to the next sample."""
    return _in_state(question, _zero_us(question))


def duration_in_state_non_zero(question: Question) -> Answer:
    """Milliseconds that begin with a Good sample of another value than 0, which holds to the next sample."""
    return _in_state(question, question.regions.by_start.good - _zero_us(question))


def duration_good(question: Question) -> Answer:
    """Milliseconds that begin with a Good sample or bound."""
    return _always_good(question, _row_ms(question, question.regions.by_start.good))


def duration_bad(question: Question) -> Answer:
    """Milliseconds that begin with a bad sample, or before there is a bound."""
    return _always_good(question, _row_ms(question, question.regions.by_start.bad))


def percent_good(question: Question) -> Answer:
    """DurationGood as a share of the time of which something may be known."""
    return _always_good(question, question.percent_good)


def percent_bad(question: Question) -> Answer:
    """DurationBad as a share of the time of which something may be known."""
    times = question.regions.by_start
    whole = question.rows.total_of(times.whole)
    return _always_good(question, 100 * question.rows.total_of(times.bad) / np.maximum(whole, 1))


def _zero_us(question: Question) -> Int64Array:
    """Time of each piece that begins with a Good value of 0."""
    series, regions = question.series, question.regions
    rows = np.flatnonzero(series.value == 0)
    found = regions.between(RowList(rows[series.status[rows] < UNCERTAIN]))
    for strip in regions.strips:
        found += np.where((strip.start_kind == GOOD) & (strip.start == 0), strip.length_us, 0)
    return found


def _row_ms(question: Question, pieces_us: Int64Array) -> FloatArray:
    return np.asarray(question.rows.total_of(pieces_us) / US_PER_MS)


def _in_state(question: Question, pieces_us: Int64Array) -> Answer:
    return calculated(_row_ms(question, pieces_us), by_time(question), question.partial)


def _always_good(question: Question, value: FloatArray) -> Answer:
    return calculated(value, doubtful_where(np.zeros(len(value), np.bool_)), question.partial)
