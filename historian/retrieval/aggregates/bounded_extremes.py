"""Minimum2, Maximum2, their actual times and Range2, of samples and simple bounds (OPC 10000-13, 5.4.3.15 ff.)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD, CALCULATED, INTERPOLATED, MULTIPLE_VALUES
from historian.retrieval.aggregates.answer import NO_ROW, Answer, calculated, flag
from historian.retrieval.aggregates.extremes import HIGHEST, LOWEST, Candidates, End, Winners, picked
from historian.retrieval.aggregates.judgement import by_time
from historian.retrieval.aggregates.question import Question

_SAMPLES = 1
"""Of the three candidates of a piece, the one that stands for its samples; before it the bound at the earlier edge,
after it that at the later one."""


def minimum_2(question: Question) -> Answer:
    """The least usable value, bounds included."""
    return _extreme(question, LOWEST)


def maximum_2(question: Question) -> Answer:
    """The greatest usable value, bounds included."""
    return _extreme(question, HIGHEST)


def minimum_actual_time_2(question: Question) -> Answer:
    """The least usable value, bounds included, and when it was there first."""
    return _at_its_time(question, LOWEST)


def maximum_actual_time_2(question: Question) -> Answer:
    """The greatest usable value, bounds included, and when it was there first."""
    return _at_its_time(question, HIGHEST)


def range_2(question: Question) -> Answer:
    """Maximum2 less Minimum2."""
    low, high = _winners(question, LOWEST), _winners(question, HIGHEST)
    value = np.where(low.there, high.value, 0) - np.where(low.there, low.value, 0) + (high.rest - low.rest)
    return calculated(value, by_time(question), question.partial).only(low.there)


def _extreme(question: Question, end: End) -> Answer:
    found = _winners(question, end)
    at_far_edge = picked(_raw_bounds(question), found.number, fill=False)
    bound = _is_bound(found) & ~at_far_edge
    raw = ~bound & ~at_far_edge & (question.times_of(found.sample) == question.time_us)
    return _judged(question, found, flag(bound, INTERPOLATED) | flag(~bound & ~raw, CALCULATED), None)


def _at_its_time(question: Question, end: End) -> Answer:
    found = _winners(question, end)
    times = np.where(found.there, picked(_times(question, end), found.number, 0), question.time_us)
    return _judged(question, found, flag(_is_bound(found), INTERPOLATED), times)


def _is_bound(found: Winners) -> BoolArray:
    return found.there & np.not_equal(found.number % 3, _SAMPLES)


def _judged(question: Question, found: Winners, bits: UInt32Array, times: Int64Array | None) -> Answer:
    """By the time that is Bad; a Bad result has no value, but keeps its bits."""
    status = by_time(question)
    bits = bits | question.partial | flag(found.count > 1, MULTIPLE_VALUES)
    value = np.where(status == BAD, np.nan, found.value)
    sample = np.where(status == BAD, NO_ROW, found.sample)
    return Answer(value, status, bits, times, sample).only(found.there)


def _winners(question: Question, end: End) -> Winners:
    samples = question.inside.usable_extremes(end)
    early, late = question.low_bounds, question.high_bounds
    return Candidates(
        np.stack([early.value, samples.value, late.value], axis=1),
        np.stack([question.remainders.at(early.sample), samples.rest, question.remainders.at(late.sample)], axis=1),
        np.stack([_early_counts(question), samples.count, _late_counts(question)], axis=1),
        np.stack([early.sample, samples.sample, late.sample], axis=1),
    ).best(end, question.rows)


def _early_counts(question: Question) -> IndexArray:
    """1 where the bound at the earlier edge is a candidate of its own: not where it is a sample inside."""
    bounds, pieces = question.low_bounds, question.pieces
    inside = bounds.raw & (not pieces.reverse)
    return (~pieces.outside & ~bounds.missing & ~inside).astype(np.intp)


def _late_counts(question: Question) -> IndexArray:
    """1 where the bound at the later edge is a candidate of its own: of a step nothing reaches it."""
    bounds, pieces = question.high_bounds, question.pieces
    inside = bounds.raw & pieces.reverse
    return (~pieces.outside & ~bounds.missing & ~inside & ~pieces.high.stepped).astype(np.intp)


def _raw_bounds(question: Question) -> BoolArray:
    """True for candidates that are the sample at an edge, which belongs to the next piece."""
    raw = np.zeros((len(question.pieces), 3), np.bool_)
    raw[:, 0], raw[:, 2] = question.low_bounds.raw, question.high_bounds.raw
    return raw


def _times(question: Question, end: End) -> Int64Array:
    """The times that candidates are shown with: bounds at an edge that does not belong to the piece, just inside it."""
    pieces, step_us = question.pieces, question.options.resolution_us
    early_us = pieces.low.time_us + (step_us if pieces.reverse else 0)
    late_us = pieces.high.time_us - (0 if pieces.reverse else step_us)
    return np.stack([early_us, question.times_of(question.inside.usable_extremes(end).sample), late_us], axis=1)
