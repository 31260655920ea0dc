"""A table of crashes of compaction and retention: whatever the step, no sample is lost and none is there twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conformance.store_data import Row
from conformance.store_suite import audit_rows, rows_of, stored_rows
from crash.store_process import environment, files_on_disk
from crash.upkeep_scenarios import HOUR, LATER, NOV_1, NOW, RETENTION, SETTINGS, kinds
from storage import steps
from storage.reader import StoreReader
from storage.store import Store

SCRIPT = Path(__file__).with_name("upkeep_scenarios.py")

FILLED = ("filled",)
COMPACTED = (*FILLED, "compacted")

WRITING = [step for step in steps.STEPS if step.startswith("compaction: ")]
RETAINED = ["retention: catalogue written", "retention: committed"]
FINISHING = ["compaction: catalogue written", "compaction: committed"]

CRASHES = [
    # The file over midnight becomes two, in one transaction; then the day's files become one, and the next day's two.
    *((step, 0, FILLED) for step in WRITING),
    *((step, 1, FILLED) for step in WRITING),
    *((step, 2, FILLED) for step in WRITING),
    *((step, 3, FILLED) for step in WRITING if step not in FINISHING),
    *((step, 0, COMPACTED) for step in steps.STEPS if step.startswith("retired files: ")),
]


def run(folder: Path, scenario: str, step: str, after: int) -> tuple[int, tuple[str, ...]]:
    """Exit code and acknowledgements of a process that runs the scenario."""
    done = subprocess.run(
        [sys.executable, SCRIPT, scenario, folder, step, str(after)],
        capture_output=True, text=True, check=False, timeout=50, env=environment(),
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, tuple(done.stdout.splitlines())


def expected() -> list[Row]:
    """What is visible at any time: the edited sample has the bits of a substituted one."""
    rows: list[Row] = [(1, NOV_1 + hour * HOUR, float(hour), 0) for hour in range(40) if hour != 2]
    rows[1] = (1, NOV_1 + HOUR, 77.0, 0x0408)
    return rows


def visible(snapshot) -> list[Row]:
    """By the rule of the format: an edit stands in the place of any other sample of its tag and time."""
    rows = stored_rows(snapshot)
    assert len({row[:2] for row in rows}) == len(rows), "a sample is there twice"
    shown = {row[:2]: row for row in rows}
    for row, kind in zip(rows_of(snapshot.edits), snapshot.edits.column("kind").to_pylist(), strict=True):
        shown.pop(row[:2], None)
        if kind != "remove":
            shown[row[:2]] = row
    return sorted(shown.values(), key=lambda row: row[:2])


@pytest.mark.parametrize(("step", "after", "acknowledged"), CRASHES, ids=str)
def test_crash_of_compaction(step, after, acknowledged, store_path):
    assert run(store_path, "compact", step, after) == (77, acknowledged)
    with StoreReader.open(store_path) as reader:
        assert visible(reader.snapshot()) == expected()
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        store.recover(NOW)
        assert visible(reader.snapshot()) == expected()
        store.compact(NOW + HOUR, SETTINGS)
        store.compact(NOW + 2 * HOUR, SETTINGS)
        snapshot = reader.snapshot()
        assert visible(snapshot) == expected()
        assert [file.rows for file in snapshot.files] == [23, 16]
        assert len(snapshot.edits) == 0
        assert files_on_disk(store_path) == {file.path for file in snapshot.files}


@pytest.mark.parametrize("step", [None, *WRITING])
@pytest.mark.parametrize("after", [0, 1])
def test_crash_of_a_compaction_of_two_kinds(step, after, store_path):
    """One of two files may be there when the process dies: it is no part of the store before the other is."""
    is_over = step is None or (step in FINISHING and after)
    code, acknowledged = run(store_path, "compact kinds", str(step), after)
    assert (code, acknowledged) == ((0, COMPACTED) if is_over else (77, FILLED))
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        assert visible(reader.snapshot()) == kinds(range(400))
        store.recover(NOW)
        store.compact(NOW + HOUR, SETTINGS)
        store.compact(NOW + 2 * HOUR, SETTINGS)
        snapshot = reader.snapshot()
        assert visible(snapshot) == kinds(range(400))
        # Whoever goes on has the ordinary limits, by which 1,200 samples are one file.
        wanted = [800, 400] if is_over or step == "compaction: committed" else [1200]
        assert sorted(file.rows for file in snapshot.files) == sorted(wanted)
        assert files_on_disk(store_path) == {file.path for file in snapshot.files}


def test_the_scenario_without_a_crash(store_path):
    assert run(store_path, "compact", "none", 0) == (0, (*COMPACTED, "removed"))


RETENTION_CRASHES = [
    # First the averages of the month, then the file that goes in part, then the last samples from before.
    *((step, 0, False) for step in steps.STEPS if step.startswith("thinning: ")),
    *((step, 0, step == "retention: committed") for step in steps.STEPS if step.startswith("retention: ")),
    *((step, 1, False) for step in steps.STEPS if step.startswith("retention: ") and step not in RETAINED),
]


def left() -> list[Row]:
    """After retention: the last sample of the first day, and all of the second."""
    return [row for row in expected() if row[1] >= NOV_1 + 23 * HOUR]


@pytest.mark.parametrize(("step", "after", "is_done"), RETENTION_CRASHES, ids=str)
def test_crash_of_retention(step, after, is_done, store_path):
    """Either all that is too old has gone, or nothing; and the averages of it are there before."""
    assert run(store_path, "retain", step, after) == (77, FILLED)
    with StoreReader.open(store_path) as reader:
        snapshot = reader.snapshot()
        assert visible(snapshot) == (left() if is_done else expected())
        assert len(snapshot.averages) == (not step.startswith("thinning: ") or step == "thinning: committed")
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        store.recover(LATER)
        assert store.retain(LATER, RETENTION).errors == ()
        store.compact(LATER + HOUR, SETTINGS)
        store.compact(LATER + 2 * HOUR, SETTINGS)
        snapshot = reader.snapshot()
        assert visible(snapshot) == left()
        assert sum(pq.read_metadata(path).num_rows for path in snapshot.averages) == 40
        assert files_on_disk(store_path) == {file.path for file in snapshot.files}
        assert [action for action, _ in audit_rows(snapshot)].count("samples removed") == 1


def test_every_step_has_a_line():
    wanted = {step for step in steps.STEPS if step.startswith(("compaction: ", "retired files: "))}
    assert {step for step, _, _ in CRASHES} == wanted
    wanted = {step for step in steps.STEPS if step.startswith(("retention: ", "thinning: "))}
    assert {step for step, _, _ in RETENTION_CRASHES} == wanted
