"""Expected results that others published: OPC 10000-13 Annex A, and the tests of node-opcua and UA-.NETStandard.

Every row that its sources agree on, in value, status and bits.  Rows that contradict each other are decision 0050.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from historian.retrieval.aggregates import NAMES
from support.aggregate_vectors import compute

VECTORS = Path(__file__).parents[5] / "shared" / "vectors"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"{VECTORS} is not there: the vectors are not ours to ship"
)

LEVELS = ("value", "status", "bits")


def read(name: str) -> dict:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def datasets() -> dict[str, dict]:
    return {each["name"]: each for each in read("datasets.json")["datasets"]}


@pytest.fixture(scope="module")
def cases() -> list[dict]:
    return read("expected.json")["cases"]


@pytest.fixture(scope="module")
def checker():
    """The vectors' own comparison of rows."""
    spec = importlib.util.spec_from_file_location("check_vectors", VECTORS / "check_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failures(checker, case: dict, dataset: dict) -> list[str]:
    start, end = (datetime.fromisoformat(case[edge]) for edge in ("start", "end"))
    got = list(compute(dataset, case["aggregate"], start, end, case["interval_ms"]))
    assert len(got) == len(case["rows"]), case["id"]
    tolerance, bits, status = case["value_tolerance"], case.get("bits_check", True), case.get("status_check", True)
    found = []
    for want, row in zip(case["rows"], got, strict=True):
        if want["grade"] != "C":
            passed = checker.check_row(want, row, tolerance, bits, status, use_alt=False)
            found += [f"{case['id']} {level}: wanted {want}, got {row}" for level in LEVELS[passed.count(True) :][:1]]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_every_published_row(name, cases, datasets, checker):
    asked = [case for case in cases if case["aggregate"] == name]
    assert asked, "no vectors for this aggregate"
    assert [each for case in asked for each in failures(checker, case, datasets[case["dataset"]])] == []


def test_every_row_that_its_sources_agree_on_is_compared(cases):
    counts = Counter(row["grade"] != "C" for case in cases for row in case["rows"])
    assert {case["aggregate"] for case in cases} == set(NAMES)
    assert counts[True] >= 1857
