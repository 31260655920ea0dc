"""Samples by lane: what flows through exception reporting and compression, and what these remember.

A lane is the fixed place of a tag in its scan group.  Working on lanes instead of tags makes the state of a stage plain
arrays, and one scan a few operations on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from historian.model.samples import (
    EXACT_LIMIT,
    BoolArray,
    ExtraT,
    FloatArray,
    IndexArray,
    Int32Array,
    Int64Array,
    Samples,
    UInt32Array,
    take_extras,
)
from historian.model.tag import CompressionMethod, Tag

if TYPE_CHECKING:
    from historian.compression.series import LaneSeries

NO_LIMIT_US: Final = int(np.iinfo(np.int64).max)
"""Stands for a maximum time that was not configured: no two samples are that far apart."""

BEFORE_ALL_US: Final = int(np.iinfo(np.int64).min)
"""Time of a slot that never held a sample: every sample is newer."""

Where: TypeAlias = slice | IndexArray
"""Lanes as numpy takes them fastest: a slice where they lie side by side, else their numbers."""


@dataclass(frozen=True, slots=True)
class LaneSamples:
    """At most one sample per lane.

    ``lane`` intp[m], strictly increasing; ``time_us`` int64[m]; ``value`` float64[m], NaN for text and where there is
    no value; ``status`` uint32[m]; ``exact`` and ``text`` by row (0 to m-1), as in
    :class:`~historian.model.samples.Samples`.
    """

    lane: IndexArray
    time_us: Int64Array
    value: FloatArray
    status: UInt32Array
    exact: Mapping[int, int] = field(default_factory=dict)
    text: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lane)

    @classmethod
    def empty(cls) -> LaneSamples:
        """No samples."""
        return cls(np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint32))

    def take(self, rows: IndexArray) -> LaneSamples:
        """The samples at ``rows`` (intp, strictly increasing)."""
        return LaneSamples(
            self.lane[rows],
            self.time_us[rows],
            self.value[rows],
            self.status[rows],
            take_extras(self.exact, rows),
            take_extras(self.text, rows),
        )

    def where(self, wanted: BoolArray) -> LaneSamples:
        """The samples marked in ``wanted`` (bool[m]); itself when that is all of them."""
        rows = np.flatnonzero(wanted)
        return self if len(rows) == len(self) else self.take(rows)

    def to_samples(self, tag_id_of_lane: Int32Array) -> Samples:
        """The same samples by tag, as the store takes them; ``tag_id_of_lane`` int32 over all lanes."""
        return Samples(tag_id_of_lane[self.lane], self.time_us, self.value, self.status, self.exact, self.text)


def where_of(lane: IndexArray) -> Where:
    """``lane`` (strictly increasing) as a slice if it has no holes: reading it then copies nothing."""
    if len(lane) and int(lane[-1]) - int(lane[0]) + 1 == len(lane):
        return slice(int(lane[0]), int(lane[-1]) + 1)
    return lane


class SampleSlots:
    """One remembered sample per lane.

    Columns over all lanes as in :class:`LaneSamples`; ``filled`` bool[lanes] tells where they count.  ``exact`` and
    ``text`` are keyed by lane here.
    """

    def __init__(self, lanes: int) -> None:
        self.filled: BoolArray = np.zeros(lanes, np.bool_)
        self.time_us: Int64Array = np.full(lanes, BEFORE_ALL_US, np.int64)
        self.value: FloatArray = np.full(lanes, np.nan)
        self.status: UInt32Array = np.zeros(lanes, np.uint32)
        self.exact: dict[int, int] = {}
        self.text: dict[int, str] = {}

    def put(self, samples: LaneSamples, where: Where | None = None) -> None:
        """Remember ``samples``, each in place of what its lane held.

        ``where`` is ``where_of(samples.lane)``, for callers that know it already.
        """
        where = where_of(samples.lane) if where is None else where
        self.filled[where] = True
        self.time_us[where] = samples.time_us
        self.value[where] = samples.value
        self.status[where] = samples.status
        if self.exact or samples.exact:
            _replace_extras(self.exact, samples.exact, samples.lane)
        if self.text or samples.text:
            _replace_extras(self.text, samples.text, samples.lane)

    def get(self, lanes: IndexArray) -> LaneSamples:
        """The samples of ``lanes`` (intp, strictly increasing, all filled), copied."""
        return LaneSamples(
            lanes,
            self.time_us[lanes],
            self.value[lanes],
            self.status[lanes],
            _extras_at(self.exact, lanes),
            _extras_at(self.text, lanes),
        )

    def all(self) -> LaneSamples:
        """Every sample there is."""
        return self.get(np.flatnonzero(self.filled))

    def put_rows(self, series: LaneSeries, lanes: IndexArray, rows: IndexArray) -> None:
        """Remember for each of ``lanes`` (strictly increasing) the sample at one of its ``rows``."""
        exact, text = take_extras(series.exact, rows), take_extras(series.text, rows)
        self.put(LaneSamples(lanes, series.time_us[rows], series.value[rows], series.status[rows], exact, text))

    def value_at(self, lane: int) -> float | int | str | None:
        """The value of one lane as it is; None when nothing is remembered, NaN when that had no value."""
        if not self.filled[lane]:
            return None
        return self.text.get(lane, self.exact.get(lane, float(self.value[lane])))

    def clear(self, lanes: IndexArray) -> None:
        """Forget what ``lanes`` held, and when."""
        self.filled[lanes] = False
        self.time_us[lanes] = BEFORE_ALL_US
        _replace_extras(self.exact, {}, lanes)
        _replace_extras(self.text, {}, lanes)

    def unlike(self, samples: LaneSamples, where: Where) -> BoolArray:
        """bool[m]: the value of the sample is not the one its lane holds.

        Whole numbers beyond 2^53 and text count in full.  No value equals no value, and -0.0 equals 0.0.
        """
        kept = self.value[where]
        unlike: BoolArray = samples.value != kept
        no_number = np.isnan(samples.value) & np.isnan(kept)
        unlike &= ~no_number
        if self.text or samples.text:
            _mark_unlike(unlike, no_number, self.text, samples.text, samples.lane)
        if self.exact or samples.exact:
            _mark_unlike(unlike, np.abs(kept) >= EXACT_LIMIT, self.exact, samples.exact, samples.lane)
        return unlike


def _replace_extras(kept: dict[int, ExtraT], new: Mapping[int, ExtraT], lane: IndexArray) -> None:
    """Drop what ``kept`` has for ``lane``, then take over ``new``, keyed by row; loops over these few only."""
    if kept:
        known = np.fromiter(kept, np.intp, len(kept))
        for old in known[np.isin(known, lane)].tolist():
            del kept[old]
    for row, extra in new.items():
        kept[int(lane[row])] = extra


def _extras_at(kept: Mapping[int, ExtraT], lanes: IndexArray) -> dict[int, ExtraT]:
    """``kept``, keyed by lane, as extras keyed by row of ``lanes``.  Loops over the extras, which are few."""
    if not kept:
        return {}
    rows = np.flatnonzero(np.isin(lanes, np.fromiter(kept, np.intp, len(kept))))
    return {row: kept[int(lanes[row])] for row in rows.tolist()}


def _mark_unlike(
    unlike: BoolArray, candidates: BoolArray, kept: Mapping[int, ExtraT], new: Mapping[int, ExtraT], lane: IndexArray
) -> None:
    """Set ``unlike`` where the number columns are equal and the extras are not; loops over such ``candidates`` only."""
    for row in np.flatnonzero(candidates & ~unlike).tolist():
        unlike[row] = new.get(row) != kept.get(int(lane[row]))


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """Exception and compression settings in columns over the lanes.

    ``exc_dev``, ``comp_dev`` float64[lanes] in the units of the value, NaN where off; ``..._min_us``, ``..._max_us``
    int64[lanes], :data:`NO_LIMIT_US` where there is no maximum; ``step`` bool[lanes]: the value holds until the next
    sample, so that changes count and deviations do not; ``look_ahead`` bool[lanes]: which door it is.
    """

    exc_dev: FloatArray
    exc_min_us: Int64Array
    exc_max_us: Int64Array
    comp_dev: FloatArray
    comp_min_us: Int64Array
    comp_max_us: Int64Array
    step: BoolArray
    look_ahead: BoolArray

    def __len__(self) -> int:
        return len(self.step)

    def take(self, lanes: IndexArray) -> LaneSettings:
        """Those of some lanes."""
        return LaneSettings(*(getattr(self, each.name)[lanes] for each in fields(self)))

    @property
    def has_door(self) -> BoolArray:
        """bool[lanes]: its numbers are joined by lines, and some of them may be left out."""
        return ~self.step & ~(np.isnan(self.comp_dev) & np.isnan(self.exc_dev))

    @property
    def stores_reports(self) -> BoolArray:
        """bool[lanes]: everything that is reported is stored."""
        return ~self.step & np.isnan(self.comp_dev)

    @classmethod
    def of(cls, tags: Sequence[Tag]) -> LaneSettings:
        """The settings of ``tags``, in their order.  A loop over the tags: it runs once, not with every scan."""
        exc = [tag.exception for tag in tags]
        comp = [tag.compression for tag in tags]
        return cls(
            _deviations([one.deviation.deviation if one.deviation else None for one in exc]),
            np.array([one.min_us for one in exc], np.int64),
            _limits([one.max_us for one in exc]),
            _deviations([one.deviation.deviation if one.deviation else None for one in comp]),
            np.array([one.min_us for one in comp], np.int64),
            _limits([one.max_us for one in comp]),
            np.array([tag.is_step for tag in tags], np.bool_),
            np.array([one.method is CompressionMethod.LOOK_AHEAD for one in comp], np.bool_),
        )


def _deviations(deviations: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if deviation is None else deviation for deviation in deviations], np.float64)


def _limits(limits_us: Sequence[int | None]) -> Int64Array:
    return np.array([NO_LIMIT_US if limit is None else limit for limit in limits_us], np.int64)


def require_newer(samples: LaneSamples, newest_us: Int64Array) -> None:
    """Raise ValueError unless every sample is newer than the one before it in its lane (``newest_us`` int64[m])."""
    stale = samples.time_us <= newest_us
    if stale.any():
        row = int(np.argmax(stale))
        raise ValueError(
            f"cannot compress lane {samples.lane[row]}: got a sample at {samples.time_us[row]} us after one at "
            f"{newest_us[row]} us, wanted a later one; late samples go to the store as they are"
        )
