"""Average, deviation and variance of the Good samples, all of the same weight (OPC 10000-13, 5.4.3.5 and .37 ff.)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import FloatArray
from historian.retrieval.aggregates.answer import Answer, calculated
from historian.retrieval.aggregates.judgement import by_values, doubtful_where
from historian.retrieval.aggregates.question import Question


def average(question: Question) -> Answer:
    """The mean of the Good samples; never Partial."""
    none = np.zeros(question.rows.total, np.uint32)
    return calculated(question.inside.good_mean, by_values(question), none).only(question.inside.good > 0)


def variance_sample(question: Question) -> Answer:
    """The variance with the divisor n - 1, 0 of a single sample."""
    return _spread(question, question.inside.good_squares / np.maximum(question.inside.good - 1, 1))


def variance_population(question: Question) -> Answer:
    """The variance with the divisor n."""
    return _spread(question, question.inside.good_squares / np.maximum(question.inside.good, 1))


def standard_deviation_sample(question: Question) -> Answer:
    """The root of the variance with the divisor n - 1."""
    return _spread(question, np.sqrt(question.inside.good_squares / np.maximum(question.inside.good - 1, 1)))


def standard_deviation_population(question: Question) -> Answer:
    """The root of the variance with the divisor n."""
    return _spread(question, np.sqrt(question.inside.good_squares / np.maximum(question.inside.good, 1)))


def _spread(question: Question, value: FloatArray) -> Answer:
    status = doubtful_where(question.inside.doubtful)
    return calculated(value, status, question.partial).only(question.inside.good > 0)
