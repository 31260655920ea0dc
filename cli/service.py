"""The collecting process: one event loop, one runner a source, one commit loop, one store."""

from __future__ import annotations

import asyncio
import gc
import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from cli.source_notes import SourceNotes
from cli.upkeep import UpkeepWorker
from cli.writing import RequestService
from collectors.backfill import Backfill, Gaps
from collectors.drivers import Drivers
from collectors.health import SourceHealth
from collectors.runner import SourceRunner, run_sources
from collectors.schedule import SystemTimer
from historian import __version__
from historian.config.settings import Configuration, ModbusSource, OpcUaSource, SourceSettings
from historian.errors import StoreFullError, UsageError
from historian.model.clock import US_PER_S, AnchoredClock, SystemClock
from historian.model.samples import Int64Array
from historian.model.scan import ScanGroup
from historian.pipeline.commit_loop import CommitLoop
from historian.pipeline.pipeline import Pipeline
from storage.recovery import Recovery
from storage.store import Store

CLOCK_CHECK_S: Final = 1.0
AHEAD_US: Final = 60 * US_PER_S
"""Samples this far ahead of our clock at the start are worth a word; less is a device's clock, and soon over."""

CLOSE_S: Final = 3.0
"""Connections that do not close within this time are left behind: an orderly stop takes 5 s at most."""


