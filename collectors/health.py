"""What is known about a source while it is collected from: for ``historian status`` and the SQL view ``sources``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np

from historian.model.samples import UInt32Array
from historian.model.status import is_bad

SourceState: TypeAlias = Literal["connecting", "connected", "failed"]


@dataclass(slots=True)
class SourceHealth:
    """Figures of one source since the start of collecting.

    ``scans`` were read, ``overruns`` were skipped because an earlier one was not done, ``errors`` failed as a whole.
    ``good`` and ``bad`` count the points of the newest reading of each group, ``skewed`` all values so far whose time
    was further ahead of our clock than the source allows, ``lost`` how often values are known to be missing,
    ``backfilled`` the values that came from its history.  Latency
    is the time of one reading, lateness how long after its grid time it started.
    """

    protocol: str
    url: str
    state: SourceState = "connecting"
    points: int = 0
    scans: int = 0
    overruns: int = 0
    errors: int = 0
    reconnects: int = 0
    good: int = 0
    bad: int = 0
    skewed: int = 0
    lost: int = 0
    backfilled: int = 0
    latency_ms: float = 0.0
    latency_max_ms: float = 0.0
    lateness_ms: float = 0.0
    lateness_max_ms: float = 0.0
    last_good_us: int = 0
    last_error: str = ""
    updated_us: int = 0

    def as_mapping(self) -> dict[str, object]:
        """JSON-ready figures by name."""
        return asdict(self)


def count_bad(status: UInt32Array) -> int:
    """How many of these points are Bad."""
    return int(np.count_nonzero(is_bad(status)))
