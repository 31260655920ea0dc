"""A question in portions, so that what is worked out for each piece of time fits into memory and into caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from historian.retrieval.aggregates.notes import Notes
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

ExtraT = TypeVar("ExtraT")

PIECES: Final = 131_072
"""Pieces of time at once.  Each takes some 0.5 kB while it is worked on."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some tags from ``tag`` on and some intervals from ``interval`` on, all of the tags or all of the intervals."""

    tag: int
    interval: int
    series: Series
    intervals: Intervals
    windows: Windows
    notes: Notes | None


def portions(series: Series, intervals: Intervals, windows: Windows, notes: Notes | None) -> Iterator[Portion]:
    """By tag and interval; several tags at once, or of one tag several intervals."""
    pieces = max(len(windows), len(intervals), 1)
    tags = max(PIECES // pieces, 1)
    rows = max(PIECES * len(intervals) // pieces, 1)
    for tag in range(0, len(series), tags):
        of_tags = _tags(series, tag, tag + tags) if tags < len(series) else series
        notes_on = None if notes is None else _notes(notes, tag, tag + tags)
        for row in range(0, len(intervals), rows):
            some = intervals if rows >= len(intervals) else _intervals(intervals, row, row + rows)
            parts = windows if rows >= len(intervals) else _windows(windows, row, row + rows)
            yield Portion(tag, row, of_tags, some, parts, notes_on)


def _tags(series: Series, first: int, stop: int) -> Series:
    """The tags [first, stop); columns are not copied."""
    starts = series.starts[first : stop + 1]
    low, high = int(starts[0]), int(starts[-1])
    return Series(
        starts - low,
        series.time_us[low:high],
        series.value[low:high],
        series.status[low:high],
        series.stepped[first:stop],
        series.known_us[first:stop],
        _extras(series.exact, low, high),
        _extras(series.text, low, high),
    )


def _extras(extras: Mapping[int, ExtraT], low: int, high: int) -> dict[int, ExtraT]:
    return {row - low: extra for row, extra in extras.items() if low <= row < high}


def _notes(notes: Notes, first: int, stop: int) -> Notes:
    return Notes(notes.starts[first : stop + 1], notes.time_us)


def _intervals(intervals: Intervals, first: int, stop: int) -> Intervals:
    return Intervals(intervals.start_us[first:stop], intervals.end_us[first:stop], intervals.reverse)


def _windows(windows: Windows, first: int, stop: int) -> Windows:
    low, high = np.searchsorted(windows.row, [first, stop])
    return Windows(windows.row[low:high] - first, windows.start_us[low:high], windows.end_us[low:high])
