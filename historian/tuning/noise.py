"""How much of a signal is noise, whatever else is in it.

The second difference over a lag k, v(i-k) - 2 v(i) + v(i+k), takes away the level and every steady drift; of noise it
leaves six times the variance.  Its median size knows nothing of outliers and steps, which are few.  Noise does not grow
with the lag, movement of the process does: where the size stops growing is the noise (in the manner of the nugget of a
variogram).  Where it never stops there is no noise that could be told from the process.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray

LAGS: Final = (1, 2, 4, 8, 16, 32)
STEADY: Final = (0.87, 1.15)
"""Sizes at two lags whose ratio lies here are the same, as far as a few hundred samples tell."""

BLOCK: Final = 256
MOST_BLOCKS: Final = 200
"""The size is taken in blocks of so many samples, of so many spread over the history at most."""

AT_REST: Final = 0.1
"""Blocks with less than this part of the noise of the loud ones are a machine at rest, and left out."""

LOUD: Final = 0.9
"""The quantile of the blocks that stands for the loud ones."""

HELD_STEPS: Final = 2.5
"""Where most values repeat the one before and changes are more than so many steps of the grid, a slow instrument holds
its value between updates; with smaller changes it is the grid that swallows them."""

_MEDIAN_OF_NORMAL: Final = NormalDist().inv_cdf(0.75)
_GAIN: Final = np.sqrt(6.0)
_OF_GRID: Final = np.sqrt(12.0)


@dataclass(frozen=True, slots=True)
class Noise:
    """``sigma``: standard deviation of the noise, rounding to the grid included; in units of the value.

    ``is_floor``: the movement of the process is larger at longer lags, the noise is not.  Otherwise ``sigma`` is how
    far neighbouring samples move, and what of it is noise cannot be told.
    """

    sigma: float
    is_floor: bool


def estimate_noise(value: FloatArray, stretch: IndexArray, step: float) -> Noise:
    """The noise of samples in the order of time.

    ``value`` float64[n] and ``stretch`` intp[n] of known samples; differences are within stretches.  ``step``
    is their grid, 0.0 for none.
    """
    updates = _updates(value, stretch, step)
    value, stretch = value[updates], stretch[updates]
    blocks = _blocks(len(value))
    sizes = [_size(value, stretch, blocks, lag, step) for lag in LAGS]
    return _floor([size for size in sizes if size is not None], step)


def _updates(value: FloatArray, stretch: IndexArray, step: float) -> BoolArray:
    """bool[n]: all samples, or those alone with which a held value changed."""
    changes = np.ones(len(value), np.bool_)
    changes[1:] = (value[1:] != value[:-1]) | (stretch[1:] != stretch[:-1])
    moves = np.abs(np.diff(value))[changes[1:]]
    is_held = 2 * changes.sum() < len(value) and len(moves) and np.median(moves) > HELD_STEPS * step
    return changes if is_held else np.ones(len(value), np.bool_)


def _blocks(count: int) -> list[slice]:
    number = max(count // BLOCK, 1)
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_BLOCKS)).astype(np.intp))
    return [slice(place * BLOCK, (place + 1) * BLOCK) for place in chosen.tolist()]


def _size(value: FloatArray, stretch: IndexArray, blocks: list[slice], lag: int, step: float) -> float | None:
    """The size of the noise by the differences over one lag, in the middle of all blocks in which anything moves."""
    found = []
    # A loop over blocks, of which there are few.
    for block in blocks:
        part, number = value[block], stretch[block]
        inside = number[2 * lag :] == number[: -2 * lag]
        second = np.abs(part[2 * lag :] - 2 * part[lag:-lag] + part[: -2 * lag])[inside]
        if len(second) >= BLOCK // 8:
            found.append(_typical(second, step) / float(_GAIN))
    if not found:
        return None
    loud = float(np.quantile(found, LOUD))
    return float(np.median([size for size in found if size >= AT_REST * loud]))


def _typical(size: FloatArray, step: float) -> float:
    """The standard deviation of a normal variable by the median of its ``size``.

    On a grid the values stand for all within half a step, and the median is sought between them (that of grouped data).
    """
    if not step:
        return float(np.median(size)) / _MEDIAN_OF_NORMAL
    steps = np.round(size / step)
    middle = float(np.quantile(steps, 0.5, method="inverted_cdf"))
    below, up_to = float(np.mean(steps < middle)), float(np.mean(steps <= middle))
    if middle == 0:
        return step / 2 / NormalDist().inv_cdf(min((1 + up_to) / 2, 1 - 1e-9))
    part = (0.5 - below) / (up_to - below)
    return step * (middle - 0.5 + part) / _MEDIAN_OF_NORMAL


def _floor(sizes: list[float], step: float) -> Noise:
    """The noise from the sizes at growing lags."""
    of_grid = step / float(_OF_GRID)
    if not sizes:
        return Noise(of_grid, is_floor=False)
    steady = [_is_steady(shorter, longer) for shorter, longer in itertools.pairwise(sizes)]
    if steady and steady[0]:
        return Noise(max(_without_drift(sizes[0], sizes[1]), of_grid), is_floor=True)
    for place in range(1, len(steady) - 1):
        # Behind growth (a filter makes neighbours alike) one pair of equal sizes may be chance: a swing of that period.
        if steady[place] and steady[place + 1]:
            return Noise(max(sizes[place + 1], of_grid), is_floor=True)
    return Noise(max(sizes[0], of_grid), is_floor=sizes[0] <= of_grid)


def _is_steady(shorter: float, longer: float) -> bool:
    return STEADY[0] * shorter <= longer <= STEADY[1] * shorter


def _without_drift(shorter: float, longer: float) -> float:
    """What is left at no lag at all, when the square grows in proportion to the lag (a random walk below the noise)."""
    return shorter * math.sqrt(max(2 - (longer / shorter) ** 2, 0.25)) if shorter else 0.0
