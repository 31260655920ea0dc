"""TimeAverage, Total, TimeAverage2 and Total2: areas, and areas by their time (OPC 10000-13, 5.4.3.6 to 5.4.3.9)."""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.model.samples import FloatArray
from historian.retrieval.aggregates.answer import Answer, calculated
from historian.retrieval.aggregates.integrals import Integral
from historian.retrieval.aggregates.judgement import by_time, doubtful_where
from historian.retrieval.aggregates.question import Question

US_PER_S: Final = 1_000_000


def time_average(question: Question) -> Answer:
    """The mean over time along lines, also of stepped tags, from interpolated bound to interpolated bound."""
    return _along_lines(question, average=True)


def total(question: Question) -> Answer:
    """The area of TimeAverage, in value times seconds."""
    return _along_lines(question, average=False)


def time_average_2(question: Question) -> Answer:
    """The mean over the time of the regions that are not Bad."""
    return _over_regions(question, average=True)


def total_2(question: Question) -> Answer:
    """The area of the regions that are not Bad, in value times seconds."""
    return _over_regions(question, average=False)


def _along_lines(question: Question, *, average: bool) -> Answer:
    starts, ends = question.line_bounds
    integral = question.integrals.of_lines(starts, ends)
    doubtful = question.rows.any_of(~question.pieces.outside & ~(starts.good & ends.good)) | question.inside.doubtful
    value, covered_us = _value(question, integral, average=average)
    return calculated(value, doubtful_where(doubtful), question.partial).only(covered_us > 0)


def _over_regions(question: Question, *, average: bool) -> Answer:
    value, covered_us = _value(question, question.integrals.of_regions, average=average)
    return calculated(value, by_time(question), question.partial).only(covered_us > 0)


def _value(question: Question, integral: Integral, *, average: bool) -> tuple[FloatArray, FloatArray]:
    """Average or total of each row, and the time it covers."""
    area, covered_us = question.rows.total_of(integral.area), question.rows.total_of(integral.covers_us)
    return area / (np.maximum(covered_us, 1) if average else US_PER_S), covered_us
