"""What a question is answered from: the store at one instant, and how the person who asks reads and writes time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
import pyarrow as pa

from historian.errors import UnusableValueError, UsageError
from historian.model.samples import FloatArray, IndexArray, Int64Array, Samples, take_extras
from historian.retrieval.described import TagTexts, described, select_rows
from historian.retrieval.functions.arguments import instant_us, text_of_step, texts
from historian.retrieval.functions.columns import TIME
from historian.retrieval.intervals import Intervals
from historian.retrieval.long_table import VersionsOf
from historian.retrieval.questions.bounding import ValuesAt
from historian.retrieval.questions.calendar_steps import intervals_by
from historian.retrieval.questions.step_text import Step, parse_step
from historian.retrieval.series import Series
from historian.retrieval.series_of import read_blocks, read_instants, read_series
from historian.retrieval.time_range import TimeRange, find_zone
from storage.arrays import column
from storage.ranges import RangeReader
from storage.reader import StoreSnapshot


@dataclass(frozen=True, slots=True)
class Reading:
    """A snapshot of the store with what is needed to ask it.

    ``now_us`` is the time of the question, ``zone`` the one that times without a zone are read in; ``versions_of``
    gives the versions of tags; ``rows`` below are those of ``snapshot.tags``.
    """

    snapshot: StoreSnapshot
    tags: TagTexts
    ranges: RangeReader
    zone: tzinfo
    now_us: int
    versions_of: VersionsOf | None = None

    def rows(self, wanted: object) -> IndexArray:
        """The rows of the tags that names and patterns mean, in the order asked for.

        Raises UsageError for an unknown tag, and for what is neither a text nor a list of texts.
        """
        return select_rows(texts("tags", wanted), self.tags)

    def instant_us(self, name: str, moment: object) -> int:
        """Microseconds of a time that was given as the parameter ``name``.  Raises UsageError."""
        return instant_us(name, moment, self.now_us, self.zone)

    def span_us(self, start: object, end: object) -> tuple[int, int]:
        """Start and end as given, without an end now; the start may be the later one.  Raises UsageError."""
        end_us = self.now_us if end is None else self.instant_us("end", end)
        return self.instant_us("start", start), end_us

    def intervals(self, start: object, end: object, step: object) -> Intervals:
        """The intervals of a step, or one for all without it.  Raises UsageError."""
        start_us, end_us = self.span_us(start, end)
        return intervals_by(None if step is None else _step(step), start_us, end_us, self.zone)

    def series(self, rows: IndexArray, low_us: int, high_us: int, *, uncertain_as_bad: bool = False) -> Series:
        """The samples of tags in [low, high), and what their answers need beside it.

        ``uncertain_as_bad``: for a question that takes Uncertain samples for Bad ones.
        """
        span = TimeRange(low_us, max(high_us, low_us + 1))
        return read_series(self.ranges, self.snapshot, rows, span, uncertain_as_bad=uncertain_as_bad)

    def blocks(
        self, rows: IndexArray, low_us: int, high_us: int, *, uncertain_as_bad: bool = False
    ) -> Iterator[tuple[IndexArray, Series]]:
        """The same in blocks that fit into memory, with the rows of the tags of each."""
        span = TimeRange(low_us, max(high_us, low_us + 1))
        return read_blocks(self.ranges, self.snapshot, rows, span, uncertain_as_bad=uncertain_as_bad)

    def instants(
        self, rows: IndexArray, instants: Int64Array, *, with_lines: bool
    ) -> Iterator[tuple[Int64Array, Series]]:
        """What answers at instants (increasing) need, in parts, with the instants of each.

        ``with_lines``: they may lie on lines between samples; else they are samples.
        """
        return read_instants(self.ranges, self.snapshot, rows, instants, with_lines=with_lines)

    def samples_about(self, rows: IndexArray, low_us: int, high_us: int) -> FloatArray:
        """float64[k]: about how many samples each tag has in [low, high)."""
        tag_id = self.tags.tag_id[rows]
        order = np.argsort(tag_id, kind="stable")
        found = np.empty(len(rows))
        found[order] = self.ranges.estimate(self.snapshot, tag_id[order], low_us, high_us)
        return found

    def tag_rows(self, rows: IndexArray) -> list[dict[str, Any]]:
        """What is known of the tags at ``rows`` now."""
        told: list[dict[str, Any]] = self.snapshot.tags.take(column(rows.astype(np.int64), pa.int64())).to_pylist()
        return told

    def names(self, rows: IndexArray) -> pa.Array:
        """The names of the tags at ``rows``, which may come often."""
        known = self.snapshot.tags.column("tag").combine_chunks()
        return known.take(column(rows.astype(np.int64), pa.int64()))

    def values(self, series: Series, rows: IndexArray, found: ValuesAt) -> dict[str, pa.Array]:
        """The columns of values and statuses that every question has; ``rows`` are those of the series' tags."""
        of_tag = rows[found.tag]
        samples = Samples(
            self.tags.tag_id[of_tag], found.time_us, found.value, found.status,
            take_extras(series.exact, found.row), take_extras(series.text, found.row),
        )  # fmt: skip
        return described(samples, of_tag, self.tags)


def _step(step: object) -> Step:
    try:
        return parse_step(text_of_step("step", step))
    except UnusableValueError as error:
        raise UsageError(f"cannot read step: {error}") from error


def times(time_us: Int64Array) -> pa.Array:
    """A column of times."""
    return column(time_us, TIME)


def concatenated(parts: Sequence[pa.Table], columns: pa.Schema) -> pa.Table:
    """The rows of all parts in their order, with these columns alone."""
    return pa.concat_tables([columns.empty_table(), *(part.select(columns.names) for part in parts)])


class Readings:
    """Makes readings of the snapshots of one store; keeps what they share: row groups in memory, names of tags.

    May be used from several threads.  Raises UnusableValueError for an unknown time zone.
    """

    def __init__(
        self, time_zone: str, ranges: RangeReader | None = None, versions_of: VersionsOf | None = None
    ) -> None:
        self.zone = find_zone(time_zone)
        self.versions_of = versions_of
        self.ranges = ranges or RangeReader()
        self._tags: TagTexts | None = None

    def tags(self, snapshot: StoreSnapshot) -> TagTexts:
        """The tags of a snapshot, made anew only when they have changed."""
        kept = self._tags
        if kept is None or kept.table is not snapshot.tags:
            kept = self._tags = TagTexts.of(snapshot.tags)
        return kept

    def of(self, snapshot: StoreSnapshot) -> Reading:
        """A reading of ``snapshot``, now."""
        tags = self.tags(snapshot)
        return Reading(snapshot, tags, self.ranges, self.zone, time.time_ns() // 1000, self.versions_of)
