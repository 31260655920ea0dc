"""Average, deviation and variance of the Good samples, all of the same weight (OPC 10000-13, 5.4.3.5 and .37 ff.)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import FloatArray
from historian.retrieval.aggregates.answer import Answer, calculated
from historian.retrieval.aggregates.judgement import by_values, doubtful_where
from historian.retrieval.aggregates.question import Question
from historian.retrieval.aggregates.runs import LaidOut


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
    runs, found, asked = question.inside.good_runs, [np.empty(0)], 0
    means = question.rows.spread(_means(question))
    for laid in runs.in_order(question.series.value):
        of_ranges = means[asked : asked + laid.runs.total]
        found.append(laid.runs.combined(np.add, _squares_of_runs(laid, of_ranges[laid.runs.asked]), 0))
        asked += laid.runs.total
    return question.rows.total_of(np.concatenate(found))


def _squares_of_runs(laid: LaidOut, means: FloatArray) -> FloatArray:
    """The sum of squared distances from the mean of each run (both of length s)."""
    found = np.empty(len(laid.runs))
    for which, part in laid.runs.blocks():
        low, high = int(part.first[0]), int(part.stop[-1])
        away = laid.column[low:high] - part.spread(means[which])
        found[which] = part.moved(low).reduced(np.add, np.square(away, out=away))
    return found
