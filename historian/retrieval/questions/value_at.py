"""The as-of join of a historian: what tags were at batch starts, alarms, laboratory samples, or any instants."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from historian.config.nearest import did_you_mean, one_of, shown
from historian.errors import UnusableValueError
from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.model.status import BAD_NO_DATA
from historian.retrieval.questions.bounding import ValuesAt, values_at
from historian.retrieval.questions.lookup import rows_after, rows_from
from historian.retrieval.series import Series

Mode: TypeAlias = Literal["at_or_before", "before", "exact", "at_or_after", "after", "interpolated"]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)


def value_at(series: Series, tag: IndexArray, time_us: Int64Array, mode: Mode = "at_or_before") -> ValuesAt:
    """The sample, or the interpolated value, of ``tag`` intp[q] at ``time_us`` int64[q], in any order.

    ``row`` is the sample found and ``time_us`` of the answer its time; no sample is row -1, BadNoData, at the instant
    itself.  A Bad sample is an answer like any other: a value of before it would look like a measurement of now.
    Raises UnusableValueError for an unknown mode.
    """
    if mode == "interpolated":
        return values_at(series, tag, time_us)
    row, found = _rows(series, tag, time_us, mode)
    if not len(series.time_us):
        return values_at(series, tag, time_us)
    at = np.where(found, row, 0)
    return ValuesAt(
        tag,
        np.where(found, series.time_us[at], time_us),
        np.where(found, row, -1),
        np.where(found, series.value[at], np.nan),
        np.where(found, series.status[at], np.uint32(BAD_NO_DATA)),
    )


def _rows(series: Series, tag: IndexArray, time_us: Int64Array, mode: str) -> tuple[IndexArray, BoolArray]:
    """The row of each instant, and whether there is one."""
    if mode in {"at_or_before", "before"}:
        row = (rows_after if mode == "at_or_before" else rows_from)(series, tag, time_us) - 1
        return row, row >= series.starts[tag]
    if mode in {"at_or_after", "after"}:
        row = (rows_from if mode == "at_or_after" else rows_after)(series, tag, time_us)
        return row, row < series.starts[tag + 1]
    if mode == "exact":
        row = rows_from(series, tag, time_us)
        found: BoolArray = row < series.starts[tag + 1]
        found[found] = series.time_us[row[found]] == time_us[found]
        return row, found
    raise UnusableValueError(shown(mode), f"a mode: {one_of(MODES)}", did_you_mean(mode, MODES))
