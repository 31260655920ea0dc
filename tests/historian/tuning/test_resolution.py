"""The grid of a signal, as a converter, a scaling or a rounding made it."""

from __future__ import annotations

import numpy as np
import pytest

from historian.tuning import resolution as module
from support.raw_series import noise

COUNT = 5000
SMOOTH = 40 + 20 * np.sin(np.arange(COUNT) / 300) + noise(COUNT)


def resolution(values) -> float:
    return module.resolution(np.unique(values))


@pytest.mark.parametrize("step", [0.001, 0.01, 0.1, 0.25, 1.0, 7.0])
def test_rounded(step):
    assert resolution(np.round(SMOOTH / step) * step) == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_converter_scaled_to_units(bits):
    largest = (1 << bits) - 1
    value = np.round(SMOOTH / 80 * largest) / largest * 80 - 3.3
    assert resolution(value) == pytest.approx(80 / largest, rel=1e-6)


def test_in_single_precision():
    value = (np.round(SMOOTH / 0.1) * 0.1).astype(np.float32).astype(np.float64)
    assert resolution(value) == pytest.approx(0.1, rel=1e-4)


def test_only_every_third_value_is_used():
    assert resolution(np.array([0.0, 3.0, 6.0, 12.0, 15.0, 22.0, 28.0] * 10)) == 1.0


def test_a_few_values_beside_the_grid():
    value = np.round(SMOOTH, 2)
    value[:5] = [41.2345678, 37.7654321, 29.1234567, 53.3333333, 44.4444444]
    assert resolution(value) == pytest.approx(0.01, rel=1e-6)


def test_an_outlier_far_away():
    value = np.round(SMOOTH, 1)
    value[7] = -273.2
    assert resolution(value) == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize(
    "value", [SMOOTH, SMOOTH.astype(np.float32).astype(np.float64), SMOOTH * 1e200, SMOOTH * 1e-200]
)
def test_no_grid(value):
    assert resolution(value) == 0.0


@pytest.mark.parametrize("value", [[], [5.0], [5.0, 5.0], [1e308, -1e308]])
def test_nothing_to_tell_from(value):
    assert resolution(np.array(value)) in {0.0, np.inf}
