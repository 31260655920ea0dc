"""Does compression keep its promise?  Raw samples that were kept as a proof, against the line through the stored ones.

The promise of a tag at a time is ``exc_dev`` + ``comp_dev`` of the version that held then.  There is none where
``exc_min`` or ``comp_min`` may swallow a value, for step tags, and where a person or an import changed what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, Samples, concatenate
from historian.model.status import SUBSTITUTED, is_bad
from storage.ranges import RangeReader
from storage.reader import StoreReader, StoreSnapshot
from storage.shadow import ShadowRow

BLOCK_SAMPLES: Final = 1_000_000
"""Raw samples that are looked at together."""

ROUNDING: Final = 1e-9
"""By this part a distance may exceed the promise, and by four units in the last place of the value: doubles round."""

_LAST_US: Final = int(np.iinfo(np.int64).max)
_CHANGES: Final = "sample"
"""Actions of the audit that change stored samples begin so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One tag: ``compared`` raw samples, and where the error was the largest part of the ``promise``.

    There the scan at ``at_us`` was ``raw`` and the line through the stored samples is at ``line``, ``error`` apart.
    ``missing`` are raw samples with no stored sample on one side.
    """

    tag_id: int
    tag: str
    compared: int
    error: float
    promise: float
    at_us: int
    raw: float
    line: float
    missing: int = 0

    @property
    def share(self) -> float:
        """The error as part of the promise."""
        if self.promise:
            return self.error / self.promise
        return 0.0 if self.error == 0 else np.inf

    @property
    def is_broken(self) -> bool:
        """True where the error is larger than the promise, or what was scanned is not spoken for."""
        return bool(self.missing) or self.error > self.promise * (1 + ROUNDING) + 4 * float(np.spacing(abs(self.raw)))


@dataclass(frozen=True, slots=True)
class BoundReport:
    """All tags with raw samples, the largest part of its promise first.

    ``samples`` raw ones were looked at, ``left_out`` of them make no promise.
    """

    findings: tuple[Finding, ...]
    samples: int
    left_out: int
    first_us: int | None
    last_us: int | None

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Those whose promise was broken."""
        return tuple(finding for finding in self.findings if finding.is_broken)


def verify_bound(reader: StoreReader, *, since_us: int | None = None) -> BoundReport:
    """Compare all raw samples from ``since_us`` on.  Works while another process collects.

    Raises CorruptionError for a damaged row or file.
    """
    # The rows first: what is stored of their samples is then in the snapshot, which is taken later.
    rows = [row for row in reader.shadow_rows() if since_us is None or row.last_us >= since_us]
    comparison = _Comparison(reader)
    for raw in _blocks(reader, rows, since_us):
        comparison.add(raw)
    first_us = min((row.first_us for row in rows), default=None)
    return comparison.report(first_us, max((row.last_us for row in rows), default=None))


def _blocks(reader: StoreReader, rows: Sequence[ShadowRow], since_us: int | None) -> Iterator[Samples]:
    """The raw samples, by tag and time, some rows at a time."""
    waiting: list[Samples] = []
    for row in rows:
        samples = reader.shadow_samples(row)
        if since_us is not None:
            samples = samples.take(np.flatnonzero(samples.time_us >= since_us))
        waiting.append(samples)
        if sum(map(len, waiting)) >= BLOCK_SAMPLES:
            yield _sorted(waiting)
            waiting = []
    if any(map(len, waiting)):
        yield _sorted(waiting)


def _sorted(parts: Sequence[Samples]) -> Samples:
    samples = concatenate(parts)
    order: IndexArray = np.lexsort((samples.time_us, samples.tag_id))
    return samples.take(order)


class _Comparison:
    """What was found so far.  ``reader`` gives the stored samples as of now."""

    def __init__(self, reader: StoreReader) -> None:
        self._snapshot = reader.snapshot()
        self._ranges = RangeReader()
        self._promises = Promises.of(reader.tag_versions())
        self._changes = _changes(self._snapshot)
        self._found: dict[int, Finding] = {}
        self._samples = 0
        self._left_out = 0

    def add(self, raw: Samples) -> None:
        """Compare raw samples, sorted by tag and time."""
        tag_ids = np.unique(raw.tag_id)
        stored = self._ranges.around(self._snapshot, tag_ids, int(raw.time_us.min()), int(raw.time_us.max()) + 1)
        # A loop over tags, of which few are shadowed.
        for tag_id in tag_ids.tolist():
            mine, theirs = (each.take(np.flatnonzero(each.tag_id == tag_id)) for each in (raw, stored))
            self._add_tag(tag_id, mine, theirs)

    def _add_tag(self, tag_id: int, raw: Samples, stored: Samples) -> None:
        numbers = np.flatnonzero(~is_bad(raw.status) & ~np.isnan(raw.value))
        exact = np.isin(numbers, np.fromiter(raw.exact, np.intp, len(raw.exact)))
        numbers = numbers[~exact]
        promise = self._promises.at(tag_id, raw.time_us[numbers])
        line, touched = _lines(stored, raw.time_us[numbers], self._changes.get(tag_id, ()))
        compared = ~np.isnan(promise) & ~touched
        self._samples += len(raw)
        self._left_out += len(raw) - int(compared.sum())
        if compared.any():
            rows = numbers[compared]
            self._note(tag_id, raw.time_us[rows], raw.value[rows], line[compared], promise[compared])

    def _note(self, tag_id: int, time_us: Int64Array, value: FloatArray, line: FloatArray, promise: FloatArray) -> None:
        missing = np.isnan(line)
        error = np.where(missing, 0.0, np.abs(value - line))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(error == 0, 0.0, error / promise)
        worst = int(np.argmax(share))
        found = Finding(
            tag_id, self._promises.names[tag_id], len(value), float(error[worst]), float(promise[worst]),
            int(time_us[worst]), float(value[worst]), float(line[worst]), int(missing.sum()),
        )  # fmt: skip
        before = self._found.get(tag_id)
        self._found[tag_id] = found if before is None else joined(before, found)

    def report(self, first_us: int | None, last_us: int | None) -> BoundReport:
        """Everything that was found."""
        findings = sorted(self._found.values(), key=lambda found: (not found.is_broken, -found.share, found.tag))
        return BoundReport(tuple(findings), self._samples, self._left_out, first_us, last_us)


