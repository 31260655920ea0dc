"""``plot``: the few points that draw lines as all samples would."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from historian.model.samples import IndexArray
from historian.retrieval.functions.arguments import count
from historian.retrieval.functions.columns import PLOT_COLUMNS
from historian.retrieval.functions.reading import Reading, concatenated, times
from historian.retrieval.questions.bounding import ValuesAt
from historian.retrieval.questions.plot import column_edges
from historian.retrieval.questions.plot import plot as points_of
from historian.retrieval.series import Series
from storage.arrays import column


def plot(reading: Reading, tags: object, start: object, end: object, pixels: object = 1000) -> pa.Table:
    """First, last, smallest and largest sample of each of ``pixels`` columns; columns as PLOT_COLUMNS.

    ``pixel`` counts from 0, -1 is the sample before the picture and ``pixels`` the one after it.  Raises UsageError.
    """
    start_us, end_us = sorted(reading.span_us(start, end))
    width = count("pixels", pixels)
    parts = [
        _points(reading, series, rows, (start_us, end_us, width))
        for rows, series in reading.blocks(reading.rows(tags), start_us, end_us)
    ]
    return concatenated(parts, PLOT_COLUMNS)


def _points(reading: Reading, series: Series, rows: IndexArray, picture: tuple[int, int, int]) -> pa.Table:
    found = points_of(series, *picture)
    pixel = np.searchsorted(column_edges(*picture), found.time_us, side="right") - 1
    columns = {"tag": reading.names(rows[found.tag]), "time": times(found.time_us)}
    columns |= reading.values(series, rows, ValuesAt(found.tag, found.time_us, found.row, found.value, found.status))
    return pa.table(columns | {"pixel": column(pixel.astype(np.int32), pa.int32())})
