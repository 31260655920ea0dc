"""``historian collect`` on a disk that fills up: nothing is lost that memory can hold, and what it cannot is a gap."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.simulator.plant import Plant
from endtoend import commandline
from endtoend.commandline import Collecting, eventually, rows, status

pytestmark = pytest.mark.timeout(180)

CHUNK_BYTES = 4096


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    with Plant() as plant:
        yield plant


@pytest.fixture
def folder(plant: Plant, tmp_path: Path) -> Iterator[Path]:
    """A configuration of five tags stored losslessly at 5 Hz; the store's folder is a disk of 16 MiB."""
    disk = tmp_path / "store"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine allows no mounts")
    try:
        plant.write_configuration(tmp_path)
        keep_five_tags(tmp_path / "tags.csv")
        yield tmp_path
    finally:
        subprocess.run(["umount", disk], check=True)


def keep_five_tags(path: Path) -> None:
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    fast = [row for row in table if row["type"].startswith("float") and row["scan_class"] == "fast"]
    kept = [row for row in fast if not row["step"]][:5]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows({**row, "exc_dev": "", "exc_max": "", "comp_dev": "", "comp_max": ""} for row in kept)


def fill(disk: Path) -> None:
    """Take all the room there is."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(CHUNK_BYTES))
        except OSError:
            return


def process_figures(folder: Path) -> dict[str, Any]:
    return status(folder)["process"]


def wait_until_full(folder: Path, state: str) -> dict[str, Any]:
    def is_so() -> dict[str, Any] | None:
        fill(folder / "store")  # the log may have been cut back, which gave room again
        figures = process_figures(folder)
        return figures if figures["store_state"] == state else None

    return eventually(is_so, f"status says {state}")


def longest_gaps(folder: Path) -> list[dict[str, Any]]:
    return rows(
        "select tag, max(gap_s) as gap_s from (select tag, epoch_us(time) / 1e6 - lag(epoch_us(time) / 1e6) over"
        " (partition by tag order by time) as gap_s from samples) group by tag",
        folder,
    )


DUPLICATES = "select tag, time, count(*) as n from samples group by all having n > 1"

SCRIPT = """
import cli.collect, cli.main
from dataclasses import replace

load = cli.collect.load_configuration

def little(path):
    found = load(path)
    return replace(found, store=replace(found.store, memory_limit_bytes=1500))

cli.collect.load_configuration = little
cli.main.main()
"""
WITH_LITTLE_MEMORY = (sys.executable, "-P", "-c", SCRIPT)
"""The least limit that a configuration allows would hold hours of five tags."""


def test_a_full_disk_loses_nothing_that_memory_can_hold(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        wait_until_full(folder, "full")
        report = status(folder)
        assert report["collecting"]["state"] == "yes"
        assert "no room" in report["process"]["last_error"]
        waiting = eventually(lambda: process_figures(folder)["pending_rows"] > 60, "samples wait in memory")
        assert waiting
        assert "kept in memory" in collecting.said()
        collecting.assert_running()
        (folder / "store" / "ballast").unlink()
        eventually(lambda: process_figures(folder)["store_state"] == "ok", "it goes on by itself")
        assert "takes samples again" in collecting.said()
        assert collecting.stop() == 0, collecting.said()
    assert rows(DUPLICATES, folder) == []
    gaps = longest_gaps(folder)
    assert len(gaps) == 5
    # Read five times a second; a busy machine may skip scans, while ten samples of each tag waited at least.
    assert max(gap["gap_s"] for gap in gaps) < 1.5
    assert rows("select * from samples where status = 'BadResourceUnavailable'", folder) == []


def test_past_the_memory_limit_the_gap_is_recorded(folder, monkeypatch):
    monkeypatch.setattr(commandline, "COMMAND", WITH_LITTLE_MEMORY)
    with Collecting(folder) as collecting:
        monkeypatch.undo()
        collecting.wait_until_connected()
        wait_until_full(folder, "paused")
        assert "collection pauses" in collecting.said()
        (folder / "store" / "ballast").unlink()
        eventually(lambda: process_figures(folder)["store_state"] == "ok", "it goes on by itself")
        eventually(
            lambda: (
                rows("select min(quality) as q, max(quality) as r from snapshot", folder)
                == [{"q": "Good", "r": "Good"}]
            ),
            "all tags are read again",
        )
        assert collecting.stop() == 0, collecting.said()
    assert rows(DUPLICATES, folder) == []
    marked = rows("select tag, count(*) as n from samples where status = 'BadResourceUnavailable' group by tag", folder)
    assert {row["n"] for row in marked} == {1}
    assert len(marked) == 5
    after = rows(
        "select count(distinct tag) as n from samples where quality = 'Good'"
        " and time > (select max(time) from samples where status = 'BadResourceUnavailable')",
        folder,
    )
    assert after == [{"n": 5}]
