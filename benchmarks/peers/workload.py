"""The two workloads that all peers get: made by the generator given with the project, or by our own of the same kinds.

W1 is 200 tags at 1 Hz for six hours, W2 one tag every ten seconds for a year.  ``WORKLOADS_DIR`` names a folder with
the generator's ``w1.npz`` and ``w2.npz``; without it smaller ones are made here, from a seed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

T0_US = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z."""

BAD_NO_COMMUNICATION = 0x80310000


@dataclass(frozen=True, slots=True)
class Workload:
    """Samples of ``names`` at common times: ``values`` and ``bad`` are [tags, times], ``times_us`` int64[times]."""

    name: str
    names: tuple[str, ...]
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    bad: NDArray[np.bool_]

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.values.size)

    def flat(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint32]]:
        """tag_id (from 1), time_us, value (NaN where Bad), status: by tag and time."""
        tags, times = self.values.shape
        status = np.where(self.bad, np.uint32(BAD_NO_COMMUNICATION), np.uint32(0))
        return (
            np.repeat(np.arange(1, tags + 1, dtype=np.int32), times),
            np.tile(self.times_us, tags),
            np.where(self.bad, np.nan, self.values).ravel(),
            status.ravel(),
        )


def load(name: str, tags: int = 200, times: int = 21_600) -> Workload:
    """``w1`` or ``w2``; ``tags`` and ``times`` are of those made here, a hundred times longer for ``w2``'s one tag."""
    folder = os.environ.get("WORKLOADS_DIR")
    if folder and (Path(folder) / f"{name}.npz").is_file():
        with np.load(Path(folder) / f"{name}.npz") as found:
            values, quality = np.atleast_2d(found["values"]), np.atleast_2d(found["q"])
            return Workload(name, tuple(map(str, found["names"])), found["ts"] * 1000, values, quality != 192)
    return made(name, *((tags, times, 1_000_000) if name == "w1" else (1, times * 100, 10_000_000)))


def made(name: str, tags: int, times: int, step_us: int, seed: int = 20250101) -> Workload:
    """Slow drifts, noisy flows, set points, counters and valves in turn, through converters of 12, 14 and 16 bits."""
    values = np.stack([_signal(np.random.default_rng([seed, tag]), tag, times) for tag in range(tags)])
    bad = np.stack([_bad(np.random.default_rng([seed, tag, 1]), times) for tag in range(tags)])
    times_us = T0_US + np.arange(times, dtype=np.int64) * step_us
    return Workload(name, tuple(f"TAG{tag:04}.PV" for tag in range(tags)), times_us, values, bad)


def _signal(rng: np.random.Generator, tag: int, times: int) -> NDArray[np.float64]:
    kind = tag % 20
    if kind >= 18:
        return (np.cumsum(rng.random(times) < 1 / 600) % 2).astype(np.float64)
    if kind == 17:
        return np.cumsum(rng.poisson(3.0, times)).astype(np.float64)
    if kind >= 14:
        return np.round(20 + 60 * rng.random(times // 1800 + 1), 0).repeat(1800)[:times]
    # A walk that is pulled back would need a loop over the samples; sines of odd periods drift as well.
    at = np.arange(times)
    periods = rng.uniform(200, 20_000, 5)
    drift = sum(8 * np.sin(2 * np.pi * at / period + rng.uniform(0, 6)) for period in periods)
    noise = rng.standard_normal(times) * (0.03 if kind < 10 else 2.0)
    codes = 2.0 ** (12, 14, 16)[tag % 3] - 1
    return np.asarray(np.float32(np.rint((drift + noise + 50) / 100 * codes) * (100 / codes)), np.float64)


def _bad(rng: np.random.Generator, times: int) -> NDArray[np.bool_]:
    """About 1 % in runs of 30 samples."""
    bad = np.zeros(times, np.bool_)
    for start in rng.integers(0, times, max(1, times // 3000)):
        bad[start : start + int(rng.exponential(30)) + 1] = True
    return bad
