"""Tags of a large plant: 100,000 of them, made, known again, listed, and what they cost whoever opens the store."""

from __future__ import annotations

import subprocess
import sys
import timeit
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, Tag, ValueType
from historian.retrieval.tag_selection import select_tags
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import T0_US

COUNT = 100_000
FEW = 100
KNOWN_S = 3.0
MORE_S = 0.050
"""``sql 'select 1'`` may take so much longer with COUNT tags than with FEW."""


def plant(count: int) -> list[Tag]:
    """Flows with compression, and every fifth tag a valve with two states."""
    flow = CompressionSettings(ErrorBound(0.25), 0, 3_600_000_000)
    states = {0: "closed", 1: "open"}
    return [
        Tag(f"A{n // 1000:02d}.XV{n:06d}", f"plc{n % 20}", f"coil:{n}", "fast", ValueType.BOOL, enumeration=states)
        if n % 5 == 0
        else Tag(
            f"A{n // 1000:02d}.FIC{n:06d}.PV", f"plc{n % 20}", f"hr:{n}", "fast", ValueType.FLOAT32, "m3/h",
            f"flow number {n}", low=0.0, high=100.0, compression=flow,
        )
        for n in range(count)
    ]  # fmt: skip


def register(path: Path, tags: list[Tag]) -> None:
    with closing(Store.open(path, create=True)) as store:
        store.register_tags(tags, T0_US, "bench")


@pytest.fixture
def count(benchmark) -> int:
    """As many tags as are measured; few where this runs as a test."""
    return COUNT if benchmark.enabled else FEW


@pytest.fixture
def report(benchmark, figure) -> Callable[..., None]:
    def add(name: str, target_s: float | None = None) -> None:
        if benchmark.stats is not None:
            target = None if target_s is None else target_s * 1000
            figure(name, benchmark.stats.stats.min * 1000, "ms", target=target, better="less")

    return add


def test_new_tags(benchmark, report, count, tmp_path):
    places = iter(range(10))
    tags = plant(count)
    benchmark.pedantic(lambda: register(tmp_path / str(next(places)), tags), rounds=2)
    report(f"make {count:,} tags")


def test_known_tags(benchmark, report, count, tmp_path):
    tags = plant(count)
    register(tmp_path / "store", tags)
    benchmark.pedantic(lambda: register(tmp_path / "store", tags), rounds=3)
    report(f"start with {count:,} known tags", KNOWN_S)


def test_list_with_a_pattern(benchmark, report, count, tmp_path):
    register(tmp_path / "store", plant(count))

    def find() -> list[str]:
        with StoreReader.open(tmp_path / "store") as reader:
            return select_tags(["A00.XV*5"], reader.tags().column("tag").to_pylist())

    assert all(name.endswith("5") for name in benchmark(find))
    report(f"list {count:,} tags by a pattern")


def test_what_tags_cost_a_query(benchmark, figure, count, tmp_path):
    register(tmp_path / "few", plant(FEW))
    register(tmp_path / "many", plant(count))

    def ask(store: str) -> None:
        command = "from cli.main import main; main()"
        arguments = [sys.executable, "-c", command, "sql", "--store", str(tmp_path / store), "select 1"]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(ask, args=("many",))
    if benchmark.stats is not None:
        # In turn, so that what else the machine does meets both alike.
        pairs = [[timeit.timeit(partial(ask, store), number=1) for store in ("few", "many")] for _ in range(9)]
        few_s, many_s = map(min, zip(*pairs, strict=True))
        name = f"sql 'select 1', {count:,} tags more than {FEW}"
        figure(name, max(many_s - few_s, 1e-4) * 1000, "ms", target=MORE_S * 1000, better="less")
