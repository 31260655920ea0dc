"""The collecting process: one event loop, one runner a source, one commit loop, one store."""

from __future__ import annotations

import asyncio
import getpass
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Final, TypeAlias

import numpy as np

from cli.busy_hint import BusyHint
from cli.columns import number_of
from cli.garbage import keep_what_is_there
from cli.process_figures import ProcessFigures
from cli.reload import KIND as RELOAD
from cli.reloader import Reloader
from cli.running_sources import RunningSources, wanted_groups, wanted_tags
from cli.upkeep import UpkeepWorker
from cli.writing import RequestService
from collectors.schedule import SystemTimer, Timer
from collectors.sink import Sink
from collectors.workers.pool import WorkerPool
from historian.config.settings import Configuration
from historian.errors import StoreFullError, UsageError
from historian.model.clock import US_PER_S, AnchoredClock, SystemClock
from historian.model.samples import Int64Array
from historian.model.scan import ScanGroup
from historian.pipeline.commit_loop import CommitLoop
from historian.pipeline.pipeline import Pipeline
from storage.health import SOURCE, WORKER
from storage.reader import StoreReader
from storage.recovery import Recovery
from storage.store import Store

if sys.platform == "win32":
    STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    HANG_UP: Final[tuple[signal.Signals, ...]] = ()
else:
    STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
    HANG_UP: Final[tuple[signal.Signals, ...]] = (signal.SIGHUP,)

MakePool: TypeAlias = Callable[[Sink, Timer, AnchoredClock], WorkerPool]

CLOCK_CHECK_S: Final = 1.0
AHEAD_US: Final = 60 * US_PER_S
"""Samples this far ahead of our clock at the start are worth a word; less is a device's clock, and soon over."""

CLOSE_S: Final = 3.0
"""Connections that do not close within this time are left behind: an orderly stop takes 5 s at most."""