class CollectService:
    """Collects with a checked configuration.  ``say`` tells the person at the terminal what happens."""

    def __init__(self, configuration: Configuration, say: Callable[[str], None]) -> None:
        self._configuration = configuration
        self._say = say
        self._clock = AnchoredClock(SystemClock())
        self._drivers = Drivers(self._clock)
        self._started_us = self._clock.wall_us()
        self._stop = asyncio.Event()

    async def run(self, seconds: float | None = None) -> None:
        """Collect until a signal, or for so many seconds; then stop in order.  Raises StoreLockedError and its like."""
        if not self._configuration.tags:
            raise UsageError(
                f"cannot collect with {self._configuration.path}: got no tags, wanted at least one (see tag_files)"
            )
        with (
            closing(
                Store.open(self._configuration.store.path, create=True, settings=self._configuration.store)
            ) as store,
            _stop_signals(self._stop),
        ):
            await self._collect(store, seconds)

    async def _collect(self, store: Store, seconds: float | None) -> None:
        pipeline = self._prepare(store)
        timer = SystemTimer(self._clock)
        for settings, _ in self._groups_by_source():
            self._drivers.make(settings)  # loads the protocol's library now: it takes as long as several scans
        notes = store.source_notes()
        runners = [
            self._runner(settings, groups, pipeline, timer, SourceNotes(settings.name, notes, pipeline))
            for settings, groups in self._groups_by_source()
        ]
        commits = self._commit_loop(store, pipeline, runners)
        self._say_started(runners)
        # What is loaded by now stays; to look through it for garbage again and again holds up scans for 30 ms.
        gc.freeze()
        sources = asyncio.create_task(run_sources(runners, self._stop, timer), name="sources")
        committing = asyncio.create_task(commits.run(self._stop), name="commits")
        watching = asyncio.create_task(self._watch_clock(pipeline), name="clock")
        serving = asyncio.create_task(RequestService(store, self._say).run(self._stop), name="requests")
        upkeep = UpkeepWorker(store, self._configuration, self._clock.wall_us, self._say)
        upkeep.start()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._stop.set)
        try:
            await asyncio.wait([sources, committing, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            watching.cancel()
            await asyncio.to_thread(upkeep.stop)
            await asyncio.wait([sources, serving], timeout=CLOSE_S)
            sources.cancel()
            serving.cancel()
        await committing
        pipeline.finish()
        self._say_stopped(pipeline, await commits.finish(), commits)
        await asyncio.to_thread(self._archive_the_rest, store)
        _raise_fault(sources, watching, serving)

    def _archive_the_rest(self, store: Store) -> None:
        """After an orderly stop everything is in the Parquet files, for programs that read only these."""
        try:
            store.flush(force=True)
        except StoreFullError as error:
            self._say(f"the buffer stays as it is until the next start, it could not be moved to the archive: {error}")

    # -- before --------------------------------------------------------------------------------------------------

    def _prepare(self, store: Store) -> Pipeline:
        now_us = self._clock.wall_us()
        recovery = store.recover(now_us)
        if recovery is not None:
            self._say(_recovered(recovery))
        tag_ids = store.register_tags(self._configuration.tags, now_us, _person())
        newest = store.newest()
        pipeline = Pipeline(self._configuration, self._configuration.groups(), tag_ids, newest, self._clock)
        ahead_us = newest.time_us[np.isin(newest.tag_id, list(tag_ids.values()))] - now_us
        if (ahead_us > AHEAD_US).any():
            text = _clock_behind(ahead_us[ahead_us > AHEAD_US])
            pipeline.event("clock behind", "system clock", text)
            self._say(text)
        return pipeline

    def _groups_by_source(self) -> Iterator[tuple[SourceSettings, list[ScanGroup]]]:
        groups = self._configuration.groups()
        for name, settings in self._configuration.sources.items():
            mine = [group for group in groups if group.source == name]
            if mine:
                yield settings, mine

    def _runner(
        self,
        settings: SourceSettings,
        groups: list[ScanGroup],
        pipeline: Pipeline,
        timer: SystemTimer,
        notes: SourceNotes,
    ) -> SourceRunner:
        protocol = "modbus" if isinstance(settings, ModbusSource) else "opcua"
        health = SourceHealth(protocol, settings.url)
        gaps = _gaps(settings, groups, pipeline, notes)
        backfill = None if gaps is None else Backfill(gaps, groups, pipeline, timer, health)
        return SourceRunner(
            settings.name,
            groups,
            make_driver=lambda: self._drivers.make(settings, notes),
            sink=pipeline,
            timer=timer,
            health=health,
            backfill=backfill,
        )

    def _commit_loop(self, store: Store, pipeline: Pipeline, runners: list[SourceRunner]) -> CommitLoop:
        def health() -> Mapping[str, Mapping[str, object]]:
            figures = {f"source/{runner.name}": runner.health.as_mapping() for runner in runners}
            return {**figures, "process": self._process_figures(pipeline, commits)}

        commits = CommitLoop(
            pipeline,
            store,
            interval_us=self._configuration.store.commit_us,
            memory_limit_bytes=self._configuration.store.memory_limit_bytes,
            health=health,
            notice=self._say,
            trouble=store.note_trouble,
        )
        return commits

    # -- meanwhile -----------------------------------------------------------------------------------------------

    async def _watch_clock(self, pipeline: Pipeline) -> None:
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
            step = self._clock.check()
            if step is not None:
                pipeline.event("clock step", "system clock", str(step))
                self._say(f"{step}; sample times stay in order")

    def _process_figures(self, pipeline: Pipeline, commits: CommitLoop) -> dict[str, object]:
        counts, now_us = pipeline.counts(), self._clock.wall_us()
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_us": self._started_us,
            "updated_us": now_us,
            "samples_in": counts.received,
            "samples_reported": counts.reported,
            "samples_stored": counts.stored,
            "unchanged": counts.unchanged,
            "restamped": counts.restamped,
            "quarantined": counts.quarantined,
            "rate_per_s": counts.received / max((now_us - self._started_us) / US_PER_S, 1.0),
            "commits": commits.commits,
            "commit_ms": commits.commit_ms,
            "commit_max_ms": commits.commit_max_ms,
            "pending_rows": commits.waiting_samples,
            "memory_bytes": resident_bytes(),
            "store_state": commits.state,
            "last_error": commits.last_error or commits.flush_error,
        }

    # -- what is said --------------------------------------------------------------------------------------------

    def _say_started(self, runners: list[SourceRunner]) -> None:
        configuration = self._configuration
        values_per_s = sum(len(group.tags) * US_PER_S / group.rate_us for group in configuration.groups())
        self._say(
            f"collecting {len(configuration.tags):,} tags from {len(runners)} source{'s' if len(runners) != 1 else ''} "
            f"({values_per_s:,.1f} values/s) into {configuration.store.path}; stop with Ctrl-C"
        )

    def _say_stopped(self, pipeline: Pipeline, done: bool, commits: CommitLoop) -> None:
        counts = pipeline.counts()
        if not done:
            raise StoreFullError(
                f"cannot store the last {commits.waiting_samples:,} samples: {commits.last_error}; "
                "they are lost, all earlier ones are in the store; mend what stands in the way and start again"
            )
        self._say(f"stopped in order; {counts.received:,} values read, {counts.stored:,} samples stored")


def _gaps(
    settings: SourceSettings, groups: Sequence[ScanGroup], pipeline: Pipeline, notes: SourceNotes
) -> Gaps | None:
    """The gaps of a source that is asked for its history; the first begins where the last run ended."""
    if not isinstance(settings, OpcUaSource) or not settings.backfill:
        return None
    gaps = Gaps(notes, settings.backfill_limit_us)
    known_us = pipeline.known_until_us(group.number for group in groups)
    if known_us is not None:
        gaps.begin(known_us)
    return gaps


@contextmanager
def _stop_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on Ctrl-C and on the signal that a service manager sends."""
    loop = asyncio.get_running_loop()
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)
    before = {number: signal.getsignal(number) for number in signals}
    # signal.signal instead of loop.add_signal_handler, which Windows does not have.
    for number in signals:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clock_behind(ahead_us: Int64Array) -> str:
    return (
        f"the newest samples of {len(ahead_us):,} tags are up to {int(ahead_us.max()) / US_PER_S:,.0f} s ahead of this "
        "machine's clock; until it has passed them, new values of these tags are refused and go to quarantine. "
        "Is the clock right? If it was wrong before, remove the samples of that time"
    )


def _raise_fault(*tasks: asyncio.Task[None]) -> None:
    """Raise the fault of ours with which one of these tasks has ended, after everything was stopped in order."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error


def _recovered(recovery: Recovery) -> str:
    if recovery.crashed:
        return (
            f"the last run did not end in order: the {recovery.gap_us / US_PER_S:,.1f} s since its last commit are "
            f"marked as a gap in {recovery.ended:,} tags, {recovery.stored:,} samples it had held back are stored"
        )
    if recovery.removed:
        return f"removed {len(recovery.removed)} unfinished files of the archive; their samples are still in the buffer"
    return f"stored {recovery.stored:,} samples that the last run had held back"


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a service account need not have a name
        return "collect"


def resident_bytes() -> int:
    """Memory of this process, 0 where the system does not tell it cheaply."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return 0
