"""A trend in the terminal, in braille letters: eight dots each, so 80 columns are 160 points wide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

import click
import numpy as np

from cli.axis import full_label, padded, time_ticks, value_label, value_ticks
from historian.model.samples import FloatArray
from historian.retrieval.time_range import TimeRange
from historian.retrieval.trend_lines import TrendLine

COLOURS: Final = ("cyan", "yellow", "green", "magenta", "red", "blue")
DOTS_ACROSS: Final = 2
DOTS_DOWN: Final = 4
_BLANK: Final = 0x2800
_BITS: Final = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.int64)
"""Bit of each dot of a braille letter, by row and column (Unicode, Braille Patterns)."""

LEAST_ROWS: Final = 4


class Canvas:
    """``width`` x ``height`` braille letters with a colour each."""

    def __init__(self, width: int, height: int) -> None:
        self.dots = np.zeros((height, width), np.int64)
        self.colour = np.full((height, width), -1, np.int64)

    def line(self, x: FloatArray, y: FloatArray, colour: int) -> None:
        """A line through points given in dots from the upper left corner."""
        if len(x) == 1:
            self._set(np.round(x).astype(np.int64), np.round(y).astype(np.int64), colour)
            return
        for number in range(len(x) - 1):
            # A loop over the points of a picture, which are as few as its columns.
            steps = int(max(abs(x[number + 1] - x[number]), abs(y[number + 1] - y[number]))) + 2
            self._set(
                np.round(np.linspace(x[number], x[number + 1], steps)).astype(np.int64),
                np.round(np.linspace(y[number], y[number + 1], steps)).astype(np.int64),
                colour,
            )

    def _set(self, x: np.ndarray, y: np.ndarray, colour: int) -> None:
        height, width = self.dots.shape
        x, y = np.clip(x, 0, width * DOTS_ACROSS - 1), np.clip(y, 0, height * DOTS_DOWN - 1)
        np.bitwise_or.at(self.dots, (y // DOTS_DOWN, x // DOTS_ACROSS), _BITS[y % DOTS_DOWN, x % DOTS_ACROSS])
        self.colour[y // DOTS_DOWN, x // DOTS_ACROSS] = colour

    def row(self, number: int) -> str:
        """One row of letters, with their colours."""
        letters = zip(self.dots[number].tolist(), self.colour[number].tolist(), strict=True)
        return "".join(
            click.style(chr(_BLANK + bits), fg=COLOURS[colour % len(COLOURS)]) if bits else " "
            for bits, colour in letters
        )


def panels(lines: Sequence[TrendLine], *, coloured: bool) -> list[list[TrendLine]]:
    """Which lines share an axis: those of the same units; without colours, which tell them apart, each has its own."""
    if not coloured:
        return [[line] for line in lines]
    groups: dict[tuple[str, bool], list[TrendLine]] = {}
    for line in lines:
        groups.setdefault((line.units, line.is_step), []).append(line)
    return list(groups.values())


def render(
    lines: Sequence[TrendLine], span: TimeRange, zone: tzinfo, width: int, height: int, *, coloured: bool
) -> str:
    """The whole picture: a panel for each of the units, and one axis of time below."""
    groups = panels(lines, coloured=coloured)
    rows = max((height - 2) // len(groups) - 1, LEAST_ROWS)
    scales = [_scale(group, rows) for group in groups]
    margin = max(len(label) for _, _, labels in scales for label in labels.values())
    across = max(width - margin - 2, 8)
    colours = {line.tag: number for number, line in enumerate(lines)}
    parts = [
        _panel(group, span, scale, (margin, across, rows), colours) for group, scale in zip(groups, scales, strict=True)
    ]
    return "\n".join([*parts, *_time_axis(span, zone, margin, across)])


def _scale(lines: Sequence[TrendLine], rows: int) -> tuple[float, float, dict[int, str]]:
    """Range of the values, and the label of each row that has one."""
    limits = [limit for line in lines for limit in (line.limits or ())]
    low, high = padded(min(limits), max(limits)) if limits else (0.0, 1.0)
    ticks = value_ticks(low, high, max(rows // 2, 2))
    labels = {round((high - tick) / (high - low) * (rows - 1)): value_label(tick, ticks) for tick in ticks}
    return low, high, labels


def _panel(
    lines: Sequence[TrendLine],
    span: TimeRange,
    scale: tuple[float, float, dict[int, str]],
    size: tuple[int, int, int],
    colours: dict[str, int],
) -> str:
    low, high, labels = scale
    margin, across, rows = size
    canvas = Canvas(across, rows)
    for line in lines:
        _draw(canvas, line, span, (low, high), colours[line.tag])
    drawn = [
        f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}{canvas.row(row)}".rstrip()
        for row in range(rows)
    ]
    return "\n".join([" " * (margin + 1) + _legend(lines, colours), *drawn])


def _legend(lines: Sequence[TrendLine], colours: dict[str, int]) -> str:
    names = [click.style(_name(line), fg=COLOURS[colours[line.tag] % len(COLOURS)], bold=True) for line in lines]
    return "  ".join(names)


def _name(line: TrendLine) -> str:
    empty = "" if line.pieces else " (no good data in this time)"
    return f"{line.tag}{f' [{line.units}]' if line.units else ''}{empty}"


def _draw(canvas: Canvas, line: TrendLine, span: TimeRange, limits: tuple[float, float], colour: int) -> None:
    height, width = canvas.dots.shape
    for piece in line.pieces:
        x = (piece.time_us - span.start_us) / (span.end_us - span.start_us) * (width * DOTS_ACROSS - 1)
        y = (limits[1] - piece.value) / (limits[1] - limits[0]) * (height * DOTS_DOWN - 1)
        if line.is_step:
            x, y = staircase(x, y)
        canvas.line(x, y, colour)


def staircase(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same points with a corner between each two: across first, then up or down."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]


def _time_axis(span: TimeRange, zone: tzinfo, margin: int, across: int) -> list[str]:
    ruler, text = ["─"] * across, [" "] * (across + 8)
    free = 0
    for time_us, label in time_ticks(span.start_us, span.end_us, max(across // 12, 1), zone):
        place = round((time_us - span.start_us) / (span.end_us - span.start_us) * (across - 1))
        left = max(place - len(label) // 2, 0)
        if left < free or left + len(label) > len(text):
            continue
        ruler[place] = "┬"
        text[left : left + len(label)] = label
        free = left + len(label) + 2
    blank = " " * (margin + 1)
    ends = f"{full_label(span.start_us, zone)} to {full_label(span.end_us, zone)} {zone}"
    return [f"{blank}└{''.join(ruler)}", f"{blank} {''.join(text).rstrip()}", f"{blank} {ends}"]
