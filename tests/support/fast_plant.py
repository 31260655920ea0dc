"""Hours of collecting in seconds: the real configuration, runners, pipeline and store; made-up devices and time.

What a device says is a plain function of the tag and the time (:func:`signal`), and each device keeps a log of what it
answered, so that a test knows what the archive must hold without asking the code under test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import historian as plant_historian
from cli.process_figures import ProcessFigures
from cli.running_sources import RunningSources, wanted_groups, wanted_tags
from collectors.backfill import History
from collectors.driver import Reading, ReadPlan
from collectors.drivers import Drivers
from historian.config.load import load_configuration
from historian.config.settings import SourceSettings
from historian.errors import SourceUnavailableError
from historian.model.clock import AnchoredClock
from historian.model.samples import FloatArray, Int64Array
from historian.model.scan import LateValues, ScanGroup
from historian.model.status import BAD_NO_COMMUNICATION, BAD_TIMEOUT
from historian.model.tag import ValueType
from historian.pipeline.commit_loop import CommitLoop, CommitTarget
from historian.pipeline.pipeline import Pipeline
from storage.compaction_report import JobReport
from storage.recovery import Recovery
from storage.store import Store
from support.fake_clock import FakeClock
from support.fake_timer import FakeTimer

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
TIMEOUT_US = 4 * SECOND
COMMIT_US = MINUTE
"""More than any configuration allows: 13 hours of commits each second would take minutes."""
TURNS = 20
"""Of the event loop for each moment: more than any chain of awaits between a made-up device and the pipeline."""

Behaviour = Literal["answers", "refuses", "hangs"]


def instant(text: str) -> int:
    """Microseconds UTC of a time such as ``2026-10-31 18:00:00``."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def signal(tag: str, time_us: Int64Array) -> FloatArray:
    """float64[n]: what the instrument shows: a wave with noise; of a tag ``*.RUN`` 0 or 1 for five minutes each."""
    seconds = np.asarray(time_us, np.int64) // SECOND
    if tag.endswith(".RUN"):
        return (seconds // 300 % 2).astype(np.float64)
    noise = seconds * 2_654_435_761 % 1000 / 1000 - 0.5
    return 50 + 30 * np.sin(seconds * 2 * np.pi / 1800 + len(tag) + ord(tag[-1])) + 0.2 * noise


class SteppedTimer:
    """Waits by the fake timer, and tells the time of the clock that collecting goes by."""

    def __init__(self, timer: FakeTimer, clock: AnchoredClock) -> None:
        self.clock = clock
        self._timer = timer

    async def sleep_until(self, monotonic_us: int) -> None:
        await self._timer.sleep_until(monotonic_us)


@dataclass
class MadeUpDevice:
    """``answered``: the times of its answers by tag.  ``history_us``: of which times it has values in its history."""

    timer: SteppedTimer
    does: Behaviour = "answers"
    answered: dict[str, list[int]] = field(default_factory=dict)
    history_us: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))
    without_history: frozenset[str] = frozenset()

    async def say(self) -> None:
        """Answer, refuse at once, or let whoever asks wait until the time is out."""
        if self.does == "refuses":
            raise SourceUnavailableError("cannot connect: refused", BAD_NO_COMMUNICATION)
        if self.does == "hangs":
            await self.timer.sleep_until(self.timer.clock.monotonic_us() + TIMEOUT_US)
            raise SourceUnavailableError("cannot read: no answer in time", BAD_TIMEOUT)

    def values(self, group: ScanGroup, time_us: int) -> FloatArray:
        for tag in group.tags:
            self.answered.setdefault(tag.name, []).append(time_us)
        return np.array([signal(tag.name, np.array([time_us]))[0] for tag in group.tags])


@dataclass(frozen=True)
class Plan:
    requests: int = 1
    is_complete: bool = True


