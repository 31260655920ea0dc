"""Whole histories at once: which samples exception reporting and compression keep of them.

For imports, for what settings would do (``historian tune``), and for anything else that has its samples already.  It
keeps what the same samples would have left in the store had a device sent them, but for the cuts: a long lane goes
through the door in pieces beside one another, and a sample is kept at each cut.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.compression.doors import DoorRows, Doors, swing
from historian.compression.lanes import LaneSettings
from historian.compression.reports import REPORTED, SUPPRESSED, MarkArray, marks_of
from historian.compression.runs import runs_of
from historian.compression.series import LaneSeries, pieces
from historian.model.samples import BoolArray, FloatArray, IndexArray

LONGEST_PIECE: Final = 2048
"""Samples of one lane that go through a door in one go.  With 2,000 lines beside one another a sample takes a tenth of
what it takes alone; one sample more in 2,000 is the price."""


def kept(series: LaneSeries, settings: LaneSettings, *, longest_piece: int = LONGEST_PIECE) -> BoolArray:
    """bool[n]: the samples that stay, the first and the last of each lane among them, and one every ``longest_piece``.

    ``settings`` are those of the lanes, in their order.  The bound is that of docs/explanation/compression.md.  Raises
    ValueError where times do not increase, and for settings of another number of lanes.
    """
    if len(settings) != series.lanes():
        raise ValueError(
            f"cannot compress {series.lanes()} lanes: got settings of {len(settings)}, wanted one for each lane"
        )
    series.require_increasing()
    marks = marks_of(series, settings)
    runs = runs_of(series, settings, marks, final=True)
    if not runs.on_line.any():
        return runs.stored
    rows = np.flatnonzero(runs.on_line)
    stored: BoolArray = runs.stored.copy()
    stored[rows] = _through_the_door(series.take(rows), settings, marks[rows], runs.stored[rows], longest_piece)
    return stored


def _through_the_door(
    series: LaneSeries, settings: LaneSettings, marks: MarkArray, stored: BoolArray, longest_piece: int
) -> BoolArray:
    """bool[n]: where lines begin or end; all of ``series`` are numbers on lines, the first of each lane is stored."""
    source, anchor, stop = pieces(series.starts[:-1], series.starts[1:] - 1, longest_piece)
    ends = stored.copy()
    ends[anchor] = True
    ends[stop] = True
    lane = series.lane_of_rows()
    rows = DoorRows.of(series.time_us, series.value, deviations(settings, lane, marks), ends.copy())
    swing(rows, Doors.wide_open(rows, anchor, stop + 1, settings, source), ends)
    return ends


def deviations(settings: LaneSettings, lane: IndexArray, marks: MarkArray) -> FloatArray:
    """float64[n]: how far the line may be from each number.

    ``comp_dev`` from what was reported, ``exc_dev`` more from what was not; that is as far as exception reporting alone
    may be, where there is no compression.  Where ``exc_min`` kept a report back there is no bound.
    """
    comp_dev = np.where(np.isnan(settings.comp_dev), 0.0, settings.comp_dev)
    if np.isnan(settings.exc_dev).all():
        return comp_dev.take(lane)
    by_mark = np.full((3, len(settings)), np.inf)
    by_mark[REPORTED] = comp_dev
    with np.errstate(over="ignore"):
        by_mark[SUPPRESSED] = comp_dev + np.where(np.isnan(settings.exc_dev), 0.0, settings.exc_dev)
    return by_mark.reshape(-1).take(marks * np.intp(len(settings)) + lane)
