"""What scans notice of a large compaction that runs beside them: lateness and missed scans, with and without it.

``python3 run.py bench benchmarks/test_compaction_beside.py`` measures for 40 s; as a test it runs once and briefly.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import historian
from collectors.simulator.plant import SimulatedServer
from historian.errors import StoreError
from historian.model.samples import Samples
from historian.model.tag import Tag
from storage.edits import Cause
from storage.import_chunk import ImportNotes
from storage.reader import StoreReader
from storage.requests import submit
from storage.store import Store

SECOND = 1_000_000
DAY = 86_400 * SECOND
RATE_US = 50_000
TAGS = 500
WAIT_S = 40.0


def now_us() -> int:
    return time.time_ns() // 1000


def write_configuration(folder: Path, url: str) -> None:
    """500 registers twenty times a second, each value stored: 10,000 samples a second."""
    (folder / "historian.toml").write_text(
        f'tag_files = ["tags.csv"]\n[store]\npath = "store"\n[scan_classes.fast]\nrate = "{RATE_US // 1000}ms"\n'
        f'[sources.load]\nprotocol = "modbus"\nurl = "{url}"\ntimeout = "5s"\n'
    )
    with (folder / "tags.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tag", "source", "address", "type", "scan_class"])
        writer.writerows([f"L{number}", "load", f"hr:{number}", "uint16", "fast"] for number in range(TAGS))


def fill_days(store: Path, tags: int, files: int, each: int) -> None:
    """Two days, the one before yesterday and the one before that, in so many files of ``each`` samples a tag."""
    rng = np.random.default_rng(1)
    day_us = now_us() // DAY * DAY - 3 * DAY
    cause = Cause("benchmark", "an archive to be compacted", now_us())
    step_us = 2 * DAY // (files * each)
    with Store.open(store, create=True) as made:
        names = [Tag(f"OLD{number:05d}", "plant", "hr:0", "fast") for number in range(tags)]
        ids = np.array(list(made.register_tags(names, day_us, "benchmark").values()), np.int32)
        for file in range(files):
            times = day_us + step_us * (np.arange(each) + file * each)
            values = np.round(50 + np.cumsum(rng.normal(0, 0.05, (tags, each)), axis=1).ravel(), 1)
            samples = Samples(np.repeat(ids, each), np.tile(times, tags), values, np.zeros(len(values), np.uint32))
            made.insert_chunk(samples, cause, replace=False, settle=lambda _: ImportNotes())
            made.flush(force=True)  # where they were too few for a file at once


@dataclass(frozen=True)
class Collector:
    """``historian collect`` in a process of its own."""

    store: Path

    def wait_for(self, met) -> None:
        """Until the health figures are as wanted."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                with StoreReader.open(self.store) as reader:
                    if met(reader.health()):
                        return
            except StoreError:
                pass  # the store is just being opened
            assert time.monotonic() < deadline, "nothing was collected, or compaction has not ended in time"
            time.sleep(0.1)

    def wait_for_scans(self, seconds: float) -> None:
        """Until the store has so many more seconds of scans."""
        with StoreReader.open(self.store) as reader:
            wanted = scans(reader.health()) + seconds * 1e6 / RATE_US
        self.wait_for(lambda health: scans(health) >= wanted)


def scans(health: Mapping[str, Mapping[str, Any]]) -> int:
    """How many scans of the simulated source are in the store."""
    return int(health.get("source/load", {}).get("scans", 0))


@pytest.fixture
def collector(benchmark, tmp_path: Path) -> Iterator[Collector]:
    """Collects already, into a store with two days that wait to be compacted."""
    fill_days(tmp_path / "store", *((1_000, 40, 300) if benchmark.enabled else (10, 4, 50)))
    server = SimulatedServer(["load-modbus", "--registers", str(TAGS)])
    try:
        write_configuration(tmp_path, server.wait_until_ready())
        process = subprocess.Popen([sys.executable, "-P", "-m", "cli", "collect"], cwd=tmp_path)
        try:
            found = Collector(tmp_path / "store")
            found.wait_for(scans)
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    finally:
        server.close()


def lateness_ms(store: Path, start_us: int, end_us: int) -> tuple[NDArray[np.float64], int]:
    """How far behind its place on the grid each scan was read, float64[n], and how many places had none.

    A sample's time is half-way between request and answer, so half of the reading is in it.
    """
    with historian.open(store) as link:
        found = link.sql("select epoch_us(time) as t from samples where tag = 'L0' order by time")
    times = found.column("t").to_numpy()
    times = times[(times >= start_us) & (times < end_us)]
    missed = int(np.sum(np.diff(times // RATE_US) - 1))
    return (times % RATE_US) / 1000, missed


@pytest.mark.timeout(180)
def test_scans_beside_a_large_compaction(benchmark, figure, collector: Collector) -> None:
    """12 million samples in 40 files become two files while 500 tags are read every 50 ms."""
    quiet_s = 9.0 if benchmark.enabled else 1.0
    spans: dict[str, tuple[int, int]] = {}

    def measure() -> None:
        for name in ("before", "meanwhile", "after"):
            begun = now_us()
            if name == "meanwhile":
                submit(collector.store, "compact", {})
                collector.wait_for(lambda health: "compaction" in health)
            else:
                collector.wait_for_scans(quiet_s)
            spans[name] = (begun, now_us())

    benchmark.pedantic(measure, rounds=1)
    collector.wait_for_scans(2.0)  # the last ones of the last span are in the store after a commit
    found = {name: lateness_ms(collector.store, *span) for name, span in spans.items()}
    assert all(len(late) for late, _ in found.values())
    if benchmark.enabled:
        quiet = np.concatenate([found["before"][0], found["after"][0]])
        busy, missed = found["meanwhile"]
        took_s = (spans["meanwhile"][1] - spans["meanwhile"][0]) / SECOND
        print(f"\n{len(busy)} scans in the {took_s:.1f} s of compaction, {len(quiet)} without")
        for share in (50, 99, 100):
            name = f"lateness of scans beside compaction, p{share}"
            figure(name, np.percentile(busy, share), "ms", better="less", peer=np.percentile(quiet, share))
        rates = missed / len(busy), (found["before"][1] + found["after"][1]) / len(quiet)
        figure("missed scans beside compaction", 100 * rates[0], "%", better="less")
        figure("missed scans without", 100 * rates[1], "%", better="less")
