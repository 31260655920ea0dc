"""Bulk ingest, size and questions on common workloads: the historian against others that come from the package index.

``WORKLOADS_DIR=folder pytest benchmarks/test_peers.py --benchmark-enable -s``; the peers are the dependency group
``bench``.  One that is not installed is skipped, with the reason.  Within the suite all run once, on small workloads.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.workload import Workload, load

PEERS = {
    "peers.ours": "Ours",
    "peers.parquet_duckdb": "TunedParquet",
    "peers.duckdb_tables": "DuckDbTables",
    "peers.chdb_peer": "ChDb",
    "peers.tsfile_peer": "TsFile",
    "peers.arctic_peer": "Arctic",
}

HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000
ROUNDS, INGESTS = 9, 3


def best_ms(ask: Callable[[], object], rounds: int) -> float:
    """The machine is busy: the best of several rounds, the first of which warms up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return min(times[1:])


def questions_w1(peer: object, work: Workload) -> dict[str, Callable[[], object]]:
    tag, start_us = len(work.names) // 4 + 1, int(work.times_us[0])
    end_us = int(work.times_us[-1]) + 1_000_000
    middle_us = (start_us + end_us) // 2
    asked = {
        "newest of all, ms": peer.newest,
        "raw hour of a tag, ms": lambda: peer.raw(tag, middle_us, middle_us + HOUR_US),
        "1-min avg/min/max, ms": lambda: peer.buckets(tag, start_us, end_us, MINUTE_US),
        "10-min avg of all, ms": lambda: peer.averages(10 * MINUTE_US),
        "all at a time, ms": lambda: peer.at(middle_us + 123_456),
    }
    if hasattr(peer, "history"):
        asked["raw hour of a tag by history(), ms"] = lambda: peer.history(tag, middle_us, middle_us + HOUR_US)
        buckets, averages = peer.buckets_over_time, peer.averages_over_time
        asked["1-min avg/min/max by aggregate(), ms"] = lambda: buckets(tag, start_us, end_us, MINUTE_US)
        asked["10-min avg of all by aggregate(), ms"] = lambda: averages(start_us, end_us, 10 * MINUTE_US)
    return asked


def questions_w2(peer: object, work: Workload) -> dict[str, Callable[[], object]]:
    start_us, end_us = int(work.times_us[0]), int(work.times_us[-1]) + 10_000_000
    asked = {"hours of a year, ms": lambda: peer.buckets(1, start_us, end_us, HOUR_US)}
    if hasattr(peer, "history"):
        asked["hours of a year by aggregate(), ms"] = lambda: peer.buckets_over_time(1, start_us, end_us, HOUR_US)
    return asked


QUESTIONS = {"w1": questions_w1, "w2": questions_w2}


def measured(module: str, folder: Path, work: Workload, rounds: int) -> dict[str, float]:
    """The figures of one peer; of ingests the best of a few, each into a folder of its own."""
    made = getattr(importlib.import_module(module), PEERS[module])
    rates: list[float] = []
    peer = None
    for attempt in range(INGESTS if rounds else 1):
        place = folder / str(attempt)
        place.mkdir()
        if peer is not None and hasattr(peer, "link"):
            peer.close()
        peer = made(place)
        if hasattr(peer, "prepare"):
            peer.prepare(work)
        start = time.perf_counter()
        peer.ingest(work)
        rates.append(work.samples / (time.perf_counter() - start) / 1e6)
    peer.open()
    try:
        figures = {"ingest, M/s": max(rates), "bytes/sample": peer.size() / work.samples}
        for name, ask in QUESTIONS[work.name](peer, work).items():
            assert ask() is not None
            figures[name] = best_ms(ask, rounds) if rounds else 0.0
    finally:
        peer.close()
    return figures


@pytest.fixture
def is_measuring(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", QUESTIONS)
def test_against_peers(figure, tmp_path, is_measuring, name):
    work = load(name) if is_measuring else load(name, tags=20, times=600)
    found: dict[str, dict[str, float]] = {}
    for module, peer in PEERS.items():
        folder = tmp_path / module
        folder.mkdir()
        try:
            found[peer] = measured(module, folder, work, ROUNDS if is_measuring else 0)
        except ImportError as error:
            print(f"{module} is left out: {error}")
    assert "Ours" in found
    if is_measuring:
        report(found, figure, name)


def report(found: dict[str, dict[str, float]], figure: Callable[..., None], workload: str) -> None:
    ours = found.pop("Ours")
    for question, value in ours.items():
        better = "more" if question.startswith("ingest") else "less"
        # What we have functions for, others are asked in their only way.
        plain = re.sub(r" by \w+\(\)", "", question)
        others = {peer: figures[plain] for peer, figures in found.items() if plain in figures}
        print(f"{workload} {question}: ours {value:.3g}, " + ", ".join(f"{k} {v:.3g}" for k, v in others.items()))
        best = (max if better == "more" else min)(others.values(), default=None)
        figure(f"{workload} {question}", value, "", better=better, peer=best)
