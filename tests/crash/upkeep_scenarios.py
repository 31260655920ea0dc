"""What compaction and retention do to a store until the process dies; run as a script by the crash tests.

``python upkeep_scenarios.py SCENARIO FOLDER STEP AFTER``, as ``store_scenarios.py``.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final

from conformance.store_data import Row, make_samples, make_tags
from crash.store_scenarios import die_at, say
from historian.config.settings import CompactionSettings, RetentionSettings, ThinningSettings
from historian.model.commit import Commit
from storage import archive, value_kinds
from storage.store import Store

DAY: Final = 86_400_000_000
HOUR: Final = 3_600_000_000
NOV_1: Final = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""
NOW: Final = NOV_1 + 3 * DAY
SETTINGS: Final = CompactionSettings()
LATER: Final = NOV_1 + 31 * DAY
RETENTION: Final = RetentionSettings(keep_us=30 * DAY, thinning=ThinningSettings(1 * DAY, HOUR))
"""Of the four files two go as a whole and one in part."""


def fill(folder: Path) -> Store:
    """Three files of the first day, one over midnight, an edit, a removal."""
    store = Store.open(folder, create=True)
    store.register_tags(make_tags(2), NOV_1, "test")
    for file in range(4):
        hours = range(file * 10, file * 10 + 10)
        store.commit(Commit(NOV_1, make_samples([(1, NOV_1 + hour * HOUR, float(hour), 0) for hour in hours])))
        store.flush(force=True)
    store.edit(1, NOV_1 + HOUR, 77.0, who="test", why="test", time_us=NOV_1)
    store.remove(1, NOV_1 + 2 * HOUR, NOV_1 + 3 * HOUR, who="test", why="test", time_us=NOV_1)
    say("filled")
    return store


def compact(folder: Path) -> None:
    """A split, a day, and later the end of the retired files."""
    store = fill(folder)
    store.compact(NOW, SETTINGS)
    say("compacted")
    store.compact(NOW + HOUR, SETTINGS)
    say("removed")


def compact_kinds(folder: Path) -> None:
    """A day of tags that repeat and tags that do not: two files are written at the same time, in place of four."""
    value_kinds.SPLIT_ROWS, archive.MIN_GROUP_ROWS = 1, 200
    store = Store.open(folder, create=True)
    store.register_tags(make_tags(3), NOV_1, "test")
    for file in range(4):
        store.commit(Commit(NOV_1, make_samples(kinds(range(file * 100, file * 100 + 100)))))
        store.flush(force=True)
    say("filled")
    store.compact(NOW, SETTINGS)
    say("compacted")


def kinds(minutes: range) -> list[Row]:
    """The values of tag 2 are all different ones, those of the others two."""
    return [
        (tag, NOV_1 + minute * 60_000_000, 1000 * math.sin(minute) if tag == 2 else float(minute % 2), 0)
        for tag in (1, 2, 3)
        for minute in minutes
    ]


def retain(folder: Path) -> None:
    """Averages of the month before, then the first day and a part of a file go."""
    store = fill(folder)
    store.retain(LATER, RETENTION)
    say("retained")


if __name__ == "__main__":
    die_at(sys.argv[3], int(sys.argv[4]))
    {"compact": compact, "compact kinds": compact_kinds, "retain": retain}[sys.argv[1]](Path(sys.argv[2]))
