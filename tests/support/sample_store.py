"""A store made of samples written by hand, for tests of everything that reads one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from historian.model.commit import AuditEvent, Commit, CurrentSamples
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.store import Store

T0_US = 1_795_305_600_000_000
"""2026-11-22T00:00:00Z."""
SECOND = 1_000_000

GOOD, UNCERTAIN, BAD = 0x00000000, 0x40000000, 0x80310000

TAGS = (
    Tag("FIC101.PV", "boiler", "hr:0", "fast", ValueType.FLOAT32, units="m3/h", description="feed flow"),
    Tag("FIC102.PV", "boiler", "hr:2", "fast", ValueType.FLOAT32, units="m3/h"),
    Tag("XV101.OPEN", "boiler", "coil:0", "fast", ValueType.BOOL, enumeration={0: "closed", 1: "open"}),
    Tag("FQ101.TOTAL", "boiler", "hr:4", "fast", ValueType.UINT64, units="m3", step=True),
    Tag("BATCH.ID", "mixer", "ns=2;s=Batch", "slow", ValueType.TEXT),
)

Row = tuple[str, float, float | int | str | None, int]
"""Tag, seconds after T0_US, value (None: none), status."""


def samples_of(rows: Sequence[Row], ids: Mapping[str, int]) -> Samples:
    """The rows as the pipeline would hand them over."""
    exact = {n: row[2] for n, row in enumerate(rows) if isinstance(row[2], int) and float(row[2]) != row[2]}
    return Samples(
        np.array([ids[row[0]] for row in rows], np.int32),
        np.array([T0_US + round(row[1] * SECOND) for row in rows], np.int64),
        np.array([float(row[2]) if isinstance(row[2], int | float) else math.nan for row in rows], np.float64),
        np.array([row[3] for row in rows], np.uint32),
        exact,
        {n: row[2] for n, row in enumerate(rows) if isinstance(row[2], str)},
    )


def current_of(rows: Sequence[Row], ids: Mapping[str, int], last_scan_s: Mapping[str, float]) -> CurrentSamples:
    """The newest of ``rows`` of each tag as the tag's current sample, which is stored as well."""
    newest = {row[0]: row for row in sorted(rows, key=lambda row: row[1])}
    samples = samples_of(list(newest.values()), ids)
    scans = [T0_US + round(last_scan_s.get(tag, row[1]) * SECOND) for tag, row in newest.items()]
    return CurrentSamples(
        samples, np.ones(len(samples), np.bool_), np.zeros(len(samples), np.bool_), np.array(scans, np.int64)
    )


def make_store(
    path: Path,
    rows: Sequence[Row],
    *,
    tags: Sequence[Tag] = TAGS,
    archived_before_s: float = 0.0,
    health: Mapping[str, Mapping[str, object]] | None = None,
    last_scan_s: Mapping[str, float] | None = None,
    final: bool = False,
) -> None:
    """A store with ``rows``; those before ``archived_before_s`` are in a Parquet file, the others in the buffer."""
    with_file = [row for row in rows if row[1] < archived_before_s]
    buffered = [row for row in rows if row[1] >= archived_before_s]
    store = Store.open(path, create=True)
    try:
        ids = store.register_tags(tags, T0_US, "test")
        if with_file:
            store.commit(Commit(T0_US, samples_of(with_file, ids)))
            store.flush(force=True)
        event = AuditEvent(T0_US, "test", "store made", "samples")
        current = {0: current_of(rows, ids, last_scan_s or {})} if rows else {}
        commit = Commit(T0_US, samples_of(buffered, ids), current, events=[event], health=health or {})
        store.commit(commit, final=final)
    finally:
        store.close()


def plant_rows(seconds: int = 60) -> list[Row]:
    """One sample a second of five tags, FIC101.PV Bad from second 20 to 29."""
    rows: list[Row] = []
    for second in range(seconds):
        bad = 20 <= second < 30
        rows += [
            ("FIC101.PV", second, None if bad else 50.0 + second, BAD if bad else GOOD),
            ("FIC102.PV", second, 10.0, UNCERTAIN if second == 5 else GOOD),
            ("XV101.OPEN", second, second // 10 % 2, GOOD),
            ("FQ101.TOTAL", second, 2**53 + 2 * second + 1, GOOD),
            ("BATCH.ID", second, f"B-{second // 30}", GOOD),
        ]
    return rows
