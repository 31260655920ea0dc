"""The historian itself, as a peer among peers: bulk insert, compaction, questions through ``historian.open``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from peers.workload import Workload

import historian
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.edits import Cause
from storage.import_chunk import ImportNotes
from storage.reader import StoreReader
from storage.store import Store

DAY_US = 86_400_000_000


def instant(time_us: int) -> datetime:
    """As people hand it over."""
    return datetime.fromtimestamp(time_us / 1e6, UTC)


class Ours:
    """A store in ``folder``."""

    name = "historian"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"

    def ingest(self, work: Workload) -> None:
        """One bulk insert, as imports do it; durable when it returns, which only SQL databases here promise too."""
        self.names = work.names
        self.end_us = int(work.times_us[-1])
        tags = [Tag(name, "plant", "hr:0", "fast", ValueType.FLOAT64) for name in work.names]
        with Store.open(self.folder, create=True) as store:
            store.register_tags(tags, int(work.times_us[0]), "benchmark")
            cause = Cause("benchmark", "bulk insert", self.end_us + DAY_US)
            store.insert_chunk(Samples(*work.flat()), cause, replace=False, settle=lambda _: ImportNotes())

    def open(self) -> None:
        """Compacted, as it would be after a while."""
        with Store.open(self.folder) as store:
            store.compact(self.end_us + 100 * DAY_US, everything=True)
        self.link = historian.open(self.folder)

    def size(self) -> int:
        """Bytes of the archive's files; those that compaction has replaced are there for ten minutes more."""
        with StoreReader.open(self.folder) as reader:
            return reader.statistics().archive_bytes

    def newest(self) -> object:
        """Of every tag."""
        return self.link.snapshot()

    def raw(self, tag: int, start_us: int, end_us: int) -> object:
        """Of one tag."""
        return self.link.sql(
            "select time, value, status_code from samples where tag = ? and time >= ? and time < ?",
            [self.names[tag - 1], instant(start_us), instant(end_us)],
        )

    def history(self, tag: int, start_us: int, end_us: int) -> object:
        """As ``raw``, by the function made for it."""
        return self.link.history(self.names[tag - 1], instant(start_us), instant(end_us))

    def buckets(self, tag: int, start_us: int, end_us: int, width_us: int) -> object:
        """Average, minimum, maximum of one tag."""
        return self.link.sql(
            f"select epoch_us(time) // {width_us} as b, avg(value), min(value), max(value) from samples "
            "where tag = ? and time >= ? and time < ? group by b order by b",
            [self.names[tag - 1], instant(start_us), instant(end_us)],
        )

    def averages(self, width_us: int) -> object:
        """Of all tags."""
        return self.link.sql(f"select tag, epoch_us(time) // {width_us} as b, avg(value) from samples group by tag, b")

    def buckets_over_time(self, tag: int, start_us: int, end_us: int, width_us: int) -> object:
        """As ``buckets``, by the function made for it."""
        names = ["Average", "Minimum", "Maximum"]
        step = timedelta(microseconds=width_us)
        return self.link.aggregate(self.names[tag - 1], instant(start_us), instant(end_us), step, names)

    def averages_over_time(self, start_us: int, end_us: int, width_us: int) -> object:
        """As ``averages``, by the function made for it, and over time."""
        step = timedelta(microseconds=width_us)
        return self.link.aggregate("*", instant(start_us), instant(end_us), step, "TimeAverage2")

    def at(self, time_us: int) -> object:
        """The value of every tag at a time."""
        return self.link.value_at(list(self.names), instant(time_us))

    def close(self) -> None:
        """Let go."""
        self.link.close()
