"""Averages over time and integrals that the tests of other databases and a vendor's manual give."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from historian.retrieval.aggregates import AggregateOptions
from support.aggregate_examples import ask, every, intervals, samples, series

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "other.json"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_file(), reason=f"{VECTORS} is not there: the examples are not ours to ship"
)

DAY_S, HOUR_S = 86_400, 3600


def example(name: str) -> dict:
    return {one["id"]: one for one in json.loads(VECTORS.read_text(encoding="utf-8"))["time_weighted"]}[name]


def between_samples(name: str, points: list, stepped: bool, unit_s: float = 1) -> float:
    data = series(samples(*((time * unit_s, value) for time, value in points)))
    whole = intervals((points[0][0] * unit_s, points[-1][0] * unit_s))
    return float(ask(data, whole, name, AggregateOptions(stepped=stepped)).value[0])


@pytest.mark.parametrize("name", ["tsdb-accum-locf", "tsdb-accum-linear"])
def test_running_integrals(name):
    found = example(name)
    points, wanted = found["points"], found["running_integral"]
    for number in range(1, len(points)):
        total = between_samples("Total2", points[: number + 1], found["method"] == "stepped")
        assert total == pytest.approx(wanted[number])


@pytest.mark.parametrize("name", ["wsum-stepped", "wsum-neg-stepped", "wsum-linear", "wsum-neg-linear"])
def test_integrals(name):
    found = example(f"tsdb-{name}")
    assert between_samples("Total2", found["points"], found["method"] == "stepped") == found["integral"]


@pytest.mark.parametrize("name", ["avg-stepped", "avg-linear"])
def test_averages(name):
    found = example(f"tsdb-{name}")
    assert between_samples("TimeAverage2", found["points"], found["method"] == "stepped") == found["average"]


@pytest.mark.parametrize("name", ["uneven", "even", "two"])
@pytest.mark.parametrize("method", ["linear", "stepped"])
def test_averages_of_minutes(name, method):
    found = example(f"tsdb-{name}")
    average = between_samples("TimeAverage2", found["points"], method == "stepped", unit_s=60)
    assert average == pytest.approx(found["average"][method])


def test_days_that_begin_with_the_value_of_the_day_before():
    found = example("tsdb-daily-buckets-stepped")
    start = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    points = [((datetime.fromisoformat(time) - start).total_seconds(), float(value)) for time, value in found["points"]]
    data = series(samples(*points), stepped=True, known_s=3 * DAY_S)
    days = every(0, 3 * DAY_S, DAY_S)
    assert ask(data, days, "TimeAverage2").value == pytest.approx(found["average"])
    assert ask(data, days, "Total2").value / HOUR_S == pytest.approx(found["integral_hours"])


@pytest.mark.parametrize("name", ["float", "multi", "nulls"])
def test_integrals_along_lines_also_over_values_that_are_missing(name):
    found = example(f"flux-go-{name}")
    assert between_samples("Total", found["points"], stepped=False) == pytest.approx(found["integral"])


def test_bad_time_leaves_the_weight():
    found = example("ge-average")
    start = datetime.fromisoformat(found["start"])
    points = [
        ((datetime.fromisoformat(time) - start).total_seconds(), value if quality == "good" else None)
        for time, value, quality in found["points"]
    ]
    data = series(samples(*points), stepped=True, known_s=120)
    # The manual cuts 31.3886 to two digits.
    assert ask(data, intervals((0, 120)), "TimeAverage2").value[0] == pytest.approx(found["derived_value"], abs=5e-4)
    late = example("ge-average-no-start-sample")
    assert ask(data, intervals((5, 120)), "PercentGood").value[0] == pytest.approx(late["percent_good"], abs=0.005)
