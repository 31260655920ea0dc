"""A form of export: its columns and its rows, in slices of some tags and some time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray
from historian.retrieval.functions.reading import Reading

SLICE_COST: Final = 500_000
"""Samples or rows that are worked on at once: about 100 MB with texts, and long enough that starting does not show."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some tags, as rows of the tag list, and some steps of the form's time, from ``first`` up to ``end``."""

    rows: IndexArray
    first: int
    end: int


class Form(ABC):
    """``reading`` is what is exported from, ``rows`` the tags in their order.

    Time is counted in the form's own steps, 0 to ``steps``: intervals of an answer, or shares of a range.
    """

    schema: pa.Schema
    steps: int

    def __init__(self, reading: Reading, rows: IndexArray) -> None:
        self.reading = reading
        self.rows = rows

    @abstractmethod
    def cost(self) -> FloatArray:
        """float64[k]: about how many samples or rows each tag is."""

    @abstractmethod
    def table(self, part: Part) -> pa.Table:
        """The rows of a part."""

    def parts(self) -> Iterator[Part]:
        """Slices of about SLICE_COST, by tag and time."""
        yield from by_tag(self.rows, self.cost(), self.steps)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in order."""
        for part in self.parts():
            yield from self.table(part).select(self.schema.names).cast(self.schema).to_batches()

    def rows_about(self) -> int:
        """About how many rows there are; for a progress bar."""
        return int(self.cost().sum())


def by_tag(rows: IndexArray, cost: FloatArray, steps: int) -> Iterator[Part]:
    """Tags together until they cost SLICE_COST; one that costs more by itself in pieces of equal time."""
    first = 0
    sums = np.concatenate([[0.0], np.cumsum(cost)])
    while first < len(rows):
        end = max(int(sums.searchsorted(sums[first] + SLICE_COST, side="right")) - 1, first + 1)
        pieces = cuts(steps, sums[end] - sums[first])
        for low, high in pairwise(pieces):
            yield Part(rows[first:end], low, high)
        first = end


def cuts(steps: int, cost: float) -> list[int]:
    """Ends of pieces of ``steps`` steps that cost about SLICE_COST each, the first of which is 0."""
    count = min(max(-(-int(cost) // SLICE_COST), 1), max(steps, 1))
    return [steps * piece // count for piece in range(count + 1)]
