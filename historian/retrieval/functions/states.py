"""Tags with states: ``time_in_state``, ``state_changes``, ``round_trip``.

``over`` are the parameters of :func:`.frame.frame`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray, Int64Array, Samples, take_extras
from historian.model.status import BAD_NO_DATA
from historian.retrieval.described import described
from historian.retrieval.functions.columns import ROUND_TRIP_COLUMNS, STATE_CHANGE_COLUMNS, TIME_IN_STATE_COLUMNS
from historian.retrieval.functions.frame import frame
from historian.retrieval.functions.reading import Reading, concatenated, times
from historian.retrieval.questions import round_trip as trips
from historian.retrieval.questions import state_changes as changes
from historian.retrieval.questions import time_in_state as stays
from historian.retrieval.series import Series
from storage.arrays import column

_SECOND_US: Final = 1e6


def time_in_state(reading: Reading, tags: object, **over: object) -> pa.Table:
    """How long and how often tags were in each state; columns as TIME_IN_STATE_COLUMNS.  Raises UsageError."""
    asked = frame(reading, **over)
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), asked.low_us, asked.high_us):
        found = stays.time_in_state(series, asked.windows, len(asked.intervals))
        tag = found.answer // len(asked.intervals)
        parts.append(
            pa.table({
                **asked.columns(reading, rows, found.answer),
                **_states(reading, series, rows[tag], found.row),
                "seconds": _seconds(found.duration_us),
                "percent": column(found.percent, pa.float64()),
                "entries": column(found.entries, pa.int64()),
                "stays": column(found.stays.count, pa.int64()),
                "shortest": _seconds(found.stays.shortest_us),
                "longest": _seconds(found.stays.longest_us),
                "average": _seconds(found.stays.average_us),
            })
        )  # fmt: skip
    return concatenated(parts, TIME_IN_STATE_COLUMNS)


def round_trip(reading: Reading, tags: object, **over: object) -> pa.Table:
    """The time from entering a state to entering it again; columns as ROUND_TRIP_COLUMNS.  Raises UsageError."""
    asked = frame(reading, **over)
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), asked.low_us, asked.high_us):
        found = trips.round_trip(series, asked.windows, len(asked.intervals))
        tag = found.answer // len(asked.intervals)
        parts.append(
            pa.table({
                **asked.columns(reading, rows, found.answer),
                **_states(reading, series, rows[tag], found.row),
                "trips": column(found.count, pa.int64()),
                "seconds": _seconds(found.total_us),
                "shortest": _seconds(found.shortest_us),
                "longest": _seconds(found.longest_us),
                "average": _seconds(found.average_us),
            })
        )  # fmt: skip
    return concatenated(parts, ROUND_TRIP_COLUMNS)


def state_changes(reading: Reading, tags: object, start: object, end: object) -> pa.Table:
    """Each change of state in [start, end); columns as STATE_CHANGE_COLUMNS.  Raises UsageError."""
    low_us, high_us = sorted(reading.span_us(start, end))
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), low_us, high_us):
        found = changes.state_changes(series, low_us, high_us)
        former = _states(reading, series, rows[found.tag], found.from_row)
        parts.append(
            pa.table({
                "tag": reading.names(rows[found.tag]),
                "time": times(found.time_us),
                **_states(reading, series, rows[found.tag], found.row),
                **{f"from_{name}": values for name, values in former.items()},
                "seconds": _seconds(found.lasted_us),
                "whole": column(found.was_seen_to_begin, pa.bool_()),
            })
        )  # fmt: skip
    return concatenated(parts, STATE_CHANGE_COLUMNS)


def _states(reading: Reading, series: Series, rows: IndexArray, sample: IndexArray) -> dict[str, pa.Array]:
    """``state`` and ``state_text`` of samples (-1: none) of the tags at ``rows``, and their status."""
    there = sample >= 0
    value: FloatArray = np.full(len(sample), np.nan)
    status = np.full(len(sample), BAD_NO_DATA, np.uint32)
    time_us = np.zeros(len(sample), np.int64)
    rows_there = sample[there]
    value[there], status[there] = series.value[rows_there], series.status[rows_there]
    time_us[there] = series.time_us[rows_there]
    samples = Samples(
        reading.tags.tag_id[rows], time_us, value, status,
        take_extras(series.exact, sample), take_extras(series.text, sample),
    )  # fmt: skip
    columns = described(samples, rows, reading.tags)
    return {"state": columns["value"], "state_text": columns["value_text"], "status": columns["status"]}


def _seconds(length_us: Int64Array | FloatArray) -> pa.Array:
    seconds = np.asarray(length_us, np.float64) / _SECOND_US
    return column(seconds, pa.float64(), missing=np.isnan(seconds))
