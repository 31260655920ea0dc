"""What the next start does about a run that did not end in order: its held samples are stored, and the gap is marked.

Also frees the numbers of the scan groups after any run.  One transaction, so that it happens once or not at all.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from historian.compression.open_door import remainder
from historian.model.commit import AuditEvent, CurrentSamples
from historian.model.samples import Samples, concatenate
from historian.model.status import BAD_SHUTDOWN
from storage import audit, buffer, current, held, state, steps
from storage.database import transaction

_US_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was left unfinished and is finished now.

    ``crashed``: the last run did not end in order; nothing is known of the ``gap_us`` since ``last_commit_us``.
    ``stored`` samples had been held back and are stored now; ``ended`` tags got BadShutdown.  ``removed`` are files
    that a flush had not finished (their samples are still in the buffer).
    """

    crashed: bool
    last_commit_us: int | None
    gap_us: int
    stored: int
    ended: int
    removed: tuple[str, ...] = ()


NOTHING: Final = Recovery(crashed=False, last_commit_us=None, gap_us=0, stored=0, ended=0)


def recover(connection: sqlite3.Connection, database: Path, time_us: int) -> Recovery | None:
    """Finish what the last run left; None when it left nothing.  ``time_us`` is now."""
    with transaction(connection, database, "finish what the last run left"):
        groups = [(number, current.decode(number, blob)) for number, blob in current.read(connection)]
        found = state.read(connection)
        nothing_known = all(number == current.NO_GROUP for number, _ in groups)
        if not found.run_open and nothing_known and not held.numbers(connection):
            return None
        recovery = _finish(connection, groups, found, time_us)
        steps.reached("recover: rows written")
    steps.reached("recover: committed")
    return recovery


def _finish(
    connection: sqlite3.Connection, groups: list[tuple[int, CurrentSamples]], found: state.State, time_us: int
) -> Recovery | None:
    everything = current.merge([group for _, group in groups])
    newest = _known(current.newest(everything))
    pending = concatenate([current.pending(everything), *_let_go(connection)])
    ends = Samples.empty()
    if found.run_open:
        last_us = time_us if found.last_commit_us is None else found.last_commit_us
        newest, ends = _end(
            newest, _tags_of([group for number, group in groups if number != current.NO_GROUP]), last_us
        )
    _store(connection, concatenate([pending, ends]), time_us)
    stored_now = replace(newest, pending=np.zeros(len(newest.pending), np.bool_))
    current.collapse(connection, stored_now)
    held.clear(connection)
    connection.execute("update state set run_open = 0")
    if not found.run_open and not len(pending):
        return None
    gap_us = max(time_us - (found.last_commit_us or time_us), 0) if found.run_open else 0
    recovery = Recovery(found.run_open, found.last_commit_us, gap_us, len(pending), len(ends))
    audit.append(connection, [_event(recovery, time_us)])
    return recovery


def _let_go(connection: sqlite3.Connection) -> list[Samples]:
    """Of what each door holds that which it would have stored, had the run been stopped where it ended."""
    return [fresh if door is None else remainder(door, fresh) for door, fresh in held.doors(connection)]


def _known(newest: CurrentSamples) -> CurrentSamples:
    return current.take(newest, np.flatnonzero(~current.never_sampled(newest)))


def _tags_of(groups: list[CurrentSamples]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.unique(current.merge(groups).samples.tag_id)


def _end(
    newest: CurrentSamples, tags: np.ndarray[tuple[int], np.dtype[np.int32]], last_us: int
) -> tuple[CurrentSamples, Samples]:
    """BadShutdown for each of these tags whose newest sample says something else.

    Returns the newest samples after that, and those that end.
    """
    samples = newest.samples
    rows = np.flatnonzero(np.isin(samples.tag_id, tags) & (samples.status != BAD_SHUTDOWN))
    ends = Samples(
        samples.tag_id[rows],
        np.maximum(samples.time_us[rows] + 1, last_us),
        np.full(len(rows), np.nan),
        np.full(len(rows), BAD_SHUTDOWN, np.uint32),
    )
    others = np.setdiff1d(np.arange(len(samples)), rows)
    merged = current.merge([current.take(newest, others), replace(current.take(newest, rows), samples=ends)])
    return current.newest(merged), ends


def _store(connection: sqlite3.Connection, samples: Samples, time_us: int) -> None:
    if len(samples):
        buffer.insert(connection, state.next_commit(connection), time_us, buffer.encode_samples(samples))


def _event(recovery: Recovery, time_us: int) -> AuditEvent:
    why = "the last run ended with samples held back"
    if recovery.crashed:
        gap_s = recovery.gap_us / _US_PER_S
        why = f"the last run did not end in order: nothing is known of the {gap_s:.3f} s before this start"
    return AuditEvent(
        time_us, "historian", "recovered", "store",
        old=f"last commit at {np.datetime64(recovery.last_commit_us or time_us, 'us')}Z",
        new=f"{recovery.stored} held samples stored, {recovery.ended} tags ended with BadShutdown",
        why=why,
    )  # fmt: skip
