"""Settings tried on the samples themselves: what exception reporting and compression would have kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from historian.compression.exception import ExceptionFilter
from historian.compression.lanes import LaneSamples, LaneSettings
from historian.compression.swinging_door import SwingingDoor
from historian.model.samples import BoolArray
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.tuning.error import NONE, Errors, errors_of
from historian.tuning.series import RawSeries
from historian.tuning.size import bytes_of


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
    def is_lossless(self) -> bool:
        """True where nothing is left out that a line between its neighbours does not give back exactly."""
        return not self.exc_dev and not self.comp_dev

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
    every = np.ones(len(series), np.bool_)
    outcomes = []
    for settings, kept in zip(tried, kept_by(series, tag, tried), strict=True):
        errors = NONE if kept.all() else errors_of(series, kept)
        size = bytes_of(series, every if kept.all() else kept)
        outcomes.append(Outcome(settings, int(kept.sum()), len(series), series.days, size, errors))
    return outcomes


def kept_by(series: RawSeries, tag: Tag, tried: Sequence[Settings]) -> list[BoolArray]:
    """bool[n] for each of the settings: these samples are stored."""
    tags = [_with(tag, settings) for settings in tried]
    settings = LaneSettings.of(tags)
    exception, door = ExceptionFilter(settings), SwingingDoor(settings)
    kept = np.zeros((len(tags), len(series)), np.bool_)
    for scan in _scans(series, len(tags)):
        for reported in exception.push(scan):
            _mark(kept, series, door.push(reported))
    _mark(kept, series, [*door.push(exception.pending()), *door.drain()])
    return list(kept)


def _with(tag: Tag, settings: Settings) -> Tag:
    return Tag(
        tag.name, tag.source, tag.address, tag.scan_class, tag.value_type, step=False,
        exception=settings.exception, compression=settings.compression,
    )  # fmt: skip


def _scans(series: RawSeries, lanes: int) -> Iterator[LaneSamples]:
    # A loop over samples: what is stored depends on what was stored before.
    lane = np.arange(lanes)
    for row in range(len(series)):
        yield LaneSamples(
            lane,
            np.full(lanes, series.time_us[row]),
            np.full(lanes, series.value[row]),
            np.full(lanes, series.status[row]),
        )


def _mark(kept: BoolArray, series: RawSeries, stored: Sequence[LaneSamples]) -> None:
    for part in stored:
        kept[part.lane, np.searchsorted(series.time_us, part.time_us)] = True
