"""A trend as a picture: a panel for each of the units, one below the other, and one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from cli.axis import full_label, padded, time_ticks, value_label, value_ticks
from cli.scene import Label, Line, Scene
from cli.trend_text import panels, staircase
from historian.retrieval.time_range import TimeRange
from historian.retrieval.trend_lines import TrendLine

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart."""

LEFT: Final = 70
RIGHT: Final = 15
TOP: Final = 24
BOTTOM: Final = 40
GAP: Final = 26
_FRAME: Final = "#999999"
_GRID: Final = "#e6e6e6"


def draw(lines: Sequence[TrendLine], span: TimeRange, zone: tzinfo, width: int, height: int) -> Scene:
    """The picture of ``lines`` over ``span``."""
    scene = Scene(width, height)
    groups = panels(lines, coloured=True)
    colours = {line.tag: COLOURS[number % len(COLOURS)] for number, line in enumerate(lines)}
    each = (height - TOP - BOTTOM - GAP * (len(groups) - 1)) / len(groups)
    for number, group in enumerate(groups):
        top = TOP + number * (each + GAP)
        _panel(scene, group, span, zone, place=(top, top + each), colours=colours)
    _time_labels(scene, span, zone)
    return scene


def _across(scene: Scene, span: TimeRange, time_us: float) -> float:
    return LEFT + (time_us - span.start_us) / (span.end_us - span.start_us) * (scene.width - LEFT - RIGHT)


def _panel(
    scene: Scene,
    lines: Sequence[TrendLine],
    span: TimeRange,
    zone: tzinfo,
    *,
    place: tuple[float, float],
    colours: dict[str, str],
) -> None:
    top, bottom = place
    limits = [limit for line in lines for limit in (line.limits or ())]
    low, high = padded(min(limits), max(limits)) if limits else (0.0, 1.0)
    _grid(scene, span, zone, place, (low, high))
    for line in lines:
        for piece in line.pieces:
            x = LEFT + (piece.time_us - span.start_us) / (span.end_us - span.start_us) * (scene.width - LEFT - RIGHT)
            y = bottom - (piece.value - low) / (high - low) * (bottom - top)
            if line.is_step:
                x, y = staircase(x, y)
            scene.lines.append(Line(list(zip(x.tolist(), y.tolist(), strict=True)), colours[line.tag], 1.5))
    _legend(scene, lines, top, colours)


def _grid(scene: Scene, span: TimeRange, zone: tzinfo, place: tuple[float, float], limits: tuple[float, float]) -> None:
    (top, bottom), (low, high) = place, limits
    right = scene.width - RIGHT
    ticks = value_ticks(low, high, max(int((bottom - top) / 30), 2))
    for tick in ticks:
        y = bottom - (tick - low) / (high - low) * (bottom - top)
        scene.lines.append(Line([(LEFT, y), (right, y)], _GRID))
        scene.labels.append(Label(LEFT - 6, y + 4, value_label(tick, ticks), anchor="end"))
    for time_us, _ in _times(scene, span, zone):
        x = _across(scene, span, time_us)
        scene.lines.append(Line([(x, top), (x, bottom)], _GRID))
    scene.lines.append(Line([(LEFT, top), (right, top), (right, bottom), (LEFT, bottom), (LEFT, top)], _FRAME))


def _times(scene: Scene, span: TimeRange, zone: tzinfo) -> list[tuple[int, str]]:
    return time_ticks(span.start_us, span.end_us, max((scene.width - LEFT - RIGHT) // 90, 1), zone)


def _time_labels(scene: Scene, span: TimeRange, zone: tzinfo) -> None:
    base = scene.height - BOTTOM + 16
    for time_us, text in _times(scene, span, zone):
        scene.labels.append(Label(_across(scene, span, time_us), base, text, anchor="middle"))
    ends = f"{full_label(span.start_us, zone)} to {full_label(span.end_us, zone)} {zone}"
    scene.labels.append(Label(scene.width - RIGHT, scene.height - 8, ends, anchor="end"))


def _legend(scene: Scene, lines: Sequence[TrendLine], top: float, colours: dict[str, str]) -> None:
    x = float(LEFT)
    for line in lines:
        empty = "" if line.pieces else " (no good data in this time)"
        text = f"{line.tag}{f' [{line.units}]' if line.units else ''}{empty}"
        scene.lines.append(Line([(x, top - 10), (x + 14, top - 10)], colours[line.tag], 2.5))
        scene.labels.append(Label(x + 18, top - 6, text))
        # The width of a letter on average; a legend needs no better.
        x += 18 + len(text) * 7 + 16
