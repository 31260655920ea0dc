"""Between the tests' lists of samples, one a tag, and the lanes of historian.compression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from historian.compression.exception import ExceptionFilter
from historian.compression.lanes import NO_LIMIT_US, LaneSamples, LaneSettings
from historian.compression.series import LaneSeries
from historian.compression.swinging_door import SwingingDoor
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


class Archive:
    """What came out, one list a lane, in the order in which it came."""

    def __init__(self, lanes: int) -> None:
        self.lanes: list[list[Sample]] = [[] for _ in range(lanes)]

    def add(self, parts: Iterable[LaneSamples]) -> None:
        for part in parts:
            for lane, sample in by_lane(part).items():
                self.lanes[lane].append(sample)


def scans_of(lanes: Sequence[Sequence[Sample]]) -> list[LaneSamples]:
    """The samples of all lanes in lock step, the way a scan group delivers them; shorter lanes fall out."""
    longest = max((len(lane) for lane in lanes), default=0)
    return [
        lane_samples({number: lane[place] for number, lane in enumerate(lanes) if place < len(lane)})
        for place in range(longest)
    ]


def report_all(pushes: Iterable[LaneSamples], settings: Sequence[Settings]) -> Archive:
    """Exception reporting alone, and what is pending at the end."""
    stage, archive = ExceptionFilter(lane_settings(settings)), Archive(len(settings))
    for push in pushes:
        archive.add(stage.push(push))
    archive.add([stage.pending()])
    return archive


def store_all(pushes: Iterable[LaneSamples], settings: Sequence[Settings]) -> Archive:
    """The door alone, with an orderly stop."""
    door, archive = SwingingDoor(lane_settings(settings)), Archive(len(settings))
    for push in pushes:
        archive.add(door.push(push))
    archive.add(door.drain())
    return archive


def run_both(pushes: Iterable[LaneSamples], settings: Sequence[Settings]) -> Archive:
    """Both stages one behind the other, with an orderly stop."""
    columns = lane_settings(settings)
    stage, door, archive = ExceptionFilter(columns), SwingingDoor(columns), Archive(len(settings))
    for push in pushes:
        for part in stage.push(push):
            archive.add(door.push(part))
    archive.add(door.push(stage.pending()))
    archive.add(door.drain())
    return archive
