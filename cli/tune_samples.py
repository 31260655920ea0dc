"""The raw samples of a store for ``historian tune``: one tag at a time, and of it only what was stored uncompressed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from historian.config.load import load_configuration
from historian.importing.target import tag_of
from historian.model.samples import Samples, concatenate
from historian.model.tag import Tag
from historian.pipeline.shadow import shadowed
from historian.retrieval.history import FIRST_US, LAST_US
from historian.retrieval.tag_selection import select_tags
from historian.tuning.series import RawSeries
from historian.tuning.understanding import MIN_SAMPLES, LeftAlone, Reason, left_alone_by_type
from storage.ranges import RangeReader
from storage.reader import StoreReader

Span = tuple[int | None, int]
"""From (None: the first sample) and until, in microseconds since 1970 UTC."""

_MEANING: Final = ("value_type", "scale", "offset", "units")
"""What has to be the same for two samples of a tag to be of one kind."""


@dataclass(frozen=True, slots=True)
class SampleStore:
    """A store open for reading, and the tags of it that were asked for, with the settings of now.

    ``ids`` are the store's numbers by name; ``extent`` from the oldest of all stored samples to after the newest.
    ``shadowed`` are tags of which raw samples are kept although they are compressed.
    """

    reader: StoreReader
    tags: tuple[Tag, ...]
    ids: dict[str, int]
    as_raw: bool
    ranges: RangeReader
    extent: tuple[int, int]
    shadowed: frozenset[str]

    @classmethod
    @contextmanager
    def open(cls, folder: Path, config_path: Path, wanted: Sequence[str], *, as_raw: bool) -> Iterator[SampleStore]:
        """The tags that ``wanted`` means, all without any.  Raises UsageError for a name that means none."""
        with StoreReader.open(folder) as reader:
            known = reader.tags()
            names = sorted(known.column("tag").to_pylist())
            configuration = load_configuration(config_path) if config_path.exists() else None
            configured = () if configuration is None else configuration.tags
            rows = {row["tag"]: row for row in known.to_pylist()}
            mine = {tag.name: tag for tag in configured}
            chosen = select_tags(wanted, names) if wanted else names
            tags = tuple(_with_settings_of_now(tag_of(rows[name]), mine.get(name)) for name in chosen)
            ids = {name: int(rows[name]["tag_id"]) for name in chosen}
            statistics = reader.statistics()
            extent = statistics.first_us or 0, (statistics.last_us or 0) + 1
            kept = frozenset[str]() if configuration is None else shadowed(configured, configuration.shadow)
            yield cls(reader, tags, ids, as_raw, RangeReader(), extent, kept)

    def read(self, tag: Tag, span: Span, most: int) -> RawSeries | LeftAlone:
        """The newest ``most`` raw samples of ``tag`` in ``span``; why there are none where nothing is raw."""
        left = left_alone_by_type(tag)
        if left is not None:
            return left  # its samples, which may be texts, are not looked at
        if self.as_raw:
            return self._read(tag, span, most)
        versions = self._versions(tag)
        found = RawSeries(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint32))
        for each in reversed(_raw_ranges(versions, span)):
            one = self._read(tag, each, most)
            found = one if len(one) > len(found) else found
            if len(found) >= MIN_SAMPLES:
                return found
        if not any(map(_is_lossy, versions)):
            return found
        kept = self._shadow(tag, span, most) if tag.name in self.shadowed else None
        return LeftAlone(Reason.COMPRESSED, _compressed(tag)) if kept is None or len(kept) < MIN_SAMPLES else kept

    def _shadow(self, tag: Tag, span: Span, most: int) -> RawSeries:
        """The newest raw samples that were kept of a shadowed tag."""
        parts: list[Samples] = []
        for row in reversed(self.reader.shadow_rows()):
            samples = self.reader.shadow_samples(row)
            inside = (samples.tag_id == self.ids[tag.name]) & (samples.time_us < span[1])
            inside &= samples.time_us >= (FIRST_US if span[0] is None else span[0])
            parts.append(samples.take(np.flatnonzero(inside)))
            if sum(map(len, parts)) >= most:
                break
        found = concatenate(parts)
        newest = np.argsort(found.time_us, kind="stable")[-most:]
        return RawSeries(found.time_us[newest], found.value[newest], found.status[newest])

    def _versions(self, tag: Tag) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.reader.tag_versions([self.ids[tag.name]]).to_pylist()
        return sorted(rows, key=lambda row: int(row["version"]))

    def _read(self, tag: Tag, span: Span, most: int) -> RawSeries:
        """The newest ``most`` samples in ``span``: of ever longer times, because nobody knows how many a time has."""
        snapshot, tag_id = self.reader.snapshot(), np.array([self.ids[tag.name]], np.int32)
        start_us, end_us = max(self.extent[0], span[0] or self.extent[0]), min(self.extent[1], span[1])
        back_us = end_us - start_us
        expected = float(self.ranges.estimate(snapshot, tag_id, start_us, end_us)[0])
        if expected > 2 * most:
            back_us = int(back_us * 1.5 * most / expected)
        while True:
            since_us = max(end_us - back_us, start_us)
            samples = self.ranges.between(snapshot, tag_id, since_us, end_us)
            if len(samples) >= most or since_us == start_us:
                newest = slice(max(len(samples) - most, 0), None)
                return RawSeries(samples.time_us[newest], samples.value[newest], samples.status[newest])
            back_us *= 4


def _with_settings_of_now(stored: Tag, configured: Tag | None) -> Tag:
    """The tag as it is configured, with the type that the store knows where the configuration leaves it open."""
    return stored if configured is None else replace(configured, value_type=configured.value_type or stored.value_type)


def _raw_ranges(versions: Sequence[dict[str, Any]], span: Span) -> list[Span]:
    """The parts of ``span`` in which nothing was left out and values meant what they mean now, oldest first.

    What is older than the first version was imported, and is taken as it is.
    """
    ranges: list[Span] = []
    for since, until, version in _lives(versions):
        is_raw = since is None or not _is_lossy(version)
        if not is_raw or any(version[name] != versions[-1][name] for name in _MEANING):
            continue
        goes_on = ranges and ranges[-1][1] == since
        ranges.append((ranges.pop()[0] if goes_on else since, until))
    return [part for each in ranges if (part := _common(each, span)) is not None]


def _is_lossy(version: dict[str, Any]) -> bool:
    return any(version[name] for name in ("exc_dev", "comp_dev"))


def _lives(versions: Sequence[dict[str, Any]]) -> Iterator[tuple[int | None, int, dict[str, Any]]]:
    """From when until when each version held; first, from ever on, the time before there was one."""
    yield None, _us(versions[0]["valid_from"]), versions[0]
    for version in versions:
        yield _us(version["valid_from"]), LAST_US if version["valid_to"] is None else _us(version["valid_to"]), version


def _us(moment: Any) -> int:  # noqa: ANN401 - a datetime of Arrow
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))


def _common(one: Span, other: Span) -> Span | None:
    starts = [start for start, _ in (one, other) if start is not None]
    start, end = max(starts, default=None), min(one[1], other[1])
    return None if start is not None and start >= end else (start, end)


def _compressed(tag: Tag) -> str:
    said = [
        f"{name} {settings.deviation.deviation:g}"
        for name, settings in (("exc_dev", tag.exception), ("comp_dev", tag.compression))
        if settings.deviation is not None
    ]
    what = f" ({', '.join(said)})" if said else ""
    return f"compressed already{what}, and what was left out cannot be tried: --probe, or --as-raw"
