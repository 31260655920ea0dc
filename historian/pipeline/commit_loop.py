"""The loop that hands pending samples to the store, at most one commit interval apart, and moves the buffer on.

The store works in a thread of its own, so that no scan waits for a disk.  When the store cannot take a commit (no
room on the disk), the samples stay in memory up to a limit and are tried again with growing pauses; past the limit
collection pauses, and the gap is marked in every tag.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol

from historian.errors import HistorianError, StoreFullError, StoreUnavailableError
from historian.model.clock import US_PER_S
from historian.model.commit import Commit, HeldSamples
from historian.model.recent import Recent
from historian.model.samples import Samples, concatenate
from historian.model.tag import ValueType
from historian.pipeline.pipeline import WHO, Pipeline

_log = logging.getLogger("historian.pipeline")

BYTES_PER_SAMPLE: Final = 24
EXTRA_BYTES: Final = 100
"""Memory of a sample in columns, and of an entry for text or an exact whole number: roughly, for the limit only."""

LONGEST_PAUSE_S: Final = 5.0
"""Between two attempts while nothing can be written.  Each puts together and encodes all that waits: seconds of a
processor when it is a quarter of a GiB."""

LATE: Final = "from the history of the source"
"""Why samples of the past are stored, for the audit."""


class CommitTarget(Protocol):
    """What the loop needs of a store."""

    def commit(self, commit: Commit, *, final: bool = False) -> None:
        """Write all of it or nothing; after StoreFullError and StoreUnavailableError it may be tried again."""

    def insert(self, samples: Samples, *, mode: str, who: str, why: str, time_us: int) -> object:
        """Add samples of the past in one transaction; errors as of ``commit``."""

    def update_types(self, types: Mapping[int, ValueType], time_us: int) -> None:
        """Record the types that sources have told."""

    def flush(self, *, force: bool = False) -> object:
        """Move the buffer to the archive when it is due."""


class CommitLoop:
    """Commits every ``interval_us`` until told to stop, and once more in the end.

    ``health`` gives the figures to go with each commit; ``notice`` is told when the store is full and when it works
    again.  ``trouble`` gets the process's figures while nothing reaches the store, and None when that is over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        store: CommitTarget,
        *,
        interval_us: int,
        memory_limit_bytes: int,
        health: Callable[[], Mapping[str, Mapping[str, object]]],
        notice: Callable[[str], None],
        trouble: Callable[[Mapping[str, object] | None], None] = lambda _: None,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._interval_s = interval_us / US_PER_S
        self._limit_bytes = memory_limit_bytes
        self._health = health
        self._notice = notice
        self._trouble = trouble
        self._unsent: Commit | None = None
        self._types: dict[int, ValueType] = {}
        self._flush_under_way: asyncio.Future[None] | None = None
        self._committing = ThreadPoolExecutor(1, "commit")
        self._flushing = ThreadPoolExecutor(1, "flush")
        self._failures = 0
        self.commits = 0
        self.commit_ms = 0.0
        self.commit_max_ms = 0.0
        self.commit_rows = 0
        self.recent_ms = Recent()
        self.state = "ok"
        self.last_error = ""
        self.flush_error = ""

    @property
    def waiting_samples(self) -> int:
        """Samples kept in memory because the store could not take them."""
        return len(self._unsent.stored) if self._unsent else 0

    async def run(self, stop: asyncio.Event) -> None:
        """Commit until ``stop`` is set.  The caller then finishes the pipeline and calls :meth:`finish`."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stop.is_set():
            await self.commit_once()
            self._start_flush()
            # A commit that took longer than the interval is followed at once by the next, not by two.
            due_s = max(due_s + self._pause_s(), loop.time())
            await wait_or_stop(stop, due_s - loop.time())

    def _pause_s(self) -> float:
        """The interval; while nothing can be written twice as long after each attempt, up to a limit."""
        return min(self._interval_s * 2.0 ** min(self._failures, 16), max(LONGEST_PAUSE_S, self._interval_s))

    async def commit_once(self) -> bool:
        """One commit of everything pending; False when the store had no room and it is kept for the next time."""
        return await self._commit(final=False)

    async def finish(self) -> bool:
        """The last commit, which marks the run as ended in order; lets a flush under way end first."""
        done = await self._commit(final=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.close)
        return done

    def close(self) -> None:
        """End the threads, after what they are doing; may be called twice."""
        self._flushing.shutdown(wait=True)
        self._committing.shutdown(wait=True)

    async def _commit(self, *, final: bool) -> bool:
        self._types.update(self._pipeline.take_types())
        loop = asyncio.get_running_loop()
        commit = self._pipeline.take(self._health())
        if self._unsent is not None:
            # In the thread, because to put a large backlog together takes longer than a scan.
            commit = await loop.run_in_executor(self._committing, merged, self._unsent, commit)
        self._unsent = commit
        started = time.perf_counter()
        try:
            await loop.run_in_executor(self._committing, self._write, commit, dict(self._types), final)
            # What is left of it, in a transaction of its own.  The live samples go first, so that the store knows them
            # when it looks for what is there already.
            self._unsent = Commit(commit.time_us, late=commit.late)
            if len(commit.late):
                await loop.run_in_executor(self._committing, self._insert_late, commit)
        except (StoreFullError, StoreUnavailableError) as error:
            self._keep(self._unsent, error)
            process = {**commit.health.get("process", {}), **self._figures()}
            await loop.run_in_executor(self._committing, self._tell, process)
            return False
        self._unsent = None
        self._pipeline.late_stored(len(commit.late))
        self._types.clear()
        if self.state != "ok":
            await loop.run_in_executor(self._committing, self._tell, None)
        self.commit_rows = len(commit.stored)
        self._note_done((time.perf_counter() - started) * 1000)
        return True

    def _figures(self) -> dict[str, object]:
        """What has changed since the figures of the commit were taken."""
        return {"store_state": self.state, "last_error": self.last_error, "pending_rows": self.waiting_samples}

    def _tell(self, figures: Mapping[str, object] | None) -> None:
        try:
            self._trouble(figures)
        except HistorianError as error:
            # Everybody at the terminal knows already; a disk that takes not even this is no reason to stop.
            _log.warning("readers cannot be told: %s", error)

    def _write(self, commit: Commit, types: Mapping[int, ValueType], final: bool) -> None:
        if types:
            self._store.update_types(types, commit.time_us)
        self._store.commit(commit, final=final)

    def _insert_late(self, commit: Commit) -> None:
        self._store.insert(commit.late, mode="no-replace", who=WHO, why=LATE, time_us=commit.time_us)

    def _keep(self, commit: Commit, error: HistorianError) -> None:
        self.last_error = str(error)
        self._failures += 1
        if self.state == "ok":
            is_full = isinstance(error, StoreFullError)
            self.state = "full" if is_full else "failing"
            what = "has no room" if is_full else "cannot be written"
            self._notice(f"the store {what}, samples are kept in memory and tried again: {error}")
        if commit_bytes(commit) > self._limit_bytes and self.state != "paused":
            self.state = "paused"
            self._pipeline.suspend()
            self._notice(
                f"{self._limit_bytes >> 20} MiB of samples wait in memory: collection pauses until the store takes them"
            )

    def _note_done(self, took_ms: float) -> None:
        self.commits += 1
        self._failures = 0
        self.commit_ms = took_ms
        self.recent_ms.note(took_ms)
        self.commit_max_ms = max(self.commit_max_ms, took_ms)
        if self.state != "ok":
            self.state = "ok"
            self._pipeline.resume()
            self._notice("the store takes samples again; all that were kept in memory are stored")

    def _start_flush(self) -> None:
        if self._flush_under_way is None or self._flush_under_way.done():
            loop = asyncio.get_running_loop()
            self._flush_under_way = loop.run_in_executor(self._flushing, self._flush)

    def _flush(self) -> None:
        """Runs in its thread.  Whatever fails, the buffer keeps what was not moved, for the next time."""
        try:
            self._store.flush()
        except HistorianError as error:
            self._note_flush(str(error))
        except Exception as error:  # noqa: BLE001 - last line of defence: collecting goes on, the fault is shown
            _log.exception("a fault while moving the buffer to the archive")
            self._note_flush(repr(error))
        else:
            self.flush_error = ""

    def _note_flush(self, reason: str) -> None:
        if reason != self.flush_error:
            self.flush_error = reason
            self._notice(f"the buffer could not be moved to the archive, it is kept and tried again: {reason}")


def merged(earlier: Commit, later: Commit) -> Commit:
    """Two commits as one: samples and events of both, figures and newest samples of the later."""
    return replace(
        later,
        stored=concatenate([earlier.stored, later.stored]),
        shadow=concatenate([earlier.shadow, later.shadow]),
        late=concatenate([earlier.late, later.late]),
        current={**earlier.current, **later.current},
        held=_merged_held(earlier.held, later.held),
        quarantined=(*earlier.quarantined, *later.quarantined),
        events=(*earlier.events, *later.events),
        notes={**earlier.notes, **later.notes},
    )


def _merged_held(earlier: Mapping[int, HeldSamples], later: Mapping[int, HeldSamples]) -> dict[int, HeldSamples]:
    both = {**earlier, **later}
    for door in earlier.keys() & later.keys():
        if later[door].settled is None:
            fresh = concatenate([earlier[door].fresh, later[door].fresh])
            both[door] = HeldSamples(fresh, earlier[door].settled)
    return both


def commit_bytes(commit: Commit) -> int:
    """About how much memory the samples of a commit take."""
    held = memory_bytes(commit.shadow) + sum(memory_bytes(each.fresh) for each in commit.held.values())
    held += sum(memory_bytes(each.settled.held) for each in commit.held.values() if each.settled is not None)
    return memory_bytes(commit.stored) + memory_bytes(commit.late) + held


def memory_bytes(samples: Samples) -> int:
    """About how much memory these samples take."""
    return len(samples) * BYTES_PER_SAMPLE + (len(samples.exact) + len(samples.text)) * EXTRA_BYTES


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Return after so many seconds, or as soon as ``stop`` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