class MadeUpDriver:
    """One connection to a device."""

    def __init__(self, device: MadeUpDevice) -> None:
        self._device = device

    async def connect(self) -> None:
        await self._device.say()

    async def resolve(self, groups: Iterable[ScanGroup]) -> Mapping[str, ValueType]:
        tags = [tag for group in groups for tag in group.tags]
        return {tag.name: ValueType.BOOL if tag.name.endswith(".RUN") else ValueType.FLOAT64 for tag in tags}

    async def plan(self, group: ScanGroup) -> Plan:
        return Plan()

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:
        await self._device.say()
        now_us, count = self._device.timer.clock.wall_us(), len(group.tags)
        return Reading(np.full(count, now_us), self._device.values(group, now_us), np.zeros(count, np.uint32))

    async def history(
        self, group: ScanGroup, plan: ReadPlan, start_us: int, end_us: int
    ) -> AsyncGenerator[History, None]:
        device = self._device
        times = device.history_us[(device.history_us >= start_us) & (device.history_us < end_us)]
        lanes = [lane for lane, tag in enumerate(group.tags) if tag.name not in device.without_history]
        without = tuple(lane for lane, tag in enumerate(group.tags) if tag.name in device.without_history)
        for part in np.array_split(times, max(len(times) // 100, 1)):
            await device.say()
            lane, time_us = np.repeat(lanes, len(part)).astype(np.intp), np.tile(part, len(lanes))
            values = np.concatenate([signal(group.tags[each].name, part) for each in lanes] or [np.empty(0)])
            yield History(LateValues(group.number, lane, time_us, values, np.zeros(len(lane), np.uint32)), without)

    async def forget(self, group: ScanGroup) -> None:
        """Nothing is kept for groups."""

    async def close(self) -> None:
        """There is no connection."""


class FastPlant:
    """A run of collecting in ``folder``, which has the configuration; begins at ``start_us``."""

    def __init__(self, folder: Path, start_us: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.system = FakeClock(start_us)
        self._fake = FakeTimer(self.system, TURNS)
        self.clock = AnchoredClock(self.system)
        self.timer = SteppedTimer(self._fake, self.clock)
        self.configuration = load_configuration(folder / "historian.toml")
        self.devices = {name: MadeUpDevice(self.timer) for name in self.configuration.sources}
        monkeypatch.setattr(Drivers, "make", lambda _, source, __=None: self._driver(source))
        self.said: list[str] = []
        self.compacted: list[JobReport] = []
        self.recovery: Recovery | None = None
        self._compact_due_us = start_us

    def _driver(self, source: SourceSettings) -> Any:
        return MadeUpDriver(self.devices[source.name])

    @property
    def now_us(self) -> int:
        """The time of the system's clock."""
        return self.system.wall_us()

    def start(self, target: type[CommitTarget] | None = None) -> None:
        """Begin to collect as :class:`cli.service.CollectService` does; ``target`` stands before the store."""
        configuration = self.configuration
        self.store = Store.open(configuration.store.path, create=True, settings=configuration.store)
        self.recovery = self.store.recover(self.clock.wall_us())
        groups = wanted_groups(configuration)
        ids = self.store.register_tags(wanted_tags(configuration), self.clock.wall_us(), "test")
        newest, notes = self.store.newest(), self.store.source_notes()
        self.pipeline = Pipeline(configuration, groups, ids, newest, self.clock, notes=notes)
        process = ProcessFigures(self.clock)
        self.sources = RunningSources(self.pipeline, self.timer, process)
        self.sources.prepare(configuration, groups)

        def health() -> Mapping[str, Mapping[str, object]]:
            figures = {f"source/{name}": each for name, each in self.sources.figures().items()}
            return {**figures, "process": process.take(self.pipeline, self.commits)}

        self.commits = CommitLoop(
            self.pipeline, target(self.store) if target else self.store,  # type: ignore[call-arg]
            interval_us=configuration.store.commit_us, memory_limit_bytes=configuration.store.memory_limit_bytes,
            health=health, notice=self.said.append, trouble=self.store.note_trouble,
        )  # fmt: skip
        self.sources.start()

    async def until(self, time_us: int) -> None:
        """Let time pass; with a commit each COMMIT_US, a flush where it is due, and compaction every hour."""
        while self.now_us < time_us:
            await self._fake.run_until(self.system.monotonic_us() + min(COMMIT_US, time_us - self.now_us))
            if (step := self.clock.check()) is not None:
                self.pipeline.event("clock step", "system clock", str(step))
            await self.commits.commit_once()
            await asyncio.to_thread(self._keep_house)

    def _keep_house(self) -> None:
        if self.commits.state != "ok":
            return
        self.store.flush()
        if self.now_us >= self._compact_due_us:
            self._compact_due_us = self.now_us + HOUR
            report = self.store.compact(self.clock.wall_us(), self.configuration.compaction)
            assert report.errors == ()
            self.compacted.extend(report.jobs)

    async def stop(self) -> None:
        """End in order."""
        await self.sources.close()
        self.pipeline.finish()
        assert await self.commits.finish()
        self.store.flush(force=True)
        self.store.close()

    async def crash(self) -> None:
        """End as if the process was killed: nothing more reaches the store.  May follow :meth:`stop`."""
        await self.sources.close()
        self.commits.close()
        self.store.close()

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, asked as any other process would."""
        with closing(plant_historian.open(self.configuration.store.path)) as opened:
            return opened.sql(query).to_pylist()

    def archived(self) -> dict[str, Archived]:
        """Everything, by tag."""
        rows = self.sql("select tag, epoch_us(time) as at, coalesce(value, 'nan') as value, status from samples")
        rows.sort(key=lambda row: (row["tag"], row["at"]))
        return {
            tag: Archived(
                np.array([row["at"] for row in mine], np.int64),
                np.array([row["value"] for row in mine], np.float64),
                np.array([row["status"] for row in mine]),
            )
            for tag, mine in ((tag, list(mine)) for tag, mine in groupby(rows, key=itemgetter("tag")))
        }


@dataclass(frozen=True)
class Archived:
    """What the archive holds of one tag, by time."""

    time_us: Int64Array
    value: FloatArray
    status: np.ndarray[Any, Any]

    @property
    def is_good(self) -> np.ndarray[Any, Any]:
        return self.status == "Good"

    def good_times(self) -> list[int]:
        return [int(each) for each in self.time_us[self.is_good]]

    def marks(self) -> list[tuple[int, str]]:
        """Time and status of every Bad sample."""
        bad = ~self.is_good
        return [(int(at), str(status)) for at, status in zip(self.time_us[bad], self.status[bad], strict=True)]

    def at(self, time_us: int, *, is_step: bool) -> float:
        """The value then: on the line between the samples beside it, or that of the sample before; NaN where unknown.

        A plain reference: no line crosses a Bad sample, and a value does not hold behind its last sample.
        """
        after = int(np.searchsorted(self.time_us, time_us))
        if after < len(self.time_us) and self.time_us[after] == time_us:
            return float(self.value[after])
        if not 0 < after < len(self.time_us) or not (self.is_good[after - 1]):
            return np.nan
        before_us, later_us = int(self.time_us[after - 1]), int(self.time_us[after])
        if is_step:
            return float(self.value[after - 1])
        share = (time_us - before_us) / (later_us - before_us)
        return float(self.value[after - 1] + share * (self.value[after] - self.value[after - 1]))
