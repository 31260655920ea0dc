"""A trend as a picture: a panel for each of the units, one below the other, and one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

import numpy as np

from cli.axis import full_label, padded, time_ticks, value_label, value_ticks
from cli.scene import Label, Line, Scene
from cli.trend_text import panels, staircase
from historian.retrieval.time_range import TimeRange
from historian.retrieval.trend_lines import TrendLine

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart."""

LETTER: Final = 7
"""The width of a letter on average, in pixels; a legend and a margin need no better."""

LEFT: Final = 70
RIGHT: Final = 15
TOP: Final = 24
BOTTOM: Final = 40
GAP: Final = 26
_FRAME: Final = "#999999"
_GRID: Final = "#e6e6e6"


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all panels share: the picture, its axis of time, and where the panels begin on the left, in pixels."""

    scene: Scene
    span: TimeRange
    zone: tzinfo
    left: float

    @property
    def right(self) -> float:
        return self.scene.width - RIGHT

    def across(self, time_us: float) -> float:
        """Where a time is, in pixels from the left."""
        return self.left + (time_us - self.span.start_us) * self.per_us

    @property
    def per_us(self) -> float:
        return (self.right - self.left) / (self.span.end_us - self.span.start_us)

    def times(self) -> list[tuple[int, str]]:
        """The ticks of the axis of time."""
        most = max(int(self.right - self.left) // 90, 1)
        return time_ticks(self.span.start_us, self.span.end_us, most, self.zone)


def draw(lines: Sequence[TrendLine], span: TimeRange, zone: tzinfo, width: int, height: int) -> Scene:
    """The picture of ``lines`` over ``span``."""
    scene = Scene(width, height)
    groups = panels(lines, coloured=True)
    colours = {line.tag: COLOURS[number % len(COLOURS)] for number, line in enumerate(lines)}
    each = (height - TOP - BOTTOM - GAP * (len(groups) - 1)) / len(groups)
    longest = max((len(label) for group in groups for _, label in _ticks(_limits(group), each)), default=0)
    frame = _Frame(scene, span, zone, max(LEFT, longest * LETTER + 12))
    for number, group in enumerate(groups):
        top = TOP + number * (each + GAP)
        _panel(frame, group, (top, top + each), colours)
    _time_labels(frame)
    return scene


def _limits(lines: Sequence[TrendLine]) -> tuple[float, float]:
    limits = [limit for line in lines for limit in (line.limits or ())]
    return padded(min(limits), max(limits)) if limits else (0.0, 1.0)


def _ticks(limits: tuple[float, float], height: float) -> list[tuple[float, str]]:
    ticks = value_ticks(*limits, max(int(height / 30), 2))
    return [(tick, value_label(tick, ticks)) for tick in ticks]


def _panel(frame: _Frame, lines: Sequence[TrendLine], place: tuple[float, float], colours: dict[str, str]) -> None:
    (top, bottom), (low, high) = place, _limits(lines)
    _grid(frame, place, (low, high))
    for line in lines:
        for piece in line.pieces:
            x = frame.left + (piece.time_us - frame.span.start_us).astype(np.float64) * frame.per_us
            y = bottom - (piece.value - low) / (high - low) * (bottom - top)
            if line.is_step:
                x, y = staircase(x, y)
            frame.scene.lines.append(Line(list(zip(x.tolist(), y.tolist(), strict=True)), colours[line.tag], 1.5))
    _legend(frame, lines, top, colours)


def _grid(frame: _Frame, place: tuple[float, float], limits: tuple[float, float]) -> None:
    scene, (top, bottom), (low, high) = frame.scene, place, limits
    left, right = frame.left, frame.right
    for tick, label in _ticks(limits, bottom - top):
        y = bottom - (tick - low) / (high - low) * (bottom - top)
        scene.lines.append(Line([(left, y), (right, y)], _GRID))
        scene.labels.append(Label(left - 6, y + 4, label, anchor="end"))
    for time_us, _ in frame.times():
        x = frame.across(time_us)
        scene.lines.append(Line([(x, top), (x, bottom)], _GRID))
    scene.lines.append(Line([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], _FRAME))


def _time_labels(frame: _Frame) -> None:
    scene, span, zone = frame.scene, frame.span, frame.zone
    base = scene.height - BOTTOM + 16
    for time_us, text in frame.times():
        scene.labels.append(Label(frame.across(time_us), base, text, anchor="middle"))
    ends = f"{full_label(span.start_us, zone)} to {full_label(span.end_us, zone)} {zone}"
    scene.labels.append(Label(frame.right, scene.height - 8, ends, anchor="end"))


def _legend(frame: _Frame, lines: Sequence[TrendLine], top: float, colours: dict[str, str]) -> None:
    scene, x = frame.scene, frame.left
    for line in lines:
        empty = "" if line.pieces else " (no good data in this time)"
        text = f"{line.tag}{f' [{line.units}]' if line.units else ''}{empty}"
        scene.lines.append(Line([(x, top - 10), (x + 14, top - 10)], colours[line.tag], 2.5))
        scene.labels.append(Label(x + 18, top - 6, text))
        x += 18 + len(text) * LETTER + 16
