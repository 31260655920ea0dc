"""One commit as rows of the tables: made before anybody has to wait, written in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from historian.model.commit import Commit
from storage import audit, buffer, current, health, held, quarantine, shadow, source_memory, state


@dataclass(frozen=True, slots=True)
class CommitRows:
    """A commit ready to be written: ``samples`` None when it stores none, ``groups`` and ``doors`` by number."""

    commit: Commit
    samples: buffer.BatchRow | None
    groups: Sequence[tuple[int, bytes]]
    doors: Mapping[int, held.HeldRows]

    @classmethod
    def of(cls, commit: Commit) -> CommitRows:
        """Pack what goes into blobs."""
        return cls(
            commit,
            buffer.encode_samples(commit.stored) if len(commit.stored) else None,
            [(number, current.encode(group)) for number, group in commit.current.items()],
            {number: held.encode(each) for number, each in commit.held.items()},
        )

    def write(self, connection: sqlite3.Connection, *, final: bool) -> None:
        """Write everything, inside the caller's transaction; ``final``: the run ends here in order."""
        commit = self.commit
        if self.samples is not None:
            buffer.insert(connection, state.next_commit(connection), commit.time_us, self.samples)
        if len(commit.shadow):
            shadow.insert(connection, commit.time_us, commit.shadow)
        current.replace(connection, self.groups)
        held.change(connection, self.doors)
        quarantine.append(connection, commit.quarantined)
        audit.append(connection, commit.events)
        health.replace(connection, commit.health)
        source_memory.replace(connection, commit.notes, commit.time_us)
        run_open = not final and (bool(self.groups) or state.read(connection).run_open)
        state.note_commit(connection, commit.time_us, run_open=run_open)
