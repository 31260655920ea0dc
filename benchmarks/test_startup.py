"""Start-up: what a person waits for before the first letter, against Python alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.sample_store import make_store, plant_rows

HELP_S = 0.150
SQL_S = 0.400
MAIN = "from cli.main import main; main()"


@pytest.fixture
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Run Python with our modules compiled beforehand, as an installed package has them, whatever this shell says."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("bytecode"))

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)

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
