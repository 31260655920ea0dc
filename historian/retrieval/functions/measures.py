"""One number an interval: ``counter``, ``totalize``, ``slope``, ``deviation``, ``percentile``.

``over`` are the parameters of :func:`.frame.frame`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from historian.errors import UnusableValueError, UsageError
from historian.model.status import severity, status_name
from historian.retrieval.functions.arguments import number
from historian.retrieval.functions.columns import COUNTER_COLUMNS, MEASURE_COLUMNS, PERCENTILE_COLUMNS
from historian.retrieval.functions.frame import Frame, frame
from historian.retrieval.functions.reading import Reading, concatenated
from historian.retrieval.questions.counter import CounterRules
from historian.retrieval.questions.counter import counter as count_up
from historian.retrieval.questions.measures import Measures, weigh
from historian.retrieval.questions.percentiles import percentiles
from historian.retrieval.questions.stretches import Stretches
from historian.retrieval.questions.time_weighted import slopes, standard_deviation
from historian.retrieval.questions.totalize import totalize as integrate
from historian.retrieval.series import Series
from storage.arrays import chosen_texts, column

OfSeries: TypeAlias = Callable[[Series, Frame], dict[str, pa.Array]]
"""The columns that a function adds to those of the frame, for the tags of a series."""


def counter(
    reading: Reading,
    tags: object,
    *,
    rollover: object = None,
    deadband: object = None,
    max_rate_per_s: object = None,
    **over: object,
) -> pa.Table:
    """How much a counter counted; columns as COUNTER_COLUMNS.  Raises UsageError.

    See :mod:`historian.retrieval.questions.counter`.
    """
    rules = _rules(rollover, deadband, max_rate_per_s)

    def answer(series: Series, wanted: Frame) -> dict[str, pa.Array]:
        found = count_up(series, wanted.windows, len(wanted.intervals), rules)
        columns = measured(found.delta, "delta")
        return columns | {"resets": column(found.resets, pa.int64()), "rollovers": column(found.rollovers, pa.int64())}

    return over_intervals(reading, tags, frame(reading, **over), answer, COUNTER_COLUMNS)


def _rules(rollover: object, deadband: object, max_rate_per_s: object) -> CounterRules:
    try:
        return CounterRules(
            None if rollover is None else number("rollover", rollover),
            0.0 if deadband is None else number("deadband", deadband),
            None if max_rate_per_s is None else number("max_rate_per_s", max_rate_per_s),
        )
    except UnusableValueError as error:
        raise UsageError(f"cannot count: {error}") from error


def totalize(reading: Reading, tags: object, *, unit: object, **over: object) -> pa.Table:
    """The integral of a rate per ``unit``; columns as MEASURE_COLUMNS.  Raises UsageError."""
    if unit is None:
        raise UsageError("cannot total: got no unit, wanted the time unit of the rate, as unit := 'hour' for m3/h")
    return _of_stretches(reading, tags, frame(reading, **over), lambda found: integrate(found, str(unit)))


def slope(reading: Reading, tags: object, *, unit: object = "second", **over: object) -> pa.Table:
    """The slope of the straight line of least squares, per ``unit``; columns as MEASURE_COLUMNS.  Raises UsageError."""
    return _of_stretches(reading, tags, frame(reading, **over), lambda found: slopes(found, str(unit)).fitted)


def deviation(reading: Reading, tags: object, **over: object) -> pa.Table:
    """The standard deviation over time; columns as MEASURE_COLUMNS.  Raises UsageError."""
    return _of_stretches(reading, tags, frame(reading, **over), standard_deviation)


def percentile(reading: Reading, tags: object, *, percents: object = (50,), **over: object) -> pa.Table:
    """What a tag was at or below for a share of the time, a row for each share; columns as PERCENTILE_COLUMNS.

    Raises UsageError.
    """
    wanted = [number("percents", each) for each in (percents if isinstance(percents, list | tuple) else [percents])]
    asked = frame(reading, **over)

    def answer(series: Series, frame_: Frame) -> dict[str, pa.Array]:
        found = weigh(series, frame_.windows, len(frame_.intervals), lambda cut: percentiles(cut, wanted))
        columns = [measured(each) for each in found]
        percent = column(np.repeat(np.array(wanted), len(found[0].value)), pa.float64())
        return {name: pa.concat_arrays([each[name] for each in columns]) for name in columns[0]} | {"percent": percent}

    return over_intervals(reading, tags, asked, answer, PERCENTILE_COLUMNS, times=len(wanted))


def _of_stretches(reading: Reading, tags: object, asked: Frame, measure: Callable[[Stretches], Measures]) -> pa.Table:
    def answer(series: Series, wanted: Frame) -> dict[str, pa.Array]:
        return measured(weigh(series, wanted.windows, len(wanted.intervals), measure))

    return over_intervals(reading, tags, asked, answer, MEASURE_COLUMNS)


def over_intervals(
    reading: Reading, tags: object, asked: Frame, answer: OfSeries, columns: pa.Schema, *, times: int = 1
) -> pa.Table:
    """A row for each tag and interval (``times`` of them) with what ``answer`` says of it.  Raises UsageError."""
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), asked.low_us, asked.high_us):
        count = len(rows) * len(asked.intervals)
        of_frame = asked.columns(reading, rows, np.tile(np.arange(count), times) if times > 1 else None)
        try:
            parts.append(pa.table(of_frame | answer(series, asked)))
        except UnusableValueError as error:
            raise UsageError(f"cannot answer: {error}") from error
    return concatenated(parts, columns)


def measured(found: Measures, name: str = "value") -> dict[str, pa.Array]:
    """The columns of measures: value, percent_good, quality, status."""
    codes, place = np.unique(found.status, return_inverse=True)
    kinds = codes.tolist()
    return {
        name: column(found.value, pa.float64(), missing=np.isnan(found.value)),
        "percent_good": column(found.percent_good, pa.float64(), missing=np.isnan(found.percent_good)),
        "quality": chosen_texts([severity(code).label for code in kinds], place),
        "status": chosen_texts([status_name(code) for code in kinds], place),
    }
