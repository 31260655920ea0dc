"""Values of many points over time at little cost, for the servers that measure collectors.

A plant's mix: of five points one changes quickly, two slowly, one within hours, and one hardly at all.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from historian.model.samples import FloatArray

PERIODS_S: Final = (6.4, 60.0, 600.0, 3600.0, 86_400.0)
AMPLITUDE: Final = 0.4
JITTER: Final = 0.0003
"""Of the range, as of an instrument's noise: a small wave that is much quicker than any scan."""

JITTERS_PER_S: Final = 161.8


class Waves:
    """The values of ``points``, each as a share of its range."""

    def __init__(self, points: int) -> None:
        number = np.arange(points)
        self._phase = number / max(points, 1)
        self._turns_per_s = 1.0 / np.array(PERIODS_S)[number % len(PERIODS_S)]

    def at(self, time_s: float) -> FloatArray:
        """float64[points] between 0 and 1."""
        wave = AMPLITUDE * np.sin(2 * np.pi * (self._phase + time_s * self._turns_per_s))
        jitter = JITTER * np.sin(2 * np.pi * (self._phase * len(self._phase) * 0.618 + time_s * JITTERS_PER_S))
        shares: FloatArray = 0.5 + wave + jitter
        return shares
