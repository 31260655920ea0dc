"""Small examples for aggregates: a tag from a few samples, intervals from seconds, results as tuples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from historian.model.status import status_name
from historian.retrieval.aggregates import AggregateOptions, AggregateRows, Windows, aggregate
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series

SECOND = 1_000_000
BAD = 0x80000000

SampleOf = tuple[float, float | int | str | None, int]
"""Seconds, value, status; a Bad one has None, a whole number that a double would round is an int."""


def samples(*pairs: tuple[float, float | int | str | None]) -> list[SampleOf]:
    """Good samples, those without a value Bad."""
    return [(time, value, BAD if value is None else 0) for time, value in pairs]


def series(*tags: Sequence[SampleOf], stepped: bool = False, known_s: float | None = None) -> Series:
    """Tags, whose data end with their last sample or at ``known_s``."""
    rows = [row for tag in tags for row in tag]
    ends = [tag[-1][0] if tag else 0 for tag in tags]
    return Series(
        np.concatenate([[0], np.cumsum([len(tag) for tag in tags], dtype=np.intp)]).astype(np.intp),
        us(time for time, _, _ in rows),
        np.array([math.nan if value is None or isinstance(value, str) else float(value) for _, value, _ in rows]),
        np.array([status for _, _, status in rows], np.uint32),
        np.full(len(tags), stepped),
        us(ends if known_s is None else [known_s] * len(tags)),
        {row: value for row, (_, value, _) in enumerate(rows) if isinstance(value, int) and int(float(value)) != value},
        {row: value for row, (_, value, _) in enumerate(rows) if isinstance(value, str)},
    )


def us(seconds: Iterable[float]) -> np.ndarray:
    return np.array([round(second * SECOND) for second in seconds], np.int64)


def intervals(*edges: tuple[float, float], reverse: bool = False) -> Intervals:
    return Intervals(us(low for low, _ in edges), us(high for _, high in edges), reverse)


def every(start_s: float, end_s: float, step_s: float) -> Intervals:
    starts = np.arange(start_s, end_s, step_s)
    return intervals(*((low, min(low + step_s, end_s)) for low in starts))


def windows(*parts: tuple[int, float, float]) -> Windows:
    """The row and the seconds of each."""
    rows = np.array([row for row, _, _ in parts], np.intp)
    return Windows(rows, us(low for _, low, _ in parts), us(high for _, _, high in parts))


def ask(data: Series, what: Intervals, name: str, options: AggregateOptions | None = None, **more) -> AggregateRows:
    return aggregate(data, what, [name], options, **more)


def results(rows: AggregateRows) -> list[tuple[float | None, str, str]]:
    """Value, name of the status, and the bits as letters: C, I, P, M."""
    letters = zip("CIPM", (rows.calculated, rows.interpolated, rows.partial, rows.multiple), strict=True)
    bits = [[letter if each else "" for each in column] for letter, column in letters]
    return [
        (None if math.isnan(value) else value, status_name(int(status)), "".join(row))
        for value, status, row in zip(rows.value, rows.status, zip(*bits, strict=True), strict=True)
    ]
