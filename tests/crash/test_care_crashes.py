"""A table of crashes of verify, rebuild, backup and restore: where it dies, and what must be there afterwards.

After each death the same command is run again, which finishes what the first began.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import stored_rows
from crash.store_process import environment
from historian.errors import StoreError
from historian.model.commit import Commit
from storage import names, steps
from storage.backup import backup
from storage.reader import StoreReader
from storage.restore import restore
from storage.store import Store
from storage.verify import verify

SCRIPT = Path(__file__).with_name("care_scenarios.py")
DIED = 77

SAMPLES = [good(1, 1, 1.0), good(1, 2, 2.0), good(1, 3, 3.0), good(2, 3, 6.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``store``: two files, a batch and a held sample.  ``backup``: a generation of it before its last commit."""
    with Store.open(tmp_path / "store", create=True) as store:
        store.register_tags(make_tags(2), T0, "test")
        for second in (1, 2):
            store.commit(Commit(T0 + second * SECOND, make_samples([good(1, second, float(second))])))
            store.flush(force=True)
        backup(tmp_path / "store", tmp_path / "backup", time_us=T0)
        held = make_current([good(2, 3, 6.0)], newest=[True], pending=[True])
        store.commit(Commit(T0 + 3 * SECOND, make_samples([good(1, 3, 3.0)]), {0: held}))
    return tmp_path


def run(folder: Path, step: str) -> int:
    """The exit code of a process that dies at ``step``."""
    done = subprocess.run(
        [sys.executable, SCRIPT, step.partition(":")[0], folder, step],
        capture_output=True, text=True, check=False, timeout=50, env=environment(),
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode


def again(folder: Path, scenario: str) -> None:
    assert run(folder, f"{scenario}: never") == 0


def rows(path: Path) -> list:
    with StoreReader.open(path) as reader:
        return stored_rows(reader.snapshot())


def of(scenario: str) -> list[str]:
    return [step for step in steps.CARE_STEPS if step.startswith(f"{scenario}:")]


@pytest.mark.parametrize("step", of("rebuild"))
def test_rebuild(folder, step):
    """The old database or the new one, and never a new one with the log of the old."""
    assert run(folder, step) == DIED
    assert rows(folder / "store") == SAMPLES
    again(folder, "rebuild")
    assert rows(folder / "store") == SAMPLES
    assert verify(folder / "store").is_clean
    assert not (folder / "store" / f"{names.DATABASE}.rebuilt").exists()


@pytest.mark.parametrize("step", of("backup"))
def test_backup(folder, step):
    """A generation is there, the old or the new one, and can be restored."""
    with Store.open(folder / "store") as store:
        store.flush(force=True)
    assert run(folder, step) == DIED
    restore(folder / "backup", folder / "restored", time_us=T0)
    found = rows(folder / "restored")
    assert found in (SAMPLES, SAMPLES[:2])
    assert verify(folder / "restored").is_clean
    again(folder, "backup")
    restore(folder / "backup", folder / "newest", time_us=T0)
    assert rows(folder / "newest") == SAMPLES
    assert len(list((folder / "backup" / "generations").rglob(names.DATABASE))) == 1
    assert list((folder / "backup").rglob("*.tmp")) == []


@pytest.mark.parametrize("step", of("restore"))
def test_restore(folder, step):
    """No store, or all of it."""
    assert run(folder, step) == DIED
    if step in ("restore: database in place", "restore: done"):
        assert rows(folder / "restored") == SAMPLES[:2]
    else:
        with pytest.raises(StoreError):
            StoreReader.open(folder / "restored")
    if step != "restore: done":
        again(folder, "restore")
    assert rows(folder / "restored") == SAMPLES[:2]
    assert verify(folder / "restored").is_clean
    assert sorted(path.name for path in (folder / "restored").iterdir() if "-" not in path.name) == [
        names.ARCHIVE, names.DATABASE,
    ]  # fmt: skip


@pytest.mark.parametrize("step", of("set aside"))
def test_set_aside(folder, step):
    """Everything else stays readable from the moment the catalogue is changed, and the damaged file is somewhere."""
    damaged = next((folder / "store" / names.ARCHIVE / names.SAMPLES).rglob("*-000001-*.parquet"))
    damaged.write_bytes(b"PAR1 rubbish PAR1")
    assert run(folder, step) == DIED
    again(folder, "set aside")
    assert rows(folder / "store") == SAMPLES[1:]
    assert verify(folder / "store").is_clean
    assert (folder / "store" / names.DAMAGED / damaged.name).read_bytes() == b"PAR1 rubbish PAR1"


def test_every_step_has_a_line():
    assert {step for name in ("rebuild", "backup", "restore", "set aside") for step in of(name)} == set(
        steps.CARE_STEPS
    )
