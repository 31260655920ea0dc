"""The noise that was put into a signal is found again, whatever else is in it."""

from __future__ import annotations

import numpy as np
import pytest

from historian.tuning.noise import estimate_noise
from historian.tuning.resolution import resolution
from support.raw_series import filtered, noise

COUNT = 20_000
AT = np.arange(COUNT)
WHITE = noise(COUNT)
RANDOM = np.random.default_rng(7)
RARELY = RANDOM.random(COUNT) < 0.02


def found(value, step=None):
    return estimate_noise(value, np.zeros(len(value), np.intp), resolution(np.unique(value)) if step is None else step)


SIGNALS = {
    "alone": WHITE,
    "on a slow swing": WHITE + 30 * np.sin(AT / 500),
    "on a swing of 100 samples": WHITE + 5 * np.sin(AT * 2 * np.pi / 100),
    "on a steep drift": WHITE + 0.5 * AT,
    "with outliers": WHITE + np.where(RARELY, 300 * RANDOM.normal(size=COUNT), 0),
    "with steps": WHITE + 50 * np.cumsum(RARELY) % 400,
    "on a random walk": WHITE + np.cumsum(noise(COUNT, 0.3, seed=3)),
    "of a machine that runs half of the time": np.where(AT // 2000 % 2, WHITE + 20, 0.0),
    "of a machine that runs a fifth of the time": np.where(AT // 2000 % 5 == 0, WHITE + 20, 0.0),
    "held for ten scans": np.repeat(WHITE[: COUNT // 10] + 10 * np.sin(AT[: COUNT // 10] / 100), 10),
    "behind a short filter": filtered(COUNT, 0.5) + 20 * np.sin(AT / 700),
    "in single precision": (50 + WHITE).astype(np.float32).astype(np.float64),
    "of large values": 1e7 + WHITE,
}


@pytest.mark.parametrize("name", SIGNALS)
def test_noise_of_one(name):
    estimate = found(SIGNALS[name])
    assert estimate.sigma == pytest.approx(1, rel=0.15)
    assert estimate.is_floor


@pytest.mark.parametrize("step", [0.1, 0.5, 1.0, 2.0])
def test_rounding_to_a_grid_is_part_of_the_noise(step):
    # A value rounded to a grid errs evenly by half a step, whose standard deviation is step / sqrt(12).
    value = np.round((WHITE + 20 * np.sin(AT / 700)) / step) * step
    assert found(value).sigma == pytest.approx(np.sqrt(1 + step**2 / 12), rel=0.1)


def test_a_converter_of_twelve_bits():
    value = np.round((WHITE + 40 + 20 * np.sin(AT / 700)) / 100 * 4095) / 4095 * 100
    assert found(value).sigma == pytest.approx(1, rel=0.1)


def test_a_grid_far_coarser_than_the_noise():
    value = np.round(AT * 0.013 / 0.5) * 0.5
    estimate = found(value)
    assert estimate.sigma == pytest.approx(0.5 / np.sqrt(12))
    assert estimate.is_floor


def test_few_samples():
    assert found(WHITE[:300]).sigma == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize("period", [40, 200, 1000])
def test_a_swing_is_no_noise(period):
    estimate = found(np.sin(AT * 2 * np.pi / period))
    assert estimate.sigma < 0.02
    assert not estimate.is_floor


def test_a_random_walk_has_no_noise_that_could_be_told_from_it():
    estimate = found(np.cumsum(WHITE))
    assert not estimate.is_floor
    # The second difference of a random walk has twice the variance of its steps.
    assert estimate.sigma == pytest.approx(np.sqrt(2 / 6), rel=0.05)


def test_gaps_are_not_looked_across():
    # Stretches of 60 samples on levels far apart: of every difference across, nothing is noise.
    stretch = AT // 60
    value = WHITE + 1000 * np.sin(stretch * 1.7)
    assert estimate_noise(value, stretch.astype(np.intp), 0.0).sigma == pytest.approx(1, rel=0.1)


def test_nothing_moves():
    assert found(np.full(1000, 5.0)).sigma == 0


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_too_few_to_tell(count):
    assert not found(WHITE[:count], 0.0).is_floor
