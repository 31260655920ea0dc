"""The newest values of a store as lines for a person, made from snapshots while a collector runs.

``live_screen`` draws them in a terminal; here is no terminal, so that what is shown can be tested.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import pyarrow as pa

from historian.model.clock import US_PER_S
from historian.model.samples import BoolArray, FloatArray, Int32Array, Int64Array, UInt32Array
from historian.model.status import Severity, is_bad, severity, status_name
from storage.health import SOURCE
from storage.reader import StoreReader, StoreSnapshot

QUIET_SHARE: Final = 0.02
"""A trend is at least this share of the tag's range high, so that noise alone does not fill it."""

DIGITS: Final = 4
"""Digits before and behind the point together, for a tag with a range."""


RATE_SPAN_US: Final = 5 * US_PER_S
"""Rates are taken over this time: scans and commits beat against each other from one second to the next."""


@dataclass(frozen=True, slots=True)
class TagLine:
    """One tag.  ``trend`` float64[w] lies in 0..1, oldest first, NaN where there is no value."""

    name: str
    value: str
    units: str
    trend: FloatArray
    severity: Severity
    status: str
    age_s: float | None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source.  ``scans_per_s`` is None until two snapshots have been compared."""

    name: str
    protocol: str
    url: str
    state: str
    scans_per_s: float | None
    good: int
    bad: int
    latency_ms: float
    errors: int


@dataclass(frozen=True, slots=True)
class LiveView:
    """The store at one instant: its tags in the order of the tag list, its sources, and what came of the values."""

    tags: tuple[TagLine, ...]
    sources: tuple[SourceLine, ...]
    samples_in: int
    samples_stored: int
    values_per_s: float | None
    commit_max_ms: float

    @property
    def compression(self) -> float | None:
        """Values read for each sample stored; None while nothing is stored."""
        return self.samples_in / self.samples_stored if self.samples_stored else None


class LiveReader:
    """Makes a :class:`LiveView` of each snapshot; rates come from comparing it with earlier ones."""

    def __init__(self, store: Path, *, window_s: float, trend_width: int) -> None:
        """Open the store.  Raises as :meth:`StoreReader.open` does."""
        self._reader = StoreReader.open(store)
        self._window_us = int(window_s * US_PER_S)
        self._width = trend_width
        self._counts: dict[str, deque[tuple[int, int]]] = {}

    def view(self, now_us: int) -> LiveView:
        """The store now."""
        snapshot = self._reader.snapshot()
        process = snapshot.health.get("process", {})
        return LiveView(
            tuple(_tag_lines(snapshot, now_us, self._window_us, self._width)),
            tuple(
                self._source_line(name.removeprefix(SOURCE), figures)
                for name, figures in snapshot.health.items()
                if name.startswith(SOURCE)
            ),
            _whole(process, "samples_in"),
            _whole(process, "samples_stored"),
            self._rate("process", process, "samples_in"),
            _number(process, "commit_max_ms"),
        )

    def is_collecting_since(self, time_us: int) -> bool:
        """True when a collecting process that started after ``time_us`` has committed something."""
        return _whole(self._reader.health().get("process", {}), "started_us") >= time_us

    def close(self) -> None:
        """Close the store."""
        self._reader.close()

    def _source_line(self, name: str, figures: Mapping[str, object]) -> SourceLine:
        return SourceLine(
            name,
            str(figures.get("protocol", "")),
            str(figures.get("url", "")),
            str(figures.get("state", "")),
            self._rate(name, figures, "scans"),
            _whole(figures, "good"),
            _whole(figures, "bad"),
            _number(figures, "latency_ms"),
            _whole(figures, "errors"),
        )

    def _rate(self, name: str, figures: Mapping[str, object], counter: str) -> float | None:
        """Counts a second over the last RATE_SPAN_US or so; None while there is nothing to compare with."""
        counts = self._counts.setdefault(name, deque())
        now = (_whole(figures, "updated_us"), _whole(figures, counter))
        if now[0] > (counts[-1][0] if counts else 0):
            counts.append(now)
        if len(counts) < 2:
            return None
        while len(counts) > 2 and counts[-1][0] - counts[1][0] >= RATE_SPAN_US:
            counts.popleft()
        (first_us, first), (last_us, last) = counts[0], counts[-1]
        return (last - first) * US_PER_S / (last_us - first_us)


def _whole(figures: Mapping[str, object], name: str) -> int:
    value = figures.get(name)
    return int(value) if isinstance(value, int | float) else 0


def _number(figures: Mapping[str, object], name: str) -> float:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


# -- tags --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """Samples of all tags, sorted by tag and time."""

    tag_id: Int32Array
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array

    @classmethod
    def of(cls, table: pa.Table) -> _Columns:
        tag_id = table["tag_id"].to_numpy().astype(np.int32)
        time_us = _microseconds(table["time"])
        order = np.lexsort((time_us, tag_id))
        value = table["value"].to_numpy().astype(np.float64)
        status = table["status"].to_numpy().astype(np.int32).view(np.uint32)
        return cls(tag_id[order], time_us[order], value[order], status[order])

    def of_tag(self, tag_id: int) -> slice:
        """The rows of one tag."""
        first, last = np.searchsorted(self.tag_id, [tag_id, tag_id + 1])
        return slice(int(first), int(last))


def _microseconds(column: pa.ChunkedArray) -> Int64Array:
    """int64 microseconds since 1970; 0 for none."""
    return cast("Int64Array", column.cast(pa.int64()).fill_null(0).to_numpy())


def _tag_lines(snapshot: StoreSnapshot, now_us: int, window_us: int, width: int) -> list[TagLine]:
    recent = _Columns.of(snapshot.recent)
    grid = np.linspace(now_us - window_us, now_us, width).astype(np.int64)
    newest = {row["tag_id"]: row for row in snapshot.current.to_pylist()}
    # A line of a table for a person: there are never more of them than a screen or two.
    lines = []
    for tag in snapshot.tags.sort_by("tag_id").to_pylist():
        row, rows = newest.get(tag["tag_id"]), recent.of_tag(tag["tag_id"])
        at_us, values = recent.time_us[rows], recent.value[rows]
        drawn = trend(at_us, values, is_bad(recent.status[rows]), grid, is_step=bool(tag["is_step"]))
        lines.append(_tag_line(tag, row, scaled(drawn, tag["low"], tag["high"]), now_us))
    return lines


def _tag_line(tag: Mapping[str, object], row: Mapping[str, object] | None, drawn: FloatArray, now_us: int) -> TagLine:
    name, units = str(tag["tag"]), str(tag["units"] or "")
    if row is None:
        return TagLine(name, "", units, drawn, Severity.BAD, "no sample yet", None)
    status = cast("int", row["status"]) & 0xFFFFFFFF
    seen_us = _instant_us(row["last_scan"]) or _instant_us(row["time"])
    return TagLine(
        name,
        "" if severity(status) is Severity.BAD else value_text(tag, row),
        units,
        drawn,
        severity(status),
        status_name(status),
        max((now_us - seen_us) / US_PER_S, 0.0),
    )


def _instant_us(instant: object) -> int:
    """Microseconds of a time out of an Arrow table; 0 for none."""
    return round(instant.timestamp() * US_PER_S) if hasattr(instant, "timestamp") else 0


def value_text(tag: Mapping[str, object], row: Mapping[str, object]) -> str:
    """A sample's value as people read it: the text of its code, whole numbers whole, others to the range's digits."""
    if row["value_text"] is not None:
        return str(row["value_text"])
    if row["value_int"] is not None:
        return str(row["value_int"])
    value = cast("float", row["value"])
    texts = enumeration(tag)
    if texts:
        return texts.get(int(value), f"{value:g}")
    low, high = tag["low"], tag["high"]
    if isinstance(low, int | float) and isinstance(high, int | float) and not _is_whole(tag):
        return f"{value:.{max(0, DIGITS - len(str(int(high - low))))}f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.10g}"


def _is_whole(tag: Mapping[str, object]) -> bool:
    return "int" in str(tag["value_type"]) and tag["scale"] is None


def enumeration(tag: Mapping[str, object]) -> dict[int, str]:
    """Texts by code of a tag; empty for a tag without."""
    texts = tag["enumeration"]
    if not isinstance(texts, str) or not texts:
        return {}
    return {int(code): str(text) for code, text in json.loads(texts).items()}


# -- trends ------------------------------------------------------------------------------------------------------------


def trend(time_us: Int64Array, value: FloatArray, bad: BoolArray, grid_us: Int64Array, *, is_step: bool) -> FloatArray:
    """The value at each instant of ``grid_us``, from samples in the order of time: float64[len(grid_us)].

    Between two samples the line between them, or the earlier one for a step tag and beside a Bad sample; after the
    last sample that one; NaN before the first and while the status is Bad.
    """
    if not len(time_us):
        return np.full(len(grid_us), np.nan)
    known = np.where(bad, np.nan, value)
    before = np.searchsorted(time_us, grid_us, side="right") - 1
    held = np.where(before >= 0, known[before], np.nan)
    if is_step:
        return held
    after = np.minimum(before + 1, len(time_us) - 1)
    length = np.maximum(time_us[after] - time_us[before], 1)
    share = np.clip((grid_us - time_us[before]) / length, 0.0, 1.0)
    line = held + share * (known[after] - held)
    return np.where(np.isnan(line), held, line)


def scaled(values: FloatArray, low: float | None, high: float | None) -> FloatArray:
    """``values`` brought to 0..1 over what they span, which counts as QUIET_SHARE of low..high at least."""
    if np.isnan(values).all():
        return values
    bottom, top = float(np.nanmin(values)), float(np.nanmax(values))
    least = (high - low) * QUIET_SHARE if low is not None and high is not None else 0.0
    missing = max(least - (top - bottom), 0.0)
    bottom, top = bottom - missing / 2, top + missing / 2
    if top == bottom:
        return np.where(np.isnan(values), np.nan, 0.0)
    return (values - bottom) / (top - bottom)


def choose(lines: Sequence[TagLine], room: int, first: Sequence[str]) -> list[TagLine]:
    """As many lines as there is room for: those named in ``first`` before others, in the order of the tag list."""
    if len(lines) <= room:
        return list(lines)
    rank = {name: place for place, name in enumerate(first)}
    chosen = sorted(lines, key=lambda line: rank.get(line.name, len(rank)))[: max(room, 0)]
    names = {line.name for line in chosen}
    return [line for line in lines if line.name in names]
