"""Between the tests' lists of samples, one a tag, and the lanes of historian.compression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from historian.compression.bulk import kept
from historian.compression.lanes import NO_LIMIT_US, LaneSamples, LaneSettings, SampleSlots
from historian.compression.reports import REPORTED, mark_behind
from historian.compression.series import LaneSeries
from historian.compression.stream import Compression
from properties.compression_reference import Sample, Settings


def lane_settings(settings: Sequence[Settings]) -> LaneSettings:
    def column(name, absent, dtype):
        values = [getattr(one, name) for one in settings]
        return np.array([absent if value is None else value for value in values], dtype)

    return LaneSettings(
        column("exc_dev", np.nan, np.float64),
        column("exc_min_us", 0, np.int64),
        column("exc_max_us", NO_LIMIT_US, np.int64),
        column("comp_dev", np.nan, np.float64),
        column("comp_min_us", 0, np.int64),
        column("comp_max_us", NO_LIMIT_US, np.int64),
        column("step", False, np.bool_),
        column("look_ahead", True, np.bool_),
    )


def series_of(tags: Sequence[Sequence[Sample]]) -> LaneSeries:
    """The samples of all tags, a lane each."""
    rows = [sample for tag in tags for sample in tag]
    return LaneSeries(
        np.cumsum([0, *map(len, tags)]),
        np.array([one.time_us for one in rows], np.int64),
        np.array([float(one.value) if isinstance(one.value, int | float) else np.nan for one in rows], np.float64),
        np.array([one.status for one in rows], np.uint32),
        {row: one.value for row, one in enumerate(rows) if isinstance(one.value, int)},
        {row: one.value for row, one in enumerate(rows) if isinstance(one.value, str)},
    )


def samples_of(series: LaneSeries) -> list[list[Sample]]:
    """The way back, lane by lane."""
    lanes: list[list[Sample]] = [[] for _ in range(series.lanes())]
    for row, lane in enumerate(series.lane_of_rows().tolist()):
        value = series.value_at(row)
        none = isinstance(value, float) and np.isnan(value)
        lanes[lane].append(Sample(int(series.time_us[row]), None if none else value, int(series.status[row])))
    return lanes


def lane_samples(by_lane: dict[int, Sample]) -> LaneSamples:
    lanes = sorted(by_lane)
    samples = [by_lane[lane] for lane in lanes]
    return LaneSamples(
        np.array(lanes, np.intp),
        np.array([one.time_us for one in samples], np.int64),
        np.array([float(one.value) if isinstance(one.value, int | float) else np.nan for one in samples], np.float64),
        np.array([one.status for one in samples], np.uint32),
        {row: one.value for row, one in enumerate(samples) if isinstance(one.value, int)},
        {row: one.value for row, one in enumerate(samples) if isinstance(one.value, str)},
    )


def by_lane(samples: LaneSamples) -> dict[int, Sample]:
    """The samples back as plain Python values, by lane."""
    found: dict[int, Sample] = {}
    for row, lane in enumerate(samples.lane.tolist()):
        value = samples.text.get(row, samples.exact.get(row, float(samples.value[row])))
        none = isinstance(value, float) and np.isnan(value)
        found[lane] = Sample(int(samples.time_us[row]), None if none else value, int(samples.status[row]))
    assert list(found) == sorted(found)
    assert len(found) == len(samples)
    return found


def scans_of(lanes: Sequence[Sequence[Sample]]) -> list[LaneSamples]:
    """The samples of all lanes in lock step, the way a scan group delivers them; shorter lanes fall out."""
    longest = max((len(lane) for lane in lanes), default=0)
    return [
        lane_samples({number: lane[place] for number, lane in enumerate(lanes) if place < len(lane)})
        for place in range(longest)
    ]


def marks_of(tags: Sequence[Sequence[Sample]], settings: Sequence[Settings]) -> list[list[int]]:
    """What exception reporting says of each sample as it comes."""
    series = series_of(tags)
    marks = np.full(len(series), REPORTED, np.uint8)
    mark_behind(series, lane_settings(settings), marks, series.starts[:-1], SampleSlots(len(tags)))
    return [part.tolist() for part in np.split(marks, series.starts[1:-1])] if tags else []


def kept_of(tags: Sequence[Sequence[Sample]], settings: Sequence[Settings]) -> list[list[Sample]]:
    """What is kept of whole histories."""
    series = series_of(tags)
    return samples_of(series.take(np.flatnonzero(kept(series, lane_settings(settings)))))


class Stream:
    """Compression of a stream, and what came out of it, lane by lane, in the order in which it came."""

    def __init__(self, settings: Sequence[Settings]) -> None:
        self.compression = Compression(lane_settings(settings))
        self.lanes: list[list[Sample]] = [[] for _ in settings]

    def push(self, scan: LaneSamples) -> None:
        self.compression.push(scan)

    def settle(self) -> list[list[Sample]]:
        """What became final, which is also added to ``lanes``."""
        return self._add(self.compression.settle())

    def drain(self) -> list[list[Sample]]:
        return self._add(self.compression.drain())

    def held(self) -> list[list[Sample]]:
        return samples_of(self.compression.held())

    def _add(self, series: LaneSeries) -> list[list[Sample]]:
        came = samples_of(series)
        for lane, samples in zip(self.lanes, came, strict=True):
            lane.extend(samples)
        return came


def streamed(
    scans: Iterable[LaneSamples], settings: Sequence[Settings], ends_block: Callable[[], bool] = lambda: False
) -> list[list[Sample]]:
    """What is stored of ``scans``, which are settled whenever ``ends_block`` says so, and drained."""
    stream = Stream(settings)
    for scan in scans:
        stream.push(scan)
        if ends_block():
            stream.settle()
    stream.drain()
    return stream.lanes
