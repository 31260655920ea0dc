"""Runs of rows, some long, some empty: laid out one after the other, and reduced each to one number."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from historian.model.samples import FloatArray, IndexArray

ScalarT = TypeVar("ScalarT", np.float64, np.int64)


def laid_out(first: IndexArray, count: IndexArray) -> tuple[IndexArray, IndexArray]:
    """The rows ``first[i]`` to ``first[i] + count[i]`` of each run i: ``run`` and ``row`` intp[sum of count]."""
    run = np.repeat(np.arange(len(first)), count)
    before = np.cumsum(count) - count
    return run, np.arange(len(run)) + (first - before)[run]


def starts_of(group: IndexArray) -> IndexArray:
    """Where each group begins in ``group`` (ascending)."""
    return np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])[: len(group)])


def reduced(
    ufunc: np.ufunc, values: NDArray[ScalarT], group: IndexArray, groups: int, empty: ScalarT
) -> NDArray[ScalarT]:
    """``ufunc`` (add, minimum, maximum) over the ``values`` of each group; ``empty`` for a group without.

    ``group`` (ascending, as long as ``values``) is below ``groups``, the length of the answer.
    """
    found = np.full(groups, empty, values.dtype)
    if len(group):
        begins = starts_of(group)
        found[group[begins]] = ufunc.reduceat(values, begins)
    return found


def sums(values: NDArray[ScalarT], group: IndexArray, groups: int) -> NDArray[ScalarT]:
    """The sum over each group, as :func:`reduced`."""
    return reduced(np.add, values, group, groups, values.dtype.type(0))


def safe_ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> FloatArray:
    """``part / whole``; NaN where ``whole`` is 0."""
    wholes = whole.astype(np.float64)
    ratio = np.full(len(wholes), np.nan)
    np.divide(part.astype(np.float64), wholes, out=ratio, where=wholes != 0)
    return ratio
