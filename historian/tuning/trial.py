"""Settings tried on the samples themselves: what exception reporting and compression would have kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from historian.compression.bulk import LONGEST_PIECE, kept
from historian.compression.lanes import LaneSettings
from historian.compression.series import LaneSeries
from historian.model.samples import BoolArray
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.tuning.error import ErrorMeter, Errors
from historian.tuning.series import RawSeries
from historian.tuning.size import bytes_of

ROWS_AT_ONCE: Final = 2_000_000
"""Samples times settings that go through the door beside one another: some 200 MB."""

SPARSE: Final = 50
LONG_PIECE: Final = 16_384
"""Where less than one sample in so many is kept, the one at each cut would count: these go through in longer pieces."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is tried: as in a :class:`~historian.model.tag.Tag`."""

    exception: ExceptionSettings
    compression: CompressionSettings

    @property
    def exc_dev(self) -> float | None:
        """In units of the value; None where every scan is reported."""
        return None if self.exception.deviation is None else self.exception.deviation.deviation

    @property
    def comp_dev(self) -> float | None:
        """In units of the value; None where every reported sample is stored."""
        return None if self.compression.deviation is None else self.compression.deviation.deviation

    @property
    def bound(self) -> float:
        """The error that these settings allow at most."""
        return (self.exc_dev or 0.0) + (self.comp_dev or 0.0)

    @classmethod
    def of(cls, tag: Tag) -> Settings:
        """Those of a tag as it is configured."""
        return cls(tag.exception, tag.compression)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some settings: ``kept`` of ``scanned`` samples in ``days`` days, ``bytes`` in the archive."""

    settings: Settings
    kept: int
    scanned: int
    days: float
    bytes: int
    errors: Errors

    @property
    def share(self) -> float:
        """Kept of all."""
        return self.kept / self.scanned

    @property
    def ratio(self) -> float:
        """All to kept."""
        return self.scanned / max(self.kept, 1)

    @property
    def samples_per_day(self) -> float:
        """Kept samples of a day."""
        return self.kept / self.days

    @property
    def bytes_per_day(self) -> float:
        """Bytes of a day in the archive, once it is in a file of days or months."""
        return self.bytes / self.days


def try_settings(series: RawSeries, tag: Tag, tried: Sequence[Settings]) -> list[Outcome]:
    """What each of the settings would have kept of ``series``, samples of ``tag``."""
    meter = ErrorMeter(series)
    return [
        Outcome(
            settings, int(stored.sum()), len(series), series.days, bytes_of(series, stored),
            meter.errors(stored),
        )
        for settings, stored in zip(tried, kept_by(series, tag, tried), strict=True)
    ]  # fmt: skip


def kept_by(series: RawSeries, tag: Tag, tried: Sequence[Settings]) -> list[BoolArray]:
    """bool[n] for each of the settings: these samples are stored."""
    marks = list(_kept(series, tag, tried, LONGEST_PIECE))
    sparse = [place for place, each in enumerate(marks) if SPARSE * np.count_nonzero(each) < len(series)]
    again = _kept(series, tag, [tried[place] for place in sparse], LONG_PIECE)
    for place, each in zip(sparse, again, strict=True):
        marks[place] = each
    return marks


def _kept(series: RawSeries, tag: Tag, tried: Sequence[Settings], longest_piece: int) -> Iterator[BoolArray]:
    at_once = max(ROWS_AT_ONCE // max(len(series), 1), 1)
    for first in range(0, len(tried), at_once):
        some = tried[first : first + at_once]
        settings = LaneSettings.of([_with(tag, each) for each in some])
        marks = kept(_beside(series, len(some)), settings, longest_piece=longest_piece)
        yield from marks.reshape(len(some), len(series))


def _with(tag: Tag, settings: Settings) -> Tag:
    return replace(tag, step=False, exception=settings.exception, compression=settings.compression)


def _beside(series: RawSeries, lanes: int) -> LaneSeries:
    """The same samples in each of so many lanes: settings are tried beside one another."""
    starts = np.arange(lanes + 1) * len(series)
    return LaneSeries(
        starts, np.tile(series.time_us, lanes), np.tile(series.value, lanes), np.tile(series.status, lanes)
    )
