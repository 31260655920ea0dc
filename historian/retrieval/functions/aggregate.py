"""``aggregate``: the aggregates of OPC UA Part 13 under their names, several in one pass."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from historian.model.samples import IndexArray
from historian.model.status import severity, status_name
from historian.retrieval.aggregates import AggregateOptions, AggregateRows, Notes
from historian.retrieval.aggregates import aggregate as aggregates_of
from historian.retrieval.functions.arguments import number, switch, texts
from historian.retrieval.functions.columns import AGGREGATE_COLUMNS
from historian.retrieval.functions.frame import Frame, frame
from historian.retrieval.functions.reading import Reading, concatenated, times
from historian.retrieval.series import Series
from storage.arrays import chosen_texts, column, numpy_of, whole_numbers


def aggregate(
    reading: Reading,
    tags: object,
    *,
    aggregates: object = "TimeAverage",
    stepped: object = None,
    treat_uncertain_as_bad: object = True,
    percent_good: object = 100.0,
    percent_bad: object = 100.0,
    sloped_extrapolation: object = False,
    **over: object,
) -> pa.Table:
    """Aggregates of tags over intervals; columns as AGGREGATE_COLUMNS, by tag, interval and aggregate.

    ``over`` are the parameters of :func:`.frame.frame`, the others those of
    :class:`historian.retrieval.aggregates.AggregateOptions`.  Raises UsageError.
    """
    names = texts("aggregates", aggregates)
    options = AggregateOptions(
        None if stepped is None else switch("stepped", stepped),
        switch("treat_uncertain_as_bad", treat_uncertain_as_bad),
        number("percent_good", percent_good),
        number("percent_bad", percent_bad),
        switch("sloped_extrapolation", sloped_extrapolation),
    )
    asked = frame(reading, **over)
    as_bad = options.treat_uncertain_as_bad
    parts = [
        rows_of(reading, rows, asked, names, aggregated(reading, (rows, series), asked, names, options))
        for rows, series in reading.blocks(reading.rows(tags), asked.low_us, asked.high_us, uncertain_as_bad=as_bad)
    ]
    return concatenated(parts, AGGREGATE_COLUMNS)


def aggregated(
    reading: Reading,
    block: tuple[IndexArray, Series],
    asked: Frame,
    names: list[str],
    options: AggregateOptions,
) -> AggregateRows:
    """The aggregates ``names`` of a block of tags: their rows and their samples.  Raises UsageError."""
    rows, series = block
    notes = _notes(reading, rows) if "AnnotationCount" in names else None
    return aggregates_of(series, asked.intervals, names, options, windows=asked.windows, notes=notes)


def _notes(reading: Reading, rows: IndexArray) -> Notes:
    """What people noted on the tags at ``rows``."""
    notes = reading.snapshot.annotations
    tag_id, start_us = numpy_of(notes.column("tag_id"), np.int32), numpy_of(notes.column("start"), np.int64)
    wanted = reading.tags.tag_id[rows]
    order = np.argsort(wanted, kind="stable")
    place = order[np.minimum(np.searchsorted(wanted[order], tag_id), len(rows) - 1)]
    mine = np.flatnonzero(wanted[place] == tag_id)
    mine = mine[np.lexsort((start_us[mine], place[mine]))]
    return Notes(np.searchsorted(place[mine], np.arange(len(rows) + 1)), start_us[mine])


def rows_of(reading: Reading, rows: IndexArray, asked: Frame, names: list[str], found: AggregateRows) -> pa.Table:
    """``found`` with names; columns as AGGREGATE_COLUMNS."""
    codes, kind = np.unique(found.status, return_inverse=True)
    kinds = codes.tolist()
    labels = asked.labels or (None,)
    whole = np.fromiter(found.exact, np.int64, len(found.exact))
    place = np.full(len(found), -1, np.int64)
    place[whole] = np.arange(len(whole))
    numbers = whole_numbers(list(found.exact.values()), AGGREGATE_COLUMNS.field("value_int").type)
    columns = {
        "tag": reading.names(rows[found.tag]),
        "time": times(found.time_us),
        "end": times(found.end_us),
        "label": chosen_texts(labels, found.interval if asked.labels else np.zeros(len(found), np.intp)),
        "aggregate": chosen_texts(names, found.aggregate),
        "value": column(found.value, pa.float64(), missing=np.isnan(found.value)),
        "value_int": numbers.take(column(place, pa.int64(), missing=place < 0)),
        "value_text": _texts(found),
        "quality": chosen_texts([severity(code).label for code in kinds], kind),
        "status": chosen_texts([status_name(code) for code in kinds], kind),
        "percent_good": column(found.percent_good, pa.float64(), missing=np.isnan(found.percent_good)),
        "calculated": column(found.calculated, pa.bool_()),
        "interpolated": column(found.interpolated, pa.bool_()),
        "partial": column(found.partial, pa.bool_()),
        "multiple": column(found.multiple, pa.bool_()),
    }
    return pa.table(columns).select(AGGREGATE_COLUMNS.names)


def _texts(found: AggregateRows) -> pa.Array:
    place = np.zeros(len(found), np.intp)
    place[np.fromiter(found.text, np.intp, len(found.text))] = np.arange(1, len(found.text) + 1)
    return chosen_texts([None, *found.text.values()], place)
