"""Our aggregates as the published vectors want to call them: one data set, one aggregate, times and statuses by name.

The vectors' own runner takes ``compute`` too::

    PYTHONPATH=tests python ../shared/vectors/check_vectors.py support.aggregate_vectors:compute
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from historian.model.status import status_code, status_name
from historian.retrieval.aggregates import AggregateOptions, Notes, aggregate
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESOLUTION_US = 1000  # the tables of the standard are in milliseconds

Dataset = Mapping[str, Any]


def compute(dataset: Dataset, name: str, start: datetime, end: datetime, interval_ms: int) -> Iterator[dict[str, Any]]:
    """The rows of one aggregate over a data set, in the runner's words."""
    settings = dataset["config"]
    options = AggregateOptions(
        None,
        settings["TreatUncertainAsBad"],
        settings["PercentDataGood"],
        settings["PercentDataBad"],
        settings["UseSlopedExtrapolation"],
        RESOLUTION_US,
    )
    intervals = intervals_of(us(start), us(end), interval_ms * 1000)
    rows = aggregate(series_of(dataset), intervals, [name], options, notes=notes_of(dataset))
    for row, value in enumerate(rows.value):
        is_status = name.startswith("WorstQuality") and not np.isnan(value)
        yield {
            "t": EPOCH + timedelta(microseconds=int(rows.time_us[row])),
            "value": status_name(int(value)) if is_status else value,
            "status": status_name(int(rows.status[row])),
            "calculated": rows.calculated[row],
            "interpolated": rows.interpolated[row],
            "partial": rows.partial[row],
            "multi": rows.multiple[row],
        }


def us(moment: datetime | str) -> int:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return (moment - EPOCH) // timedelta(microseconds=1)


def series_of(dataset: Dataset) -> Series:
    samples = dataset["samples"]
    times = np.array([us(each["t"]) for each in samples])
    values = np.array([np.nan if each["value"] is None else float(each["value"]) for each in samples])
    status = np.array([status_code(each["status"]) for each in samples], np.uint32)
    stepped = np.array([dataset["config"]["Stepped"]])
    return Series(np.array([0, len(times)]), times, values, status, stepped, times[-1:])


def notes_of(dataset: Dataset) -> Notes:
    times = np.array([us(each["t"]) for each in dataset["annotations"]], np.int64)
    return Notes(np.array([0, len(times)]), times)


def intervals_of(start_us: int, end_us: int, step_us: int) -> Intervals:
    """From the earlier edge upwards, or (start later than end) from the later one downwards."""
    low, high = min(start_us, end_us), max(start_us, end_us)
    step_us = step_us or high - low
    if start_us > end_us:
        later = np.arange(high, low, -step_us)
        return Intervals(np.maximum(later - step_us, low), later, reverse=True)
    earlier = np.arange(low, high, step_us)
    return Intervals(earlier, np.minimum(earlier + step_us, high))
