"""Series written by hand in tests: samples as tuples, times in whole seconds or microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from historian.model.samples import EXACT_LIMIT
from historian.model.status import BAD_NO_COMMUNICATION, GOOD, UNCERTAIN
from historian.retrieval.series import Series

SECOND: Final = 1_000_000
BAD: Final = BAD_NO_COMMUNICATION
UNSURE: Final = UNCERTAIN


@dataclass(frozen=True)
class Tag:
    """``samples`` are (time, value) or (time, value, status); a value None is Bad.  ``known``: the end of data."""

    samples: Sequence[tuple]
    stepped: bool = False
    known: float | None = None

    @property
    def known_until(self) -> float:
        last = self.samples[-1][0] if self.samples else 0
        return last if self.known is None else max(self.known, last)


def series_of(*tags: Tag, unit: int = SECOND) -> Series:
    """The series of ``tags``, whose times are in ``unit`` microseconds."""
    rows = [sample for tag in tags for sample in tag.samples]
    values = [sample[1] for sample in rows]
    return Series(
        starts=np.cumsum([0, *(len(tag.samples) for tag in tags)]),
        time_us=np.array([round(sample[0] * unit) for sample in rows], np.int64),
        value=np.array([np.nan if isinstance(v, str | None) else float(v) for v in values], np.float64),
        status=np.array([_status(sample) for sample in rows], np.uint32),
        stepped=np.array([tag.stepped for tag in tags], np.bool_),
        known_us=np.array([round(tag.known_until * unit) for tag in tags], np.int64),
        exact={
            row: v for row, v in enumerate(values) if isinstance(v, int) and abs(v) > EXACT_LIMIT and int(float(v)) != v
        },
        text={row: v for row, v in enumerate(values) if isinstance(v, str)},
    )


def _status(sample: tuple) -> int:
    if len(sample) == 3:
        return sample[2]
    return BAD if sample[1] is None else GOOD
