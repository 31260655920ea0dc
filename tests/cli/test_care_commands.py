"""verify, rebuild, backup and restore as a person types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from endtoend.commandline import historian
from storage.store import Store
from support.sample_store import make_store, plant_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_store(tmp_path / "store", plant_rows(60), archived_before_s=50.0, final=True)
    return tmp_path


def file_of(folder: Path) -> Path:
    (path,) = (folder / "store" / "archive" / "samples").rglob("*.parquet")
    return path


def ask(folder: Path, store: str = "store") -> str:
    done = historian("sql", "--store", store, "--format", "csv", "select count(*) from samples", folder=folder)
    return done.stdout.splitlines()[-1] if done.returncode == 0 else done.stderr


def test_damage_is_found_taken_out_and_brought_back_from_a_backup(folder):
    assert historian("backup", "backup", "--store", "store", folder=folder).returncode == 0
    path = file_of(folder)
    path.write_bytes(path.read_bytes()[:-50])
    found = historian("verify", "--store", "store", "--format", "json", folder=folder)
    assert found.returncode == 1
    report = json.loads(found.stdout)
    assert not report["clean"]
    assert {damage["file"] for damage in report["damages"]} == {f"samples/{'/'.join(path.parts[-3:])}"}
    assert "historian verify --set-aside" in ask(folder)
    aside = historian("verify", "--store", "store", "--set-aside", folder=folder)
    assert aside.returncode == 1
    assert "historian verify --set-aside" not in aside.stdout
    assert "250 samples are lost unless" in aside.stderr
    assert ask(folder) == "50"
    assert historian("verify", "--store", "store", folder=folder).returncode == 0
    shutil.copy(next((folder / "backup" / "archive").rglob(path.name)), folder / "store" / "damaged" / path.name)
    back = historian("verify", "--store", "store", "--rejoin", folder=folder)
    assert back.returncode == 0, back.stderr
    assert "250 samples are back" in back.stderr
    assert ask(folder) == "300"


def test_a_lost_database_is_made_again(folder):
    for path in (folder / "store").glob("historian.sqlite*"):
        path.unlink()
    assert "historian rebuild" in ask(folder)
    done = historian("rebuild", "--store", "store", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "not brought back" in done.stdout
    assert ask(folder) == "250"


def test_backup_and_restore(folder):
    done = historian("backup", "backup", "--store", "store", "--keep", "2", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "300 samples, collected until 2026-11-22T00:00:00Z" in done.stdout
    done = historian("restore", "backup", "--store", "again", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "last commit: 2026-11-22T00:00:00Z" in done.stdout
    assert ask(folder, "again") == "300"
    done = historian("restore", "backup", "--store", "again", folder=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_rebuild_is_refused_while_somebody_writes(folder):
    with Store.open(folder / "store"):
        done = historian("rebuild", "--store", "store", folder=folder)
    assert done.returncode == 1
    assert "writes to it" in done.stderr
