"""Make an archive of many tags and samples straight through the store, to see how cost grows with it.

``python benchmarks/make_large_archive.py FOLDER --tags 10000 --samples 1000000000``: two bytes a sample on the disk.
The samples are those of whole days at one interval, in a file for each day as compaction leaves them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.edits import Cause
from storage.import_chunk import ImportNotes
from storage.store import Store

T0_US = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z."""
DAY_US = 86_400_000_000
CHUNK_ROWS = 20_000_000
"""Samples made at once: some 2 GB of memory."""


def make(folder: Path, tags: int, samples: int, *, per_day: int = 1440, chunk_rows: int = CHUNK_ROWS) -> int:
    """An archive of at least ``samples`` samples, ``per_day`` a day of each tag; how many it got."""
    days = max(1, -(-samples // (tags * per_day)))
    known = [Tag(f"TAG{number:06}.PV", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(tags)]
    end_us = T0_US + (days + 1) * DAY_US
    with Store.open(folder, create=True) as store:
        store.register_tags(known, T0_US, "make_large_archive")
        for day in range(days):
            for first in range(0, tags, max(1, chunk_rows // per_day)):
                part = range(first, min(first + max(1, chunk_rows // per_day), tags))
                cause = Cause("make_large_archive", "bulk", end_us)
                store.insert_chunk(block(part, day, per_day), cause, replace=False, settle=lambda _: ImportNotes())
            store.flush(force=True)  # a chunk of few samples went to the buffer
    return days * tags * per_day


def block(tags: range, day: int, per_day: int) -> Samples:
    """A day of some tags: drifts through a converter of 12 bits."""
    rng = np.random.default_rng([tags.start, day])
    at = np.arange(per_day, dtype=np.int64) * (DAY_US // per_day)
    phase = rng.uniform(0, 6.28, (len(tags), 1))
    noise = rng.standard_normal((len(tags), per_day), np.float32)
    values = np.rint(2048 + 900 * np.sin(at / DAY_US * 6.28 + phase) + noise * 4) * (100 / 4095)
    return Samples(
        np.repeat(np.arange(tags.start + 1, tags.stop + 1, dtype=np.int32), per_day),
        np.tile(T0_US + day * DAY_US + at, len(tags)),
        values.ravel(),
        np.zeros(values.size, np.uint32),
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tags", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=1_000_000_000)
    parser.add_argument("--per-day", type=int, default=1440, help="samples a day of each tag")
    wanted = parser.parse_args()
    start = time.perf_counter()
    count = make(wanted.folder, wanted.tags, wanted.samples, per_day=wanted.per_day)
    size = sum(path.stat().st_size for path in wanted.folder.rglob("*.parquet"))
    seconds = time.perf_counter() - start
    print(
        f"{count:,} samples in {size / 1e6:,.0f} MB, {size / count:.2f} bytes/sample, {count / seconds / 1e6:.1f} M/s"
    )


if __name__ == "__main__":
    main()
