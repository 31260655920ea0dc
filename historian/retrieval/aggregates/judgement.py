"""The status of a result by how much of its data is Bad (OPC 10000-13, 5.4.3.2)."""

from __future__ import annotations

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD, GOOD, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.aggregates.options import AggregateOptions
from historian.retrieval.aggregates.question import Question


def by_time(question: Question) -> UInt32Array:
    """PercentTime: by the shares of Good and Bad time of each row (uint32[r]: Good, UncertainDataSubNormal or Bad)."""
    times, rows = question.regions.by_kind, question.rows
    good, uncertain, bad = (rows.total_of(each) for each in (times.good, times.uncertain, times.bad))
    return _by_share(question.options, good, uncertain, bad)


def by_values(question: Question) -> UInt32Array:
    """PercentValues: the same by the numbers of samples."""
    bad, uncertain = question.inside.bad, question.inside.uncertain
    status = _by_share(question.options, question.inside.good, uncertain, bad)
    return np.where((bad == 0) & (uncertain > 0), np.uint32(UNCERTAIN_DATA_SUB_NORMAL), status)


def doubtful_where(doubtful: BoolArray) -> UInt32Array:
    """UncertainDataSubNormal where ``doubtful``, else Good."""
    return np.where(doubtful, np.uint32(UNCERTAIN_DATA_SUB_NORMAL), np.uint32(GOOD))


def _by_share(
    options: AggregateOptions,
    good: Int64Array | IndexArray,
    uncertain: Int64Array | IndexArray,
    bad: Int64Array | IndexArray,
) -> UInt32Array:
    """What is Uncertain counts as Bad where it is treated so, else as Good."""
    if options.treat_uncertain_as_bad:
        bad = bad + uncertain
    else:
        good = good + uncertain
    whole = good + bad
    status = doubtful_where(100.0 * good < options.percent_good * whole)
    # With limits that meet there is one test: Good or not (OPC 10000-13, 4.2.1.2).
    if options.percent_good != 100 - options.percent_bad:
        status = np.where(100.0 * bad >= options.percent_bad * whole, np.uint32(BAD), status)
    return np.where(bad == 0, np.uint32(GOOD), status)
