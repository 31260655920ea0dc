"""Start-up: what a person waits for before the first letter, against Python alone; and until every source is read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from load_plant import Device, running
from watched_collector import end, processor_s, wait_until_scanning

from endtoend.commandline import Collecting
from support.sample_store import make_store, plant_rows

HELP_S = 0.150
SQL_S = 0.400
COLLECT_S = 5.0
ROUNDS = 3
MAIN = "from cli.main import main; main()"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which modules are compiled once, as an installed package has them, whatever this shell says."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


@pytest.fixture
def python(compiled: dict[str, str]) -> Callable[..., None]:
    """Run Python."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=compiled)

    return run


@pytest.fixture
def bare_s(python) -> float:
    """Seconds of ``python -c pass``, the best of a few."""
    import timeit  # noqa: PLC0415 - used here only

    return min(timeit.repeat(lambda: python("-c", "pass"), number=1, repeat=3))


def report(figure, benchmark, name: str, target_s: float, bare_s: float) -> None:
    if benchmark.stats is not None:
        best = benchmark.stats.stats.min
        figure(name, best * 1000, "ms", target=target_s * 1000, better="less")
        figure(f"{name}, of that Python alone", bare_s * 1000, "ms", better="less")


def test_help(benchmark, figure, python, bare_s):
    benchmark.pedantic(python, args=("-c", MAIN, "--help"), rounds=7, warmup_rounds=1)
    report(figure, benchmark, "historian --help", HELP_S, bare_s)


def test_smallest_query(benchmark, figure, python, bare_s, tmp_path: Path):
    make_store(tmp_path / "store", plant_rows(), archived_before_s=30)
    arguments = ("-c", MAIN, "sql", "--store", str(tmp_path / "store"), "select 1")
    benchmark.pedantic(python, args=arguments, rounds=7, warmup_rounds=1)
    report(figure, benchmark, "historian sql 'select 1'", SQL_S, bare_s)


FIFTY_THOUSAND = (
    *(Device(f"plc{number}", "modbus", 5_000, 1_000) for number in range(1, 6)),
    *(Device(f"dcs{number}", "opcua", 12_500, 1_000) for number in range(1, 3)),
)


@pytest.fixture
def plant(benchmark, tmp_path: Path) -> Iterator[Path]:
    """A folder with a configuration of 50,000 tags, whose devices run; a few of them as a test."""
    few = [replace(each, tags=each.tags // 100) for each in FIFTY_THOUSAND[-3:-1]]
    with running(FIFTY_THOUSAND if benchmark.enabled else few, tmp_path):
        yield tmp_path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["new", "known"])
def test_collecting(benchmark, figure, compiled, plant: Path, kind: str) -> None:
    """From the command until the first scan of every source is in the store: a new one, and one with these tags."""
    starts: list[tuple[float, float]] = []

    def start_and_stop() -> None:
        if kind == "new":
            shutil.rmtree(plant / "store", ignore_errors=True)
        begun_s = time.perf_counter()
        with Collecting(plant, environment=compiled) as collecting:
            wait_until_scanning(collecting)
            starts.append((time.perf_counter() - begun_s, processor_s(collecting.process.pid)))
            end(collecting)

    # The first run compiles our modules, and makes the store with the tags that the others know.
    rounds = ROUNDS if benchmark.enabled else 1
    benchmark.pedantic(start_and_stop, rounds=rounds, warmup_rounds=int(benchmark.enabled or kind == "known"))
    wall_s, cpu_s = map(min, zip(*starts[-ROUNDS:], strict=True))
    name = f"collect, 50,000 tags, a {kind} store"
    figure(f"{name}, until all are read and stored", wall_s, "s", target=COLLECT_S, better="less")
    figure(f"{name}, of that processor time", cpu_s, "s", better="less")
