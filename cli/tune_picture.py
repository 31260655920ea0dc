"""A picture of error against size for one tag: what each deviation would cost and save."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.output_file import open_output
from cli.scene import Label, Line, Scene, write_scene
from cli.tune_table import amount, number
from historian.errors import UsageError
from historian.tuning.proposal import Tuning
from historian.tuning.trial import Outcome

SIZE: Final = (720, 440)
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 46, 56
MARK: Final = 4.0

_INK: Final = "#333333"
_FRAME: Final = "#999999"
_GRID: Final = "#e6e6e6"
_CURVE: Final = "#0072b2"
_CHOSEN: Final = "#d55e00"
_NOISE: Final = "#009e73"
_STEPS: Final = (1.0, 2.0, 5.0)


def write_pictures(found: Sequence[Tuning], folder: Path) -> Iterator[Path]:
    """A picture for each tag of which anything was tried, called like the tag; the paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"cannot draw into {folder}: there is a file in its place, wanted a folder") from error
    taken: set[str] = set()
    for tuning in found:
        outcomes = [each for each in tuning.outcomes if each.settings.comp_dev]
        if len(outcomes) < 2:
            continue
        path = folder / f"{_free_name(tuning.tag.name, taken)}.png"
        with open_output(path) as file:
            write_scene(draw(tuning, outcomes), path, file)
        yield path


def _free_name(tag: str, taken: set[str]) -> str:
    """The tag's name without what a file's name may not have; another one where two tags differ in that only."""
    name = re.sub(r"[^\w.+-]", "_", tag)
    number_, wanted = 1, name
    while name.lower() in taken:
        number_ += 1
        name = f"{wanted}-{number_}"
    taken.add(name.lower())
    return name


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis: from ``low`` to ``high`` of the values, from ``begin`` to ``end`` in pixels."""

    low: float
    high: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times the powers of ten; of many powers the powers alone."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = _STEPS if len(powers) <= 5 else _STEPS[:1]
        return [tick for power in powers for step in steps if self.low <= (tick := step * 10.0**power) <= self.high]

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def draw(tuning: Tuning, outcomes: Sequence[Outcome]) -> Scene:
    """The picture for one tag; ``outcomes`` with a deviation above 0, by falling deviation."""
    scene = Scene(*SIZE)
    assert tuning.everything is not None  # noqa: S101 - for the type checker: something was tried
    errors = [each.settings.comp_dev or 0.0 for each in outcomes]
    sizes = [each.bytes_per_day for each in (*outcomes, tuning.everything)]
    across = _Axis(min(errors) / 1.3, max(errors) * 1.3, LEFT, SIZE[0] - RIGHT)
    up = _Axis(max(min(sizes), 1e-3) / 1.3, max(*sizes, 2e-3) * 1.3, SIZE[1] - BOTTOM, TOP)
    _grid(scene, across, up, tuning.tag.units)
    _levels(scene, across, up, tuning)
    points = [
        (across.place(error), up.place(max(each.bytes_per_day, 1e-3)))
        for error, each in zip(errors, outcomes, strict=True)
    ]
    scene.lines.append(Line(points, _CURVE, 1.5))
    for point, each in zip(points, outcomes, strict=True):
        _mark(scene, point, _CHOSEN if each is tuning.chosen else _CURVE, 2.0 if each is tuning.chosen else 1.0)
    _title(scene, tuning)
    return scene


def _grid(scene: Scene, across: _Axis, up: _Axis, units: str) -> None:
    for tick in across.ticks():
        x = across.place(tick)
        scene.lines.append(Line([(x, up.begin), (x, up.end)], _GRID))
        scene.labels.append(Label(x, up.begin + 16, number(tick), anchor="middle"))
    for tick in up.ticks():
        y = up.place(tick)
        scene.lines.append(Line([(across.begin, y), (across.end, y)], _GRID))
        scene.labels.append(Label(across.begin - 6, y + 4, amount(tick), anchor="end"))
    corners = [(across.begin, up.end), (across.end, up.end), (across.end, up.begin), (across.begin, up.begin)]
    scene.lines.append(Line([*corners, corners[0]], _FRAME))
    of = f" [{units}]" if units else ""
    scene.labels.append(Label(across.end, up.begin + 36, f"largest error{of}", anchor="end"))
    scene.labels.append(Label(across.begin - 6, up.end - 8, "a day", anchor="end"))


def _levels(scene: Scene, across: _Axis, up: _Axis, tuning: Tuning) -> None:
    """Lines for all samples, for the settings of now, and for the noise."""
    assert tuning.knowledge is not None and tuning.everything is not None  # noqa: S101, PT018 - as above
    levels = {"all samples": tuning.everything}
    if tuning.present is not None and tuning.present.kept != tuning.everything.kept:
        levels["now"] = tuning.present
    for name, outcome in levels.items():
        if up.holds(outcome.bytes_per_day):
            y = up.place(outcome.bytes_per_day)
            scene.lines.append(Line([(across.begin, y), (across.end, y)], _FRAME))
            scene.labels.append(Label(across.end - 6, y - 5, f"{name}: {amount(outcome.bytes_per_day)}", anchor="end"))
    sigma = tuning.knowledge.noise.sigma
    for times, name in ((1, "noise"), (3, "3 x noise")):
        if sigma and tuning.knowledge.noise.is_floor and across.holds(times * sigma):
            x = across.place(times * sigma)
            scene.lines.append(Line([(x, up.begin), (x, up.end)], _NOISE))
            scene.labels.append(Label(x + 4, up.begin - 8, name, _NOISE))


def _mark(scene: Scene, point: tuple[float, float], colour: str, width: float) -> None:
    """A small square."""
    (x, y), half = point, MARK * width / 1.5
    square = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    scene.lines.append(Line([*square, square[0], square[1]], colour, width))


def _title(scene: Scene, tuning: Tuning) -> None:
    units = f" {tuning.tag.units}" if tuning.tag.units else ""
    scene.labels.append(Label(LEFT, 18, f"{tuning.tag.name}: bytes a day against the largest error", _INK))
    if tuning.chosen is not None:
        chosen = tuning.chosen
        text = (
            f"proposed: {number(chosen.settings.comp_dev)}{units}, {chosen.share:.1%} of the samples, "
            f"{amount(chosen.bytes_per_day)} a day"
        )
        scene.labels.append(Label(LEFT, 36, text, _CHOSEN))
