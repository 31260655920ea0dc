"""``historian compact``: by itself, as a dry run, and through the process that collects."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.compact import compact
from cli.status import status
from cli.upkeep import UpkeepWorker
from conformance.store_data import make_samples, make_tags
from conformance.store_suite import stored_rows
from endtoend.commandline import historian
from historian.config.load import load_configuration
from historian.model.commit import Commit
from storage.reader import StoreReader
from storage.requests import RequestServer
from storage.store import Store
from support.plant_files import SETTINGS, write

DAY = 86_400_000_000
TAGS = "tag,source,address,scan_class\nT000,boiler,hr:0,fast\n"


def fill(folder, days_ago: int, files: int = 3) -> int:
    """So many files of one day; the day's beginning."""
    start = (time.time_ns() // 1000 // DAY - days_ago) * DAY
    with Store.open(folder, create=True) as store:
        store.register_tags(make_tags(2), start, "test")
        for file in range(files):
            rows = [(1, start + file * 3_600_000_000 + second * 1_000_000, float(second), 0) for second in range(100)]
            store.commit(Commit(start, make_samples(rows)))
            store.flush(force=True)
    return start


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def settings(tmp_path):
    """Writes a configuration; its path."""

    def configure(more: str = ""):
        return write(tmp_path, SETTINGS + more, TAGS)

    return configure


def test_it_merges_and_says_so(settings, tmp_path):
    config = settings()
    fill(tmp_path / "store", 3)
    result = run(compact, "--config", config)
    assert result.exit_code == 0
    assert "merged 3 files into 1" in result.stdout
    assert "retention: nothing goes" in result.stdout
    found = json.loads(run(status, "--config", config, "--format", "json").stdout)
    assert found["store"]["files"] == 1
    assert found["store"]["retired_files"] == 3
    assert found["compaction"]["files_in"] == 3
    table = run(status, "--config", config).stdout
    assert "compacted" in table
    assert "nothing to merge" in run(compact, "--config", config).stdout


def test_what_could_not_be_merged_is_a_failure(settings, tmp_path):
    config = settings()
    fill(tmp_path / "store", 3)
    damaged = sorted((tmp_path / "store" / "archive" / "samples").rglob("*.parquet"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    done = historian("compact", "--config", config, folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["nothing was merged", "retention: nothing goes"]
    assert damaged.name in done.stderr


def test_a_dry_run_needs_no_writer_and_changes_nothing(settings, tmp_path):
    config = settings('[retention]\nkeep = "1d"\n')
    fill(tmp_path / "store", 3)
    with Store.open(tmp_path / "store"):
        result = run(compact, "--config", config, "--dry-run")
    assert result.exit_code == 0
    assert "would merge 3 files into 1" in result.stdout
    assert "retention (keep): 299 samples of 1 tag" in result.stdout
    with StoreReader.open(tmp_path / "store") as reader:
        assert len(reader.snapshot().files) == 3


def test_retention_of_another_store_does_not_hold(settings, tmp_path):
    config = settings('[retention]\nkeep = "1d"\n')
    fill(tmp_path / "other", 3)
    result = run(compact, "--config", config, "--store", tmp_path / "other")
    assert "retention: nothing goes" in result.stdout


def test_retention_is_done(settings, tmp_path):
    config = settings('[retention]\nkeep = "1d"\n')
    fill(tmp_path / "store", 3)
    result = run(compact, "--config", config)
    assert "299 samples of 1 tag" in result.stdout
    assert "went" in result.stdout
    with StoreReader.open(tmp_path / "store") as reader:
        assert len(stored_rows(reader.snapshot())) == 1


def test_while_collecting_the_collector_is_asked(settings, tmp_path):
    config = settings()
    fill(tmp_path / "store", 3)
    with Store.open(tmp_path / "store") as store:
        worker = UpkeepWorker(store, load_configuration(config), lambda: time.time_ns() // 1000, print)
        worker.start()
        stop = threading.Event()
        from cli.compact import handle

        server = RequestServer(store.folder, {"compact": lambda request: handle(store, request)})

        def serve():
            while not stop.wait(0.05):
                server.serve()

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            result = run(compact, "--config", config)
            assert result.exit_code == 0
            assert "has been told" in result.stdout
            deadline = time.monotonic() + 20
            while store.statistics().files_by_level != {"day": 1} and time.monotonic() < deadline:
                time.sleep(0.02)
            assert store.statistics().files_by_level == {"day": 1}
        finally:
            stop.set()
            serving.join()
            worker.stop()


def test_the_worker_ends_at_once_when_the_store_closes(settings, tmp_path):
    config = settings()
    fill(tmp_path / "store", 3)
    with Store.open(tmp_path / "store") as store:
        worker = UpkeepWorker(store, load_configuration(config), lambda: time.time_ns() // 1000, print)
        worker.start()
        started = time.monotonic()
        worker.stop()
        assert time.monotonic() - started < 2


def test_the_worker_says_each_trouble_once(settings, tmp_path):
    config = settings()
    fill(tmp_path / "store", 3)
    said = []
    with Store.open(tmp_path / "store") as store, StoreReader.open(tmp_path / "store") as reader:
        with Path(reader.snapshot().files[0].path).open("r+b") as file:
            file.seek(30)
            file.write(b"\xff" * 60)
        worker = UpkeepWorker(store, load_configuration(config), lambda: time.time_ns() // 1000, said.append)
        worker.look(asked=False)
        worker.look(asked=False)
    assert len(said) == 1
    assert "historian verify" in said[0]
