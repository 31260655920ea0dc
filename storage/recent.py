"""What a reader keeps of the buffer from one snapshot to the next: its batches, joined to few tables as they come.

A commit a second leaves hundreds of batches before a flush, and each costs every question its time as long as it is a
piece of its own.  Joining them like the runs of a merge sort copies each sample some ten times at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from storage.columns import concatenate

RATIO: Final = 2
"""Two neighbours are joined when the older one has less than so many times the rows of the younger."""


@dataclass(frozen=True, slots=True)
class Run:
    """The rows of the batches ``numbers``, one after the other, with the columns that they have."""

    numbers: tuple[int, ...]
    rows: pa.Table


class RecentRows:
    """The batches of one snapshot."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """Those of the batches ``numbers`` that have to be read: all that no run of before has whole."""
        return [part for part in self._intact(numbers) if isinstance(part, int)]

    def update(self, numbers: Sequence[int], read: Mapping[int, pa.Table]) -> None:
        """Hold the batches ``numbers`` from here on; ``read`` has the missing ones."""
        runs: list[Run] = []
        for part in self._intact(numbers):
            runs.append(Run((part,), read[part]) if isinstance(part, int) else part)
            while len(runs) > 1 and _are_alike(runs[-2], runs[-1]):
                runs[-2:] = [_joined(runs[-2:])]
        self._runs = runs

    def table(self, others: Iterable[pa.Table] = ()) -> pa.Table:
        """All rows, those of ``others`` behind them, with every column of SAMPLE_SCHEMA."""
        return concatenate([*(run.rows for run in self._runs), *others])

    def _intact(self, numbers: Sequence[int]) -> list[Run | int]:
        """``numbers`` as runs that have them, and the numbers between."""
        first = {run.numbers[0]: run for run in self._runs}
        found: list[Run | int] = []
        place = 0
        while place < len(numbers):
            run = first.get(numbers[place])
            if run is not None and tuple(numbers[place : place + len(run.numbers)]) == run.numbers:
                found.append(run)
                place += len(run.numbers)
            else:
                found.append(numbers[place])
                place += 1
        return found


def _are_alike(older: Run, younger: Run) -> bool:
    # Only batches of the same columns: a column of nulls for those without texts would take memory.
    return len(older.rows) < RATIO * len(younger.rows) and older.rows.schema.equals(younger.rows.schema)


def _joined(runs: Sequence[Run]) -> Run:
    numbers = tuple(number for run in runs for number in run.numbers)
    return Run(numbers, pa.concat_tables([run.rows for run in runs]).combine_chunks())
