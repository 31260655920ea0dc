"""Questions over intervals asked block by block, so that what is in between needs little memory.

A year of a tag at 1 Hz is 31 million samples, and a question makes some twenty columns of them on its way to a few
thousand rows.  In blocks of 1 MB a column the same answer takes some two thirds of the time, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import IndexArray
from historian.model.status import is_bad
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows

BLOCK: Final = 131_072
"""Samples of a block, about."""

T = TypeVar("T")
ExtraT = TypeVar("ExtraT", int, str)

Ask: TypeAlias = Callable[[Series, Windows, int], T]
"""A question of a series, in windows, of a number of intervals.

The answer is a dataclass of columns or a tuple of such, in which ``answer`` is a row of the answer and ``row`` one of
the series.
"""


@dataclass(frozen=True, slots=True)
class _Block:
    """Tags [first_tag, end_tag) in the intervals [first, end), and the rows [low, high) that decide the answer."""

    first_tag: int
    end_tag: int
    first: int
    end: int
    low: int
    high: int


def in_blocks(series: Series, windows: Windows, intervals: int, ask: Ask[T], *, block: int = BLOCK) -> T:
    """What ``ask`` says of all of ``series`` and ``windows``, from what it says of their parts.

    Each part has the samples that its answers depend on, as a series of that range read from the store would; some
    ``block`` of them, where intervals are in the order of time.
    """
    blocks = list(_blocks(series, windows, intervals, block)) if len(series.time_us) > 2 * block else []
    if len(blocks) < 2:
        return ask(series, windows, intervals)
    cut = _Cutter.of(series, windows)
    parts = [ask(cut.series(part), cut.windows(part), part.end - part.first) for part in blocks]
    shifts = [{"answer": part.first_tag * intervals + part.first, "row": part.low} for part in blocks]
    joined: T = _joined(parts, shifts)
    return joined


def _blocks(series: Series, windows: Windows, intervals: int, block: int) -> Iterator[_Block]:
    """Whole tags together where they have few samples; parts of the intervals of one that has many."""
    starts = series.starts.tolist()
    usable = np.flatnonzero(~is_bad(series.status))
    tag = 0
    while tag < len(series):
        end = tag + 1
        while end < len(series) and starts[end + 1] - starts[tag] <= block:
            end += 1
        if starts[end] - starts[tag] <= 2 * block:
            yield _Block(tag, end, 0, intervals, starts[tag], starts[end])
        else:
            yield from _of_one_tag(series, tag, windows, _cuts(series, tag, windows, intervals, block), usable)
        tag = end


def _cuts(series: Series, tag: int, windows: Windows, intervals: int, block: int) -> list[int]:
    """Between which intervals some ``block`` samples of ``tag`` are; none where they are not in the order of time."""
    times = series.time_us[series.starts[tag] : series.starts[tag + 1]]
    low, high = times.searchsorted(windows.start_us), times.searchsorted(windows.end_us)
    if np.any(low[1:] < low[:-1]) and np.any(low[1:] > low[:-1]):
        return [0, intervals]
    full = np.cumsum(high - low) // block
    cuts = np.unique(windows.row[1:][full[1:] > full[:-1]])
    return [0, *cuts[cuts > 0].tolist(), intervals]


def _of_one_tag(series: Series, tag: int, windows: Windows, cuts: list[int], usable: IndexArray) -> Iterator[_Block]:
    begin, stop = int(series.starts[tag]), int(series.starts[tag + 1])
    times = series.time_us[begin:stop]
    for first, end in pairwise(cuts):
        part = slice(*np.searchsorted(windows.row, [first, end]).tolist())
        if part.start == part.stop:
            yield _Block(tag, tag + 1, first, end, begin, begin)
            continue
        low = begin + int(times.searchsorted(windows.start_us[part].min()))
        high = begin + int(times.searchsorted(windows.end_us[part].max()))
        # With the sample after them, where the last line leads to.
        yield _Block(tag, tag + 1, first, end, max(_before(low, usable), begin), min(high + 1, stop))


def _before(row: int, usable: IndexArray) -> int:
    """The last usable row before ``row``, the one next to it where there is none."""
    place = int(np.searchsorted(usable, row))
    return int(usable[place - 1]) if place else row - 1


@dataclass(frozen=True, slots=True)
class _Cutter:
    """A series and windows to be cut; ``exact`` and ``text`` are the rows of the series' in ascending order."""

    whole: Series
    all_windows: Windows
    exact: IndexArray
    text: IndexArray

    @classmethod
    def of(cls, series: Series, windows: Windows) -> _Cutter:
        return cls(series, windows, *(np.sort(np.fromiter(each, np.intp)) for each in (series.exact, series.text)))

    def series(self, block: _Block) -> Series:
        """The samples of ``block``; data end with them where the tag has more."""
        whole, low, high = self.whole, block.low, block.high
        tags = slice(block.first_tag, block.end_tag)
        starts = np.clip(whole.starts[block.first_tag : block.end_tag + 1], low, high) - low
        known_us = whole.known_us[tags]
        if low < high < whole.starts[block.end_tag]:
            known_us = whole.time_us[high - 1 : high]
        return Series(
            starts,
            whole.time_us[low:high],
            whole.value[low:high],
            whole.status[low:high],
            whole.stepped[tags],
            known_us,
            _part(whole.exact, self.exact, low, high),
            _part(whole.text, self.text, low, high),
        )

    def windows(self, block: _Block) -> Windows:
        """The windows of ``block``, whose intervals count from its first."""
        part = slice(*np.searchsorted(self.all_windows.row, [block.first, block.end]).tolist())
        row, start_us, end_us = self.all_windows.row, self.all_windows.start_us, self.all_windows.end_us
        return Windows(row[part] - block.first, start_us[part], end_us[part])


def _part(extras: Mapping[int, ExtraT], rows: IndexArray, low: int, high: int) -> dict[int, ExtraT]:
    """Of ``extras`` by row those in [low, high), counted from ``low``."""
    a, b = np.searchsorted(rows, [low, high])
    return {row - low: extras[row] for row in rows[a:b].tolist()}


def _joined(parts: Sequence[Any], shifts: Sequence[Mapping[str, int]]) -> Any:  # noqa: ANN401 - any columns
    """The columns of all ``parts`` one after the other, those that are numbers of rows counted from the first."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(each, shifts) for each in zip(*parts, strict=True))
    columns = {}
    for each in fields(parts[0]):
        values = [getattr(part, each.name) for part in parts]
        if is_dataclass(values[0]):
            columns[each.name] = _joined(values, shifts)
        else:
            moved = [_shifted(one, shift.get(each.name, 0)) for one, shift in zip(values, shifts, strict=True)]
            columns[each.name] = np.concatenate(moved)
    return replace(parts[0], **columns)


def _shifted(column: NDArray[Any], by: int) -> NDArray[Any]:
    """``column`` moved up, but for the -1 that means none."""
    return np.where(column < 0, column, column + by) if by else column
