"""Every example of docs/reference/aggregates.md, worked out; and no aggregate is missing there."""

from __future__ import annotations

import pytest

from historian.model.status import BAD
from historian.retrieval.aggregates import NAMES, AggregateOptions
from support.aggregate_examples import ask, intervals, results, samples, series
from support.markdown import ROOT

DATA = series(samples((0, 10.0), (10, 20.0), (20, None), (30, 40.0), (40, 0.0)))
OPTIONS = AggregateOptions(treat_uncertain_as_bad=False)
DOUBTFUL = "UncertainDataSubNormal"

EXAMPLES = [
    ("Interpolative", (15, 20), 25, DOUBTFUL, "I"),
    ("Interpolative", (5, 10), 15, "Good", "I"),
    ("Interpolative", (50, 60), 0, DOUBTFUL, "I"),
    ("Start", (0, 30), 10, "Good", ""),
    ("End", (0, 30), None, "Bad", ""),
    ("Delta", (0, 30), 10, DOUBTFUL, "C"),
    ("StartBound", (5, 10), 15, "Good", "I"),
    ("StartBound", (15, 20), 20, DOUBTFUL, "I"),
    ("StartBound", (25, 30), None, "BadNoData", ""),
    ("EndBound", (0, 5), 15, "Good", "C"),
    ("DeltaBounds", (0, 5), 5, "Good", "C"),
    ("Average", (0, 40), 23.333, DOUBTFUL, "C"),
    ("TimeAverage", (0, 40), 23.75, DOUBTFUL, "C"),
    ("TimeAverage", (0, 10), 15, "Good", "C"),
    ("TimeAverage2", (0, 40), 18.333, DOUBTFUL, "C"),
    ("Total", (0, 40), 950, DOUBTFUL, "C"),
    ("Total2", (0, 40), 550, DOUBTFUL, "C"),
    ("Minimum", (0, 20), 10, "Good", ""),
    ("Maximum", (0, 20), 20, "Good", "C"),
    ("Range", (0, 20), 10, "Good", "C"),
    ("Minimum2", (5, 10), 15, "Good", "I"),
    ("Maximum2", (5, 10), 20, "Good", "C"),
    ("Range2", (5, 10), 5, "Good", "C"),
    ("Count", (0, 40), 3, DOUBTFUL, "C"),
    ("NumberOfTransitions", (0, 40), 3, DOUBTFUL, "C"),
    ("DurationGood", (0, 40), 30_000, "Good", "C"),
    ("DurationBad", (0, 40), 10_000, "Good", "C"),
    ("PercentGood", (0, 40), 75, "Good", "C"),
    ("PercentBad", (0, 40), 25, "Good", "C"),
    ("DurationInStateZero", (0, 40), 0, DOUBTFUL, "C"),
    ("DurationInStateNonZero", (0, 40), 30_000, DOUBTFUL, "C"),
    ("WorstQuality", (0, 40), BAD, "Good", "C"),
    ("WorstQuality2", (0, 25), BAD, "Good", "CM"),
    ("VarianceSample", (0, 40), 233.33, DOUBTFUL, "C"),
    ("VariancePopulation", (0, 40), 155.56, DOUBTFUL, "C"),
]


@pytest.mark.parametrize(("name", "edges", "value", "status", "bits"), EXAMPLES)
def test_example(name, edges, value, status, bits):
    wanted = None if value is None else pytest.approx(value, abs=0.005)
    assert results(ask(DATA, intervals(edges), name, OPTIONS)) == [(wanted, status, bits)]


def test_the_times_of_extremes():
    assert ask(DATA, intervals((0, 20)), "MaximumActualTime", OPTIONS).time_us[0] == 10_000_000
    assert ask(DATA, intervals((5, 10)), "MinimumActualTime2", OPTIONS).time_us[0] == 5_000_000
    assert ask(DATA, intervals((5, 10)), "MaximumActualTime2", OPTIONS).time_us[0] == 9_999_999


def test_every_aggregate_is_described():
    page = (ROOT / "docs" / "reference" / "aggregates.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"**{name}**" not in page] == []
