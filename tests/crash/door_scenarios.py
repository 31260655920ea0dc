"""A collection with compression that dies; run as a script by the crash tests, like ``store_scenarios.py``.

Each second two tags are scanned and committed.  Their door settles every three scans, so that the deaths of a few
commits fall before, at and behind a block.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from conformance.held_data import with_door
from conformance.store_data import SECOND, T0, make_tags
from crash.store_scenarios import die_at, say
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.scan import Scan, ScanGroup
from historian.pipeline import part
from historian.pipeline.group import GroupPipeline
from storage.store import Store

VALUES = ((0.0, 0.0), (0.4, 3.0), (0.1, 6.2), (0.3, 9.0), (0.2, 9.1), (7.0, 9.0), (7.1, 9.2), (7.0, 30.0))
"""Of both tags by second: a step, and a ramp that ends."""


def collect(folder: Path) -> None:
    """Scan after scan, each in a commit of its own."""
    part.MOST_SCANS = part.LEAST_SCANS = 3
    tags = tuple(with_door(tag) for tag in make_tags(2))
    with Store.open(folder, create=True) as store:
        store.register_tags(tags, T0, "test")
        store.recover(T0 + 100 * SECOND)
        group = GroupPipeline(
            ScanGroup(0, "boiler", "fast", SECOND, 0, tags), np.array([1, 2], np.int32), Samples.empty(),
            started_us=T0, future_us=3600 * SECOND, past_us=3600 * SECOND,
        )  # fmt: skip
        say("ready")
        for second, values in enumerate(VALUES):
            time_us = T0 + second * SECOND
            scan = Scan(0, time_us, np.full(2, time_us), np.array(values), np.zeros(2, np.uint32))
            stored, _ = group.accept(scan)
            store.commit(Commit(time_us, stored, {0: group.current()}, held=group.take_held()))
            say(f"commit {second}")


if __name__ == "__main__":
    die_at(sys.argv[2], int(sys.argv[3]))
    collect(Path(sys.argv[1]))
