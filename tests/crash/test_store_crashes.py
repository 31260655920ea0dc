"""A table of crashes: where the process dies, and what must be there afterwards, exactly once.

Every step of :mod:`storage.steps` has a line.  After each death the store is read, recovered, flushed and read again.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.store_data import SECOND, T0, Row, good
from conformance.store_suite import audit_rows, stored_rows
from crash.store_process import environment, files_on_disk
from crash.store_scenarios import DIED
from historian.errors import StoreNotFoundError
from historian.model.samples import concatenate
from historian.model.status import BAD_SHUTDOWN
from storage import steps
from storage.reader import StoreReader
from storage.store import Store

SCRIPT = Path(__file__).with_name("store_scenarios.py")


@dataclass(frozen=True)
class Crash:
    """Dies at ``step`` after passing it ``after`` times; the last commit that must be there is number ``commits``."""

    step: str
    after: int
    commits: int
    acknowledged: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.step} #{self.after + 1}"


ELSEWHERE = (
    "annotation: ",
    "migrate: ",
    "insert: ",
    "import: ",
    "edit: ",
    "remove: ",
    "compaction: ",
    "retention: ",
    "thinning: ",
    "retired files: ",
)
"""Steps that have their lines in tables of their own, beside this one."""

START = ("tags", "recovered")
TWO = (*START, "commit 1", "commit 2")
FLUSHED = (*TWO, "flush")
THREE = (*FLUSHED, "commit 3")

CRASHES = [
    Crash("create: database made", 0, 0, ()),
    Crash("create: tables made", 0, 0, ()),
    Crash("tags: rows written", 0, 0, ()),
    Crash("tags: committed", 0, 0, ()),
    Crash("commit: rows written", 0, 0, START),
    Crash("commit: committed", 0, 1, START),
    Crash("commit: rows written", 1, 1, (*START, "commit 1")),
    Crash("commit: committed", 1, 2, (*START, "commit 1")),
    Crash("commit: rows written", 2, 2, FLUSHED),
    Crash("commit: committed", 2, 3, FLUSHED),
    *(Crash(step, 0, 2, TWO) for step in steps.STEPS if step.startswith("flush: ")),
    Crash("flush: file renamed", 1, 3, THREE),
    Crash("flush: committed", 1, 3, THREE),
    *(Crash(step, 0, 2, TWO) for step in steps.STEPS if step.startswith("tags file: ")),
    Crash("tags file: file written", 1, 2, TWO),  # the tags have two files
    Crash("tags file: folder synced", 1, 2, TWO),
]

JOINED = (
    *START,
    "commit 1",
    "not joined",
    "commit 2",
    "joined",
    "commit 3",
    "not joined",
    "commit 4",
    "joined",
    "commit 5",
)

JOINS = [
    Crash("join: rows written", 0, 2, JOINED[:5]),
    Crash("join: committed", 0, 2, JOINED[:5]),
    Crash("join: rows written", 1, 4, JOINED[:9]),
    Crash("join: committed", 1, 4, JOINED[:9]),
    Crash("flush: file renamed", 0, 5, JOINED),
    Crash("flush: catalogue written", 0, 5, JOINED),
    Crash("flush: committed", 0, 5, JOINED),
]

SHADOWED = [*START, "commit 1", "commit 2", "commit 3"]

SHADOWS = [
    Crash("commit: rows written", 1, 1, tuple(SHADOWED[:-2])),
    Crash("shadow: rows written", 0, 3, tuple(SHADOWED)),
    Crash("shadow: committed", 0, 3, tuple(SHADOWED)),
]

RECOVERIES = [Crash(step, 0, 3, ("tags",)) for step in ("recover: rows written", "recover: committed")]


def run(folder: Path, step: str, after: int, scenario: str = "collect") -> tuple[int, tuple[str, ...]]:
    """Exit code and acknowledgements of a process that runs the scenario."""
    done = subprocess.run(
        [sys.executable, SCRIPT, scenario, folder, step, str(after)],
        capture_output=True, text=True, check=False, timeout=50, env=environment(),
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, tuple(done.stdout.splitlines())


def committed(commits: int) -> list[Row]:
    """What a run has stored and holds back after so many commits."""
    stored = [good(1, second, float(second)) for second in range(1, commits + 1)]
    return [*stored, good(2, commits, commits * 2.0)] if commits else []


def ended(commits: int) -> list[Row]:
    """What recovery adds: the tag that is known of ends after its newest sample, which is as old as the last commit."""
    return [(2, T0 + commits * SECOND + 1, None, BAD_SHUTDOWN)] if commits else []


def read(folder: Path) -> list[Row]:
    with StoreReader.open(folder) as reader:
        return stored_rows(reader.snapshot())


def check_afterwards(folder: Path, commits: int) -> None:
    """The store as the next start finds and leaves it."""
    if commits:
        assert read(folder) == committed(commits)
    expected = sorted([*committed(commits), *ended(commits)])
    with Store.open(folder, create=True) as store, StoreReader.open(folder) as reader:
        store.recover(T0 + 1000 * SECOND)
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == expected
        assert files_on_disk(folder) == {file.path for file in snapshot.files}
        assert [row for row in audit_rows(snapshot) if row[0] == "recovered"] == [("recovered", "store")] * bool(
            commits
        )
        store.flush(force=True)
        assert stored_rows(reader.snapshot()) == expected
        assert store.recover(T0 + 2000 * SECOND) is None


def test_the_scenario_without_a_crash(store_path):
    assert run(store_path, "none", 0) == (0, (*THREE, "flush"))
    check_afterwards(store_path, 3)


@pytest.mark.parametrize("crash", CRASHES, ids=str)
def test_crash(crash, store_path):
    assert run(store_path, crash.step, crash.after) == (77, crash.acknowledged)
    check_afterwards(store_path, crash.commits)


def test_joining_without_a_crash(store_path):
    assert run(store_path, "none", 0, "join") == (0, (*JOINED, "flush"))
    check_afterwards(store_path, 5)


@pytest.mark.parametrize("crash", JOINS, ids=str)
def test_crash_while_joining(crash, store_path):
    assert run(store_path, crash.step, crash.after, "join") == (77, crash.acknowledged)
    check_afterwards(store_path, crash.commits)


@pytest.mark.parametrize("crash", RECOVERIES, ids=str)
def test_crash_while_recovering(crash, store_path):
    """The second run dies in the recovery of the first; the third finishes it."""
    run(store_path, "none", 0)
    assert run(store_path, crash.step, crash.after) == (77, crash.acknowledged)
    is_done = crash.step == "recover: committed"
    assert read(store_path) == sorted([*committed(3), *(ended(3) if is_done else [])])
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        assert (store.recover(T0 + 1000 * SECOND) is None) == is_done
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == sorted([*committed(3), *ended(3)])
        assert audit_rows(snapshot).count(("recovered", "store")) == 1


def test_a_crash_before_the_tables_are_there_is_no_store_yet(store_path):
    run(store_path, "create: database made", 0)
    with pytest.raises(StoreNotFoundError):
        StoreReader.open(store_path)


@pytest.mark.parametrize("crash", SHADOWS, ids=str)
def test_a_crash_leaves_the_raw_samples_of_every_commit(store_path, crash):
    code, said = run(store_path, crash.step, crash.after, "shadow")
    assert (code, said) == (DIED, crash.acknowledged)
    with StoreReader.open(store_path) as reader:
        rows = reader.shadow_rows()
        raw = concatenate([reader.shadow_samples(row) for row in rows])
        assert sorted(raw.time_us.tolist()) == [T0 + second * SECOND for second in range(1, crash.commits + 1)]
        assert len(stored_rows(reader.snapshot())) == crash.commits
    assert len(rows) == (1 if crash.step == "shadow: committed" else crash.commits)


def test_every_step_has_a_line():
    elsewhere = {step for step in steps.STEPS if step.startswith(ELSEWHERE)}
    assert {crash.step for crash in [*CRASHES, *JOINS, *SHADOWS, *RECOVERIES]} | elsewhere == set(steps.STEPS)
