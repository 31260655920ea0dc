"""Tags that a deviation means nothing for, or of which too little is known: left alone, with the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from historian.model.samples import FloatArray
from historian.model.tag import Tag
from historian.tuning.series import RawSeries

MIN_SAMPLES: Final = 300
MIN_GOOD: Final = 0.5
MOST_STATES: Final = 8

TURNS: Final = (360.0, 400.0, 2 * math.pi)
FULL: Final = 0.9
OVER_THE_END: Final = 0.75
MIN_WRAPS: Final = 3
"""An angle has values over nearly a whole turn, and jumps from one end of it to the other."""

MIN_MOVES: Final = 20
ONE_WAY: Final = 0.995
RESET: Final = 0.5
RARE: Final = 0.02
"""A total moves one way only, but when it falls by RESET of what it was, or more: a reset or a roll-over, once in a
while."""

LONG_HOLD: Final = 30
"""Samples for which a set point typically stays as it is."""

HELD_STEPS: Final = 2.5


class Reason(StrEnum):
    """Why a tag is left alone, for programs."""

    STEP = "step"
    COMPRESSED = "compressed"
    FEW = "few samples"
    BAD = "mostly bad"
    STATE = "state"
    ANGLE = "angle"
    TOTAL = "counter"
    SET_POINT = "set point"


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Why a tag is left alone: ``reason`` for programs, ``why`` for people, with what to do."""

    reason: Reason
    why: str


def left_alone_by_type(tag: Tag) -> LeftAlone | None:
    """Why no deviation suits the tag, as far as its configuration tells."""
    if tag.is_step:
        return LeftAlone(Reason.STEP, "a step tag: every change is stored, and no repeat, whatever the deviations")
    return None


def left_alone_by_samples(series: RawSeries, step: float) -> LeftAlone | None:
    """Why no deviation can be found for these samples; ``step`` is the grid of their values, 0.0 for none."""
    return _too_little(series) or _no_measurement(series, step)


def _too_little(series: RawSeries) -> LeftAlone | None:
    good = len(series.numbers)
    if len(series) and good < MIN_GOOD * len(series):
        return LeftAlone(Reason.BAD, f"mostly Bad: {good:,} of {len(series):,} samples have a value")
    if good < MIN_SAMPLES:
        return LeftAlone(Reason.FEW, f"too few samples: {good:,} with a value, wanted {MIN_SAMPLES}")
    return None


def _no_measurement(series: RawSeries, step: float) -> LeftAlone | None:
    numbers, different = series.numbers, series.different
    if len(different) == 1:
        return None
    if len(different) == 2 or (len(different) <= MOST_STATES and (different == np.trunc(different)).all()):
        return LeftAlone(Reason.STATE, f"only {len(different)} values: a state? then step = yes, or an enum, suits it")
    moves = np.diff(numbers)
    turn = _turn(numbers, moves)
    if turn is not None:
        why = f"an angle that wraps at {turn:g}: a line from one end to the other would pass all between"
        return LeftAlone(Reason.ANGLE, why)
    moved = np.flatnonzero(moves)
    if _goes_one_way(numbers, moves):
        return LeftAlone(Reason.TOTAL, "moves one way only: a counter or a total, whose differences matter")
    if len(numbers) > LONG_HOLD * len(moved) and np.median(np.abs(moves[moved])) > HELD_STEPS * step:
        return LeftAlone(Reason.SET_POINT, "jumps and then holds, like a set point: step = yes stores its changes")
    return None


def _turn(numbers: FloatArray, moves: FloatArray) -> float | None:
    """The whole turn of an angle; None when it is none."""
    low, high = float(numbers.min()), float(numbers.max())
    jumps = np.abs(moves)
    # An outlier jumps as far, and comes back.
    stays = np.abs(numbers[2:] - numbers[:-2])
    for part in (slice(None, -1), slice(1, None)):
        jumps[part] = np.minimum(jumps[part], stays)
    for turn in TURNS:
        fits = any(start - 0.01 * turn <= low and high <= start + 1.01 * turn for start in (0.0, -turn / 2))
        if fits and high - low >= FULL * turn and (jumps > OVER_THE_END * turn).sum() >= MIN_WRAPS:
            return turn
    return None


def _goes_one_way(numbers: FloatArray, moves: FloatArray) -> bool:
    up, down = moves > 0, moves < 0
    moved = int(up.sum() + down.sum())
    if moved < MIN_MOVES:
        return False
    falls = down & (-moves > RESET * np.abs(numbers[:-1]))
    rises = up & (moves > RESET * np.abs(numbers[1:]))
    back = (int(down.sum()), int(falls.sum())), (int(up.sum()), int(rises.sum()))
    return any(others - resets <= (1 - ONE_WAY) * moved and resets <= RARE * moved for others, resets in back)
