"""The step between neighbouring values that a converter, a register or a rounding leaves."""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray

MOST_VALUES: Final = 20_000
"""So many different values are looked at; more say no more."""

MOST_ROUNDING: Final = 0.1
"""Part of a step by which rounding may move a value and the step still be seen."""

ON_GRID: Final = 0.02
"""Part of a step by which a difference may miss a whole number of steps, beside rounding."""

WANTED: Final = 0.98
"""Share of the differences that lie on the grid: a few values of other origin (edits, averages) may lie beside it."""

FEW_STEPS: Final = 10
"""Gaps of so many steps are averaged for the exact step."""

_QUANTILES: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5)
_PARTS: Final = (1, 2, 3, 4, 5)


@np.errstate(over="ignore", invalid="ignore")  # values at the ends of what a double holds have no grid
def resolution(values: FloatArray) -> float:
    """The largest step of which all differences between ``values`` are multiples; 0.0 when there is none.

    ``values`` float64[n] are in rising order, each once.

    Scaled and single-precision values are no exact multiples: differences may miss by what rounding does.
    """
    if len(values) > MOST_VALUES:
        # Neighbours, and not every so manieth: the steps between these would be too large.
        middle = len(values) // 2
        values = values[middle - MOST_VALUES // 2 : middle + MOST_VALUES // 2]
    rounding = _rounding(values)
    gaps = np.diff(values)
    gaps = gaps[gaps > 2 * rounding]
    if not len(gaps):
        return 0.0
    found = [step for step in _guesses(gaps) if step * MOST_ROUNDING > rounding and _fits(gaps, step, rounding)]
    return max((_refined(gaps, step, rounding) for step in found), default=0.0)


def _rounding(values: FloatArray) -> float:
    """How far apart two values may be that should be equal: single precision where all values have no more."""
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        return np.inf
    with np.errstate(over="ignore"):
        is_single = bool((values.astype(np.float32) == values).all())
    return float(np.spacing(np.float32(largest))) if is_single else 4 * float(np.spacing(largest))


def _guesses(gaps: FloatArray) -> list[float]:
    """Some of the smaller gaps, and parts of them: the smallest one that occurs may be several steps."""
    some = np.unique(np.quantile(gaps, _QUANTILES, method="lower"))
    return [float(gap) / part for gap in some for part in _PARTS]


def _fits(gaps: FloatArray, step: float, rounding: float) -> bool:
    return float(np.mean(_on_grid(gaps, step, rounding))) >= WANTED


def _on_grid(gaps: FloatArray, step: float, rounding: float) -> BoolArray:
    steps = gaps / step
    on_grid: BoolArray = np.abs(steps - np.round(steps)) * step <= ON_GRID * step + rounding
    return on_grid


def _refined(gaps: FloatArray, step: float, rounding: float) -> float:
    """The step from all small multiples of it together, which averages the rounding away."""
    steps = np.round(gaps / step)
    small = (steps >= 1) & (steps <= FEW_STEPS) & _on_grid(gaps, step, rounding)
    return float(gaps[small].sum() / steps[small].sum()) if small.any() else step
