"""Errors of what was kept, against a reference that walks through the samples."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.tuning.error import ErrorMeter, Errors
from support.raw_series import SECOND, T0_US, series

HOUR_S = 3600


def errors_of(raw, kept) -> Errors:
    return ErrorMeter(raw).errors(kept)


def line(kept: list[tuple[int, Fraction]], at: int) -> Fraction:
    """The value at a time on the line through the kept samples (time, value)."""
    before = max(sample for sample in kept if sample[0] <= at)
    after = min(sample for sample in kept if sample[0] >= at)
    if before == after:
        return before[1]
    return before[1] + (after[1] - before[1]) * (at - before[0]) / (after[0] - before[0])


def area(points: list[tuple[int, Fraction]], start: int, end: int) -> tuple[Fraction, int]:
    """Integral of the line through ``points`` over [start, end), and how much of it they cover."""
    total, covered = Fraction(0), 0
    for (at, _), (until, _) in itertools.pairwise(points):
        first, last = max(at, start), min(until, end)
        if first < last:
            total += (line(points, first) + line(points, last)) / 2 * (last - first)
            covered += last - first
    return total, covered


def hourly(stretches: list[tuple[list, list]]) -> list[float]:
    """Difference of the averages of each hour that is half covered; all samples and kept ones of each stretch."""
    first, last = stretches[0][0][0][0], stretches[-1][0][-1][0]
    differences, everything = [], [Fraction(0), 0]
    for start in range(first // HOUR_S * HOUR_S, last + HOUR_S, HOUR_S):
        raw, thin, covered = Fraction(0), Fraction(0), 0
        for all_of, kept in stretches:
            part, length = area(all_of, start, start + HOUR_S)
            raw, covered = raw + part, covered + length
            thin += area(kept, start, start + HOUR_S)[0]
        everything = [everything[0] + raw - thin, everything[1] + covered]
        if covered * 2 >= HOUR_S:
            differences.append(float((raw - thin) / covered))
    return differences or [float(everything[0] / max(everything[1], 1))]


@st.composite
def signals(draw):
    """Seconds, values (None is Bad), and which are kept: the ends of every stretch are."""
    gaps = draw(st.lists(st.integers(1, 3000), min_size=3, max_size=30))
    at = [sum(gaps[:place]) for place in range(len(gaps) + 1)]
    values = [
        draw(st.one_of(st.integers(-50, 50), st.none()) if draw(st.integers(0, 9)) == 0 else st.integers(-50, 50))
        for _ in at
    ]
    kept = []
    for place, value in enumerate(values):
        edge = any(not 0 <= other < len(values) or values[other] is None for other in (place - 1, place + 1))
        kept.append(value is None or edge or draw(st.booleans()))
    return at, values, kept


@given(signals())
def test_like_the_plain_reference(signal):
    at, values, kept = signal
    stretches: list[tuple[list, list]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if not place or values[place - 1] is None:
            stretches.append(([], []))
        sample = (T0_US // SECOND + at[place], Fraction(value))
        stretches[-1][0].append(sample)
        if kept[place]:
            stretches[-1][1].append(sample)
    if not stretches:
        return
    raw = series([np.nan if value is None else value for value in values], time_s=at)
    found = errors_of(raw, np.array(kept))
    errors = [float(abs(value - line(thin, time))) for every, thin in stretches for time, value in every]
    assert found.largest == pytest.approx(max(errors), abs=1e-9)
    assert found.rms == pytest.approx(np.sqrt(np.mean(np.square(errors))), abs=1e-9)
    differences = hourly(stretches)
    assert found.hourly == pytest.approx(max(map(abs, differences)), abs=1e-9)
    assert found.hourly_rms == pytest.approx(np.sqrt(np.mean(np.square(differences))), abs=1e-9)


def test_by_hand():
    # Two hours of a value that is 4 for half of the first hour and 0 otherwise, of which only the ends are kept.
    raw = series([0, 0, 4, 4, 0, 0], time_s=[0, 1799, 1800, 3599, 3600, 7200])
    found = errors_of(raw, np.array([True, False, False, False, False, True]))
    assert found.largest == 4
    assert found.rms == pytest.approx(np.sqrt(32 / 6))
    # 1,799 s of 4 and two slopes of 1 s with 2 on average.
    assert found.hourly == pytest.approx((1799 * 4 + 2 * 2) / 3600)


def test_all_kept():
    raw = series([1.0, 5.0, 2.0])
    assert errors_of(raw, np.ones(3, np.bool_)).largest == 0