class CollectService:
    """Collects with a checked configuration.  ``say`` tells the person at the terminal what happens.

    ``make_pool`` gives the workers that read the sources; without it this process does.
    """

    def __init__(
        self, configuration: Configuration, say: Callable[[str], None], make_pool: MakePool | None = None
    ) -> None:
        self._configuration = configuration
        self._say = say
        self._make_pool = make_pool
        self._clock = AnchoredClock(SystemClock())
        self._timer = SystemTimer(self._clock)
        self._process = ProcessFigures(self._clock)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

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
            on_signals(STOP_SIGNALS, self._stop.set),
            # Where there is a terminal, it was closed; nobody would see any more what goes on.
            on_signals(HANG_UP, self._stop.set if has_terminal() else self._reload.set),
        ):
            await self._collect(store, seconds)

    async def _collect(self, store: Store, seconds: float | None) -> None:
        groups = wanted_groups(self._configuration)
        tag_ids = self._register(store)
        pipeline = self._pipeline(store, groups, tag_ids)
        pool = None if self._make_pool is None else self._make_pool(pipeline, self._timer, self._clock)
        running = RunningSources(pipeline, self._timer, self._process, pool)
        running.prepare(self._configuration, groups)
        commits = self._commit_loop(store, pipeline, running, pool)
        reloader = Reloader(
            self._configuration, tag_ids,
            store=store, pipeline=pipeline, sources=running, clock=self._clock, say=self._say,
        )  # fmt: skip
        self._say_started(running, pool)
        keep_what_is_there()
        running.start()
        requests = RequestService(store, self._say, {RELOAD: reloader.handle})
        committing = asyncio.create_task(commits.run(self._stop), name="commits")
        watching = asyncio.create_task(self._watch(pipeline), name="watch")
        serving = asyncio.create_task(requests.run(self._stop), name="requests")
        following = asyncio.create_task(reloader.follow(self._reload), name="reload")
        upkeep = UpkeepWorker(store, self._configuration, self._clock.wall_us, self._say)
        upkeep.start()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._stop.set)
        try:
            # None of these ends by itself before the stop but by a fault.
            await asyncio.wait([committing, watching, serving, following], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            watching.cancel()
            following.cancel()
            await asyncio.to_thread(upkeep.stop)
            closing_all = asyncio.create_task(running.close(), name="closing")
            await asyncio.wait([closing_all, serving, following], timeout=CLOSE_S)
            closing_all.cancel()
            serving.cancel()
        await committing
        pipeline.finish()
        self._say_stopped(pipeline, await commits.finish(), commits)
        await asyncio.to_thread(self._archive_the_rest, store)
        _raise_fault(closing_all, watching, serving, following)

    def _archive_the_rest(self, store: Store) -> None:
        """After an orderly stop everything is in the Parquet files, for programs that read only these."""
        try:
            store.flush(force=True)
        except StoreFullError as error:
            self._say(f"the buffer stays as it is until the next start, it could not be moved to the archive: {error}")

    # -- before --------------------------------------------------------------------------------------------------

    def _register(self, store: Store) -> dict[str, int]:
        now_us = self._clock.wall_us()
        recovery = store.recover(now_us)
        if recovery is not None:
            self._say(_recovered(recovery))
        with closing(StoreReader.open(store.folder)) as reader:
            # A source that was taken out of the configuration must not look like one of today, nor a worker of before.
            known = {f"{SOURCE}{name}" for name in self._configuration.sources}
            gone = [name for name in reader.health() if name.startswith((SOURCE, WORKER)) and name not in known]
        if gone:
            store.note_figures({name: {} for name in gone})
        return store.register_tags(wanted_tags(self._configuration), now_us, _person())

    def _pipeline(self, store: Store, groups: Sequence[ScanGroup], tag_ids: Mapping[str, int]) -> Pipeline:
        newest = store.newest()
        pipeline = Pipeline(self._configuration, groups, tag_ids, newest, self._clock, notes=store.source_notes())
        ahead_us = newest.time_us[np.isin(newest.tag_id, list(tag_ids.values()))] - self._clock.wall_us()
        if (ahead_us > AHEAD_US).any():
            text = _clock_behind(ahead_us[ahead_us > AHEAD_US])
            pipeline.event("clock behind", "system clock", text)
            self._say(text)
        return pipeline

    def _commit_loop(
        self, store: Store, pipeline: Pipeline, running: RunningSources, pool: WorkerPool | None
    ) -> CommitLoop:
        def health() -> Mapping[str, Mapping[str, object]]:
            workers = pool.workers() if pool is not None else {}
            return {
                **{f"{SOURCE}{name}": each for name, each in running.figures().items()},
                **{f"{WORKER}{number}": each for number, each in workers.items()},
                "process": self._process.take(pipeline, commits, workers.values()),
            }

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

    async def _watch(self, pipeline: Pipeline) -> None:
        busy = BusyHint()
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
            if self._make_pool is None and (hint := busy.look(float(self._process.last.get("main_cpu_percent", 0.0)))):
                self._say(hint)
            step = self._clock.check()
            if step is not None:
                pipeline.event("clock step", "system clock", str(step))
                self._say(f"{step}; sample times stay in order")

    # -- what is said --------------------------------------------------------------------------------------------

    def _say_started(self, running: RunningSources, pool: WorkerPool | None) -> None:
        configuration = self._configuration
        values_per_s = sum(len(group.tags) * US_PER_S / group.rate_us for group in configuration.groups())
        sources = f"{running.count} source{'s' if running.count != 1 else ''}"
        if pool is not None:
            count = len(pool.workers())
            sources += f" in {count} worker process{'es' if count != 1 else ''}"
        self._say(
            f"collecting {number_of(len(configuration.tags), 'tag')} from {sources} "
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


def has_terminal() -> bool:
    """Whether a person sits in front of it; a service has no input, and some have none at all."""
    return sys.stdin is not None and sys.stdin.isatty()


@contextmanager
def on_signals(signals: Sequence[signal.Signals], call: Callable[[], None]) -> Iterator[None]:
    """Call ``call`` in the event loop when one of the signals comes."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in signals}
    # signal.signal instead of loop.add_signal_handler, which Windows does not have.
    for number in signals:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clock_behind(ahead_us: Int64Array) -> str:
    ahead = f"{int(ahead_us.max()) / US_PER_S:,.0f} s"
    return (
        f"the newest samples of {number_of(len(ahead_us), 'tag')} are up to {ahead} ahead of this machine's"
        " clock; until it has passed them, new values of these tags are refused and go to quarantine. "
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