def joined(one: Finding, other: Finding) -> Finding:
    """Two findings of one tag as one: the worse place, all samples."""
    worse = one if one.share >= other.share else other
    return Finding(
        worse.tag_id, other.tag, one.compared + other.compared, worse.error, worse.promise, worse.at_us, worse.raw,
        worse.line, one.missing + other.missing,
    )  # fmt: skip


def _lines(stored: Samples, time_us: Int64Array, changes: Sequence[tuple[int, int]]) -> tuple[FloatArray, BoolArray]:
    """At each time the value of the line through ``stored`` samples of one tag, NaN where there is none.

    And where the samples beside a time were changed by somebody, so that there is no promise.
    """
    before = np.searchsorted(stored.time_us, time_us, side="right") - 1
    after = np.searchsorted(stored.time_us, time_us)
    if not len(stored):
        return np.full(len(time_us), np.nan), np.zeros(len(time_us), np.bool_)
    is_before_all, is_after_all = before < 0, after == len(stored)
    before, after = np.maximum(before, 0), np.minimum(after, len(stored) - 1)
    value = np.where(is_bad(stored.status), np.nan, stored.value)
    length = (stored.time_us[after] - stored.time_us[before]).astype(np.float64)
    part = (time_us - stored.time_us[before]) / np.where(length == 0, 1.0, length)
    line = np.where(length == 0, value[before], value[before] + (value[after] - value[before]) * part)
    changed = (stored.status & SUBSTITUTED) == SUBSTITUTED
    # What is older than all that is stored was let go by retention.
    touched: BoolArray = changed[before] | changed[after] | is_before_all
    for first_us, last_us in changes:
        touched |= (stored.time_us[before] <= last_us) & (stored.time_us[after] >= first_us)
    return np.where(is_before_all | is_after_all, np.nan, line), touched


# -- what was promised, and what was changed -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promises:
    """The largest error of each tag by time: ``since`` int64 and ``bounds`` float64 (NaN: none) by ``tag_id``."""

    names: Mapping[int, str]
    versions: Mapping[int, tuple[Int64Array, FloatArray]]

    @classmethod
    def of(cls, versions: pa.Table) -> Promises:
        """From all versions of all tags.  A loop over versions: it runs once."""
        rows = sorted(versions.to_pylist(), key=lambda row: (row["tag_id"], row["version"]))
        names = {row["tag_id"]: row["tag"] for row in rows}
        found: dict[int, tuple[list[int], list[float]]] = {}
        for row in rows:
            since, bounds = found.setdefault(row["tag_id"], ([], []))
            since.append(_us(row["valid_from"]))
            bounds.append(_bound(row))
        return cls(
            names, {tag: (np.array(since, np.int64), np.array(bounds)) for tag, (since, bounds) in found.items()}
        )

    def at(self, tag_id: int, time_us: Int64Array) -> FloatArray:
        """float64[n]: the promise at these times, NaN where there is none."""
        since, bounds = self.versions[tag_id]
        return bounds[np.maximum(np.searchsorted(since, time_us, side="right") - 1, 0)]


def _bound(row: Mapping[str, Any]) -> float:
    if row["is_step"] or row["exc_min_us"] or row["comp_min_us"]:
        return float("nan")
    return (row["exc_dev"] or 0.0) + (row["comp_dev"] or 0.0)


def _changes(snapshot: StoreSnapshot) -> dict[int, list[tuple[int, int]]]:
    """First and last time of what somebody changed, by tag.  A loop over such lines of the audit, which are few."""
    ids = dict(zip(snapshot.tags.column("tag").to_pylist(), snapshot.tags.column("tag_id").to_pylist(), strict=True))
    found: dict[int, list[tuple[int, int]]] = {}
    actions = snapshot.audit.column("action").to_pylist()
    for row in [row for row, action in enumerate(actions) if action.startswith(_CHANGES)]:
        line = {name: snapshot.audit.column(name)[row].as_py() for name in ("object", "old", "new")}
        if line["object"] in ids:
            found.setdefault(ids[line["object"]], []).append(_times(line["old"] or line["new"]))
    return found


def _times(text: str) -> tuple[int, int]:
    """The range that a line of the audit is about; everything where it does not say."""
    said = json.loads(text) if text else {}
    first, last = said.get("first", said.get("time")), said.get("last", said.get("time"))
    return (-_LAST_US, _LAST_US) if first is None or last is None else (_instant(first), _instant(last))


def _instant(text: str) -> int:
    return _us(datetime.fromisoformat(text))


def _us(moment: datetime) -> int:
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))
