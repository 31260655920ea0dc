"""Whole histories at once: which samples exception reporting and compression keep of them.

For imports, for what settings would do (``historian tune``), and for anything else that has its samples already.  It
keeps what the same samples would have left in the store had a device sent them, but for the cuts: a long lane goes
through the door in pieces beside one another, and a sample is kept at each cut.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.compression.doors import DoorRows, Doors, farthest, swing_to_the_end
from historian.compression.lanes import LaneSettings
from historian.compression.reports import REPORTED, SUPPRESSED, MarkArray, marks_of
from historian.compression.runs import runs_of
from historian.compression.series import LaneSeries, pieces
from historian.model.samples import BoolArray, FloatArray, IndexArray

LONGEST_PIECE: Final = 1024
"""Samples of one lane that go through a door in one go.  A million samples are 1,000 pieces then, beside one another,
and a sample takes a twentieth of what it takes alone.  Lines are joined over the cuts where they can be; where one in
100 is kept, the other cuts cost 3 % more.  Half of it costs 7 %, twice as much takes a tenth longer."""


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
    ends, must = stored.copy(), stored.copy()
    ends[anchor] = True
    # Where a lane begins and ends its pieces know by themselves.
    must[series.starts[:-1][np.diff(series.starts) > 0]] = False
    must[(series.starts[1:] - 1)[np.diff(series.starts) > 0]] = False
    rows = DoorRows(series.time_us, series.value, deviations(settings, series, marks), must)
    swing_to_the_end(rows, Doors.wide_open(rows, anchor, stop + 1, settings, source), ends)
    cuts = np.flatnonzero(source[1:] == source[:-1]) + 1
    # Of neighbours one after the other, so that no two lines are drawn anew that have something in common.
    for some in (cuts[::2], cuts[1::2]):
        known = ends.nonzero()[0]
        before = known[np.searchsorted(known, anchor[some]) - 1]
        doors = Doors.wide_open(rows, before, stop[some] + 1, settings, source[some])
        _join(ends, anchor[some], before, farthest(rows, doors, ends))
    return ends


def _join(ends: BoolArray, cut: IndexArray, before: IndexArray, far: IndexArray) -> None:
    """Leave out of ``ends`` what lies between ``before`` and ``far`` where that is behind the ``cut`` (intp[m] each).

    One line takes the place of two or more then, and the ends of the others are kept as they are.
    """
    better = far > cut
    inside = np.zeros(len(ends) + 1, np.int8)
    inside[before[better] + 1] += 1
    inside[far[better]] -= 1
    ends &= np.cumsum(inside[:-1], dtype=np.int8) == 0


def deviations(settings: LaneSettings, series: LaneSeries, marks: MarkArray) -> FloatArray | None:
    """float64[n]: how far the line may be from each number; None where it is ``comp_dev`` from all.

    ``comp_dev`` from what was reported, ``exc_dev`` more from what was not; that is as far as exception reporting alone
    may be, where there is no compression.  Where ``exc_min`` kept a report back there is no bound.
    """
    if np.isnan(settings.exc_dev).all():
        return None
    by_mark = np.full((3, len(settings)), np.inf)
    by_mark[REPORTED] = np.where(np.isnan(settings.comp_dev), 0.0, settings.comp_dev)
    with np.errstate(over="ignore"):
        by_mark[SUPPRESSED] = by_mark[REPORTED] + np.where(np.isnan(settings.exc_dev), 0.0, settings.exc_dev)
    return by_mark.reshape(-1).take(marks * np.intp(len(settings)) + series.lane_of_rows())
