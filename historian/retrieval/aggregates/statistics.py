"""Average, deviation and variance of the Good samples, all of the same weight (OPC 10000-13, 5.4.3.5 and .37 ff.)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import FloatArray
from historian.retrieval.aggregates.answer import Answer, calculated
from historian.retrieval.aggregates.judgement import by_values, doubtful_where
from historian.retrieval.aggregates.question import Question
from historian.retrieval.aggregates.runs import Runs


def average(question: Question) -> Answer:
    """The mean of the Good samples; never Partial."""
    none = np.zeros(question.rows.total, np.uint32)
    return calculated(_means(question), by_values(question), none).only(question.inside.good > 0)


def variance_sample(question: Question) -> Answer:
    """The variance with the divisor n - 1, 0 of a single sample."""
    return _spread(question, _squares(question) / np.maximum(question.inside.good - 1, 1))


def variance_population(question: Question) -> Answer:
    """The variance with the divisor n."""
    return _spread(question, _squares(question) / np.maximum(question.inside.good, 1))


def standard_deviation_sample(question: Question) -> Answer:
    """The root of the variance with the divisor n - 1."""
    return _spread(question, np.sqrt(_squares(question) / np.maximum(question.inside.good - 1, 1)))


def standard_deviation_population(question: Question) -> Answer:
    """The root of the variance with the divisor n."""
    return _spread(question, np.sqrt(_squares(question) / np.maximum(question.inside.good, 1)))


def _spread(question: Question, value: FloatArray) -> Answer:
    status = doubtful_where(question.inside.doubtful)
    return calculated(value, status, question.partial).only(question.inside.good > 0)


def _means(question: Question) -> FloatArray:
    """The mean of the Good samples of each row; 0 where there are none."""
    runs = question.inside.good_runs
    sums = runs.combined(np.add, runs.reduced(np.add, question.series.value), 0)
    return question.rows.total_of(sums) / np.maximum(question.inside.good, 1)


def _squares(question: Question) -> FloatArray:
    """The sum of squared distances from the mean, of each row: a pass of its own, as sums of squares lose digits."""
    runs = question.inside.good_runs
    means = question.rows.spread(_means(question))[runs.asked]
    found = np.empty(len(runs))
    for numbers, part in runs.blocks():
        beside = part.beside(question.series.value, means[numbers])
        away = np.subtract(beside.values, beside.of_runs, out=beside.of_runs)
        moved = Runs(beside.begins, beside.begins + (part.stop - part.first), part.asked, part.total)
        found[numbers] = moved.reduced(np.add, np.square(away, out=away))
    return question.rows.total_of(runs.combined(np.add, found, 0))
