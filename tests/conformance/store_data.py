"""Tags, samples and groups for tests of stores, written as plain tuples.  Imports little: crash tests start often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from historian.model.commit import CurrentSamples
from historian.model.samples import Samples
from historian.model.status import GOOD
from historian.model.tag import Tag

T0: Final = 1_763_000_000_000_000
"""Some time in November 2025, microseconds."""

SECOND: Final = 1_000_000

Value: TypeAlias = float | int | str | None
Row: TypeAlias = tuple[int, int, Value, int]


def make_tags(count: int, prefix: str = "T") -> list[Tag]:
    """So many tags of one source."""
    return [Tag(f"{prefix}{number:03d}", "boiler", f"hr:{number}", "fast") for number in range(count)]


def make_samples(rows: Sequence[Row]) -> Samples:
    """Samples in columns; an int value is one that a double would round."""
    exact = {place: row[2] for place, row in enumerate(rows) if isinstance(row[2], int)}
    text = {place: row[2] for place, row in enumerate(rows) if isinstance(row[2], str)}
    values = [math.nan if row[2] is None or isinstance(row[2], str) else float(row[2]) for row in rows]
    return Samples(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array(values, np.float64),
        np.array([row[3] for row in rows], np.uint32),
        exact,
        text,
    )


def make_current(
    rows: Sequence[Row], *, newest: Sequence[bool], pending: Sequence[bool], last_scan_us: int = T0
) -> CurrentSamples:
    """What is known of a group."""
    return CurrentSamples(
        make_samples(rows), np.array(newest, np.bool_), np.array(pending, np.bool_), np.full(len(rows), last_scan_us)
    )


def good(tag_id: int, second: float, value: Value) -> Row:
    """A Good sample so many seconds after T0."""
    return (tag_id, T0 + round(second * SECOND), value, GOOD)
