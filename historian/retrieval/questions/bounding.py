"""What the value of a tag is at any instant: the simple bounding value of OPC UA Part 13 (OPC 10000-13, 3.1.8).

It looks only at the samples next to the instant, so it is never drawn across a Bad interval.  One thing goes beyond
Part 13, which knows no source that answers without a new sample: after the last sample that one holds, Good as it is,
for as long as the source answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD_NO_DATA, GOOD, INTERPOLATED, UNCERTAIN_DATA_SUB_NORMAL, is_bad, is_good
from historian.retrieval.questions.lookup import rows_after
from historian.retrieval.series import Series


@dataclass(frozen=True, slots=True)
class ValuesAt:
    """Values of tags at ``q`` instants.

    ``tag`` intp[q] is the place of the tag in the series; ``time_us`` int64[q] the instant; ``value`` float64[q], NaN
    for text and for no value; ``status`` uint32[q], with the bit INTERPOLATED where the value is not that of a sample
    at the instant.  ``row`` intp[q] is the sample whose value it is, by which texts and large whole numbers are found
    exactly; -1 for a value on a line between two samples, and for no value.
    """

    tag: IndexArray
    time_us: Int64Array
    row: IndexArray
    value: FloatArray
    status: UInt32Array


def values_at(series: Series, tag: IndexArray, time_us: Int64Array) -> ValuesAt:
    """The simple bounding value of ``tag`` intp[q] at ``time_us`` int64[q], in any order.

    The sample there; else, where the sample before is not Bad, its value held for step tags, before a Bad sample and
    after the last sample until ``known_us``, and the value on the line to the next sample for all others.  Uncertain
    (UncertainDataSubNormal) when a sample it depends on is Uncertain or, on a line, the next one is Bad.  No value
    (BadNoData) after and at a Bad sample, before the first sample and after ``known_us``.
    """
    after = rows_after(series, tag, time_us)
    if not len(series.time_us):
        return _nothing(tag, time_us)
    before = np.maximum(after - 1, 0)
    has_next: BoolArray = after < series.starts[tag + 1]
    next_ = np.where(has_next, after, before)
    status, next_status = series.status[before], series.status[next_]
    known: BoolArray = (after > series.starts[tag]) & ~is_bad(status) & (has_next | (time_us <= series.known_us[tag]))
    is_sloped = has_next & ~series.stepped[tag]
    is_raw: BoolArray = series.time_us[before] == time_us
    line = line_values(series, before, next_, time_us)
    on_line = known & is_sloped & ~is_raw & ~np.isnan(line)
    # Before a Bad sample a line is held, which is less sure than the line; a step is as sure as its sample.
    sure = is_good(status) & (~is_sloped | is_good(next_status))
    found = np.where(sure, np.uint32(GOOD | INTERPOLATED), np.uint32(UNCERTAIN_DATA_SUB_NORMAL | INTERPOLATED))
    return ValuesAt(
        tag,
        time_us,
        np.where(known & ~on_line, before, -1),
        np.where(known, np.where(on_line, line, series.value[before]), np.nan),
        np.where(known, np.where(is_raw, status, found), np.uint32(BAD_NO_DATA)),
    )


def _nothing(tag: IndexArray, time_us: Int64Array) -> ValuesAt:
    count = len(tag)
    none = np.full(count, BAD_NO_DATA, np.uint32)
    return ValuesAt(tag, time_us, np.full(count, -1, np.intp), np.full(count, np.nan), none)


def line_values(series: Series, before: IndexArray, next_: IndexArray, time_us: Int64Array) -> FloatArray:
    """Values at ``time_us`` on the lines from rows ``before`` to rows ``next_``; NaN where one has no number."""
    begin_us = series.time_us[before]
    # Callers ask for all instants and use those that have a line; the others must not overflow.
    share = ((time_us - begin_us) / np.maximum(series.time_us[next_] - begin_us, 1)).clip(0.0, 1.0)
    # Weighted, and not start + share * difference, which overflows for values near the largest double.
    values: FloatArray = series.value[before] * (1.0 - share) + series.value[next_] * share
    return values
