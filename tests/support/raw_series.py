"""Raw samples of one tag for tests of tuning: signals whose noise is known, because it was put there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from historian.model.samples import FloatArray
from historian.tuning.series import RawSeries

T0_US = 1_795_305_600_000_000
"""2026-11-22T00:00:00Z."""
SECOND = 1_000_000
BAD = 0x800A0000


def series(
    values: Sequence[float] | FloatArray, *, every_s: float = 1.0, time_s: Sequence[float] | None = None
) -> RawSeries:
    """Samples at a fixed rate, or at ``time_s``; NaN is Bad."""
    value = np.asarray(values, np.float64)
    at = np.arange(len(value)) * every_s if time_s is None else np.asarray(time_s, np.float64)
    return RawSeries(
        T0_US + np.round(at * SECOND).astype(np.int64), value, np.where(np.isnan(value), BAD, 0).astype(np.uint32)
    )


def noise(count: int, sigma: float = 1.0, seed: int = 1) -> FloatArray:
    """White noise."""
    return np.random.default_rng(seed).normal(scale=sigma, size=count)


def filtered(count: int, share: float, seed: int = 2) -> FloatArray:
    """Noise behind a filter of the first order that keeps ``share`` of its last value; standard deviation 1."""
    white, values = noise(count, seed=seed), [0.0]
    for number in range(1, count):
        values.append(share * values[-1] + float(white[number]) * (1 - share**2) ** 0.5)
    return np.array(values)
