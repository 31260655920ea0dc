"""A run with compression dies at each of its commits; the next start ends it as if it had been stopped in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.store_data import SECOND, T0, Row, good
from conformance.store_suite import newest_rows, stored_rows
from crash.door_scenarios import VALUES
from crash.store_process import environment
from historian.model.status import BAD_SHUTDOWN
from properties.compression_reference import ByHand, Sample, Settings
from storage import held, steps
from storage.reader import StoreReader
from storage.store import Store

SCRIPT = Path(__file__).with_name("door_scenarios.py")


def die(folder: Path, step: str, after: int) -> int:
    """Let the scenario die at the step when it passed it so many times; how many commits it acknowledged."""
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, step, str(after)],
        capture_output=True, text=True, check=False, timeout=50, env=environment(),
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.count("commit ")


def scanned(commits: int) -> list[Row]:
    """Both tags, by tag and time."""
    return [
        good(lane + 1, second, VALUES[second][lane]) for lane in (0, 1) for second in range(commits)
    ]  # fmt: skip


def kept(rows: list[Row]) -> set[Row]:
    """What compression leaves of them when they are all."""
    found = set()
    for tag_id in (1, 2):
        samples = [Sample(time_us, value) for tag, time_us, value, _ in rows if tag == tag_id]
        found |= {(tag_id, one.time_us, one.value, 0) for one in ByHand(Settings(comp_dev=1.0), 128).kept(samples)}
    return found


@pytest.mark.parametrize("step", ["commit: rows written", "commit: committed"])
@pytest.mark.parametrize("after", range(len(VALUES)))
def test_whatever_was_committed_is_seen_and_ends_as_if_the_run_had_been_stopped(tmp_path, step, after):
    folder = tmp_path / "store"
    acknowledged = die(folder, step, after)
    commits = after + (step == "commit: committed")
    assert acknowledged == after
    last = scanned(commits)
    with StoreReader.open(folder) as reader:
        seen = stored_rows(reader.snapshot())
        assert kept(last) <= set(seen) <= set(last)
        assert newest_rows(reader.snapshot()) == {row[0]: row for row in last}
    ends = {(tag, T0 + (commits - 1) * SECOND + 1, None, BAD_SHUTDOWN) for tag in (1, 2) if commits}
    with Store.open(folder) as store, StoreReader.open(folder) as reader:
        store.recover(T0 + 1000 * SECOND)
        assert stored_rows(reader.snapshot()) == sorted(kept(last) | ends, key=lambda row: row[:2])
        assert reader.inspect(held.numbers) == {}
        store.flush(force=True)
        assert stored_rows(reader.snapshot()) == sorted(kept(last) | ends, key=lambda row: row[:2])


def die_recovering(folder: Path, step: str) -> None:
    """Recover in a process that dies at the step."""
    script = (
        "import sys; from pathlib import Path\n"
        "from crash.store_scenarios import die_at; from storage.store import Store\n"
        "die_at(sys.argv[2], 0); Store.open(Path(sys.argv[1])).recover(1_900_000_000_000_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, folder, step], capture_output=True, text=True, check=False, timeout=50,
        env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (77, "")


@pytest.mark.parametrize("step", [step for step in steps.STEPS if step.startswith("recover: ")])
def test_what_was_held_is_stored_once_though_the_next_start_dies_too(tmp_path, step):
    folder = tmp_path / "store"
    die(folder, "none", 0)
    die_recovering(folder, step)
    last = scanned(len(VALUES))
    ends = {(tag, T0 + 7 * SECOND + 1, None, BAD_SHUTDOWN) for tag in (1, 2)}
    with Store.open(folder) as store, StoreReader.open(folder) as reader:
        store.recover(T0 + 1000 * SECOND)
        assert stored_rows(reader.snapshot()) == sorted(kept(last) | ends, key=lambda row: row[:2])
