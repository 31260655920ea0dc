"""Expected results that others published: OPC 10000-13 Annex A, and the tests of node-opcua and UA-.NETStandard.

Every row that its sources agree on, in value, status and bits.  Rows that contradict each other are decision 0050.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from historian.model.status import status_code, status_name
from historian.retrieval.aggregates import NAMES, AggregateOptions, Notes, aggregate
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series

VECTORS = Path(__file__).parents[5] / "shared" / "vectors"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"{VECTORS} is not there: the vectors are not ours to ship"
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESOLUTION_US = 1000  # the tables of the standard are in milliseconds
LEVELS = ("value", "status", "bits")


def us(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


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


def series_of(dataset: dict) -> Series:
    samples = dataset["samples"]
    times = np.array([us(each["t"]) for each in samples])
    values = np.array([np.nan if each["value"] is None else float(each["value"]) for each in samples])
    status = np.array([status_code(each["status"]) for each in samples], np.uint32)
    stepped = np.array([dataset["config"]["Stepped"]])
    return Series(np.array([0, len(times)]), times, values, status, stepped, times[-1:])


def intervals_of(case: dict) -> Intervals:
    """From the earlier edge upwards, or (start later than end) from the later one downwards."""
    start, end, step = us(case["start"]), us(case["end"]), case["interval_ms"] * 1000
    low, high = min(start, end), max(start, end)
    step = step or high - low
    if start > end:
        later = np.arange(high, low, -step)
        return Intervals(np.maximum(later - step, low), later, reverse=True)
    earlier = np.arange(low, high, step)
    return Intervals(earlier, np.minimum(earlier + step, high))


def answer(dataset: dict, case: dict) -> list[dict]:
    settings = dataset["config"]
    options = AggregateOptions(
        None,
        settings["TreatUncertainAsBad"],
        settings["PercentDataGood"],
        settings["PercentDataBad"],
        settings["UseSlopedExtrapolation"],
        RESOLUTION_US,
    )
    noted = np.array([us(each["t"]) for each in dataset["annotations"]], np.int64)
    notes = Notes(np.array([0, len(noted)]), noted)
    rows = aggregate(series_of(dataset), intervals_of(case), [case["aggregate"]], options, notes=notes)
    is_status = case["aggregate"].startswith("WorstQuality")
    return [
        {
            "t": EPOCH + timedelta(microseconds=int(rows.time_us[row])),
            "value": status_name(int(rows.value[row])) if is_status and rows.value[row] >= 0 else rows.value[row],
            "status": status_name(int(rows.status[row])),
            "calculated": rows.calculated[row],
            "interpolated": rows.interpolated[row],
            "partial": rows.partial[row],
            "multi": rows.multiple[row],
        }
        for row in range(len(rows))
    ]


def failures(checker, case: dict, got: list[dict]) -> list[str]:
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
    assert [each for case in asked for each in failures(checker, case, answer(datasets[case["dataset"]], case))] == []


def test_every_row_that_its_sources_agree_on_is_compared(cases):
    counts = Counter(row["grade"] != "C" for case in cases for row in case["rows"])
    assert {case["aggregate"] for case in cases} == set(NAMES)
    assert counts[True] >= 1857
