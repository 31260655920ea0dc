"""Totals, averages, deviations, slopes and percentiles by time, against published and hand-made examples."""

from __future__ import annotations

import json
import statistics
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from historian.errors import UsageError
from historian.model.status import (
    BAD_NO_DATA,
    CALCULATED,
    GOOD,
    PARTIAL,
    UNCERTAIN_DATA_SUB_NORMAL,
)
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.percentiles import percentiles
from historian.retrieval.questions.stretches import cut_at
from historian.retrieval.questions.time_weighted import slopes, standard_deviation, time_average
from historian.retrieval.questions.totalize import totalize
from historian.retrieval.windows import Windows
from support.series_of import SECOND, UNSURE, Tag, series_of

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "other.json"

needs_vectors = pytest.mark.skipif(
    not VECTORS.is_file(), reason=f"{VECTORS} is not there: the examples are not ours to ship"
)

GE = [(0, 30), (60, 40), (70, 50), (75, None), (105, 25)]
"""GE Proficy Historian 8.0, "Time Weighted Calculation Modes": the window is 0 to 120 s."""


def stretches(*tags, edges=(0, 120), unit=SECOND, **options):
    at = np.array([round(edge * unit) for edge in edges], np.int64)
    windows = Windows.whole(Intervals(at[:-1], at[1:]))
    return cut_at(series_of(*tags, unit=unit), windows, len(at) - 1, **options)


def numbers(found):
    return [None if np.isnan(value) else value for value in found.value.tolist()]


def test_the_example_of_ge_by_steps():
    found = time_average(stretches(Tag(GE, stepped=True, known=120)))
    # Printed there as 31.38, of 30 * 59.999; 30 * 60 + 40 * 10 + 50 * 5 + 25 * 15 is 2825.
    assert found.value[0] == pytest.approx(2825 / 90)
    assert round(found.value[0], 1) == 31.4
    assert found.percent_good.tolist() == [75]
    assert found.status.tolist() == [UNCERTAIN_DATA_SUB_NORMAL | CALCULATED]


def test_the_same_on_lines():
    found = time_average(stretches(Tag(GE, known=120)))
    assert found.value[0] == pytest.approx((35 * 60 + 45 * 10 + 50 * 5 + 25 * 15) / 90)


@needs_vectors
@pytest.mark.parametrize("name", ["tsdb-uneven", "tsdb-even", "tsdb-two"])
def test_published_averages(name):
    one = published(name)
    for method in one["average"]:
        tag = Tag([(at * 60, value) for at, value in one["points"]], stepped=method == "stepped")
        cut = stretches(tag, edges=(one["points"][0][0] * 60, one["points"][-1][0] * 60))
        assert time_average(cut).value[0] == pytest.approx(one["average"][method])
        if "integral_seconds" in one:
            assert totalize(cut, "second").value[0] == pytest.approx(one["integral_seconds"][method])


@needs_vectors
@pytest.mark.parametrize(
    "name", ["tsdb-wsum-stepped", "tsdb-wsum-neg-stepped", "tsdb-wsum-linear", "tsdb-wsum-neg-linear", "flux-go-multi"]
)
def test_published_integrals(name):
    one = published(name)
    tag = Tag(one["points"], stepped=one["method"] == "stepped")
    found = totalize(stretches(tag, edges=(one["points"][0][0], one["points"][-1][0])), "second")
    assert found.value[0] == pytest.approx(one["integral"])


@needs_vectors
@pytest.mark.parametrize("method", ["locf", "linear"])
def test_published_running_integrals(method):
    one = published(f"tsdb-accum-{method}")
    times = [at for at, _ in one["points"]]
    found = totalize(stretches(Tag(one["points"], stepped=method == "locf"), edges=times), "second")
    assert np.cumsum(found.value).tolist() == pytest.approx(one["running_integral"][1:])


@needs_vectors
def test_published_daily_averages():
    one = published("tsdb-daily-buckets-stepped")
    points = [(datetime.fromisoformat(at).timestamp(), value) for at, value in one["points"]]
    first = datetime.fromisoformat("2020-01-01T00:00:00Z").timestamp()
    cut = stretches(Tag(points, stepped=True, known=first + 9e5), edges=[first + day * 86400 for day in range(4)])
    assert time_average(cut).value.tolist() == pytest.approx(one["average"])
    assert totalize(cut, "hour").value.tolist() == pytest.approx(one["integral_hours"])


def published(name):
    return {each["id"]: each for each in json.loads(VECTORS.read_text(encoding="utf-8"))["time_weighted"]}[name]


@pytest.mark.parametrize(("unit", "total"), [("second", 7200), ("minute", 120), ("hour", 2), ("day", 2 / 24)])
def test_a_total_is_in_the_unit_of_its_rate(unit, total):
    cut = stretches(Tag([(0, 1), (7200, 1)]), edges=(0, 7200))
    assert totalize(cut, unit).value[0] == pytest.approx(total)


def test_a_rate_without_a_known_unit_is_refused():
    with pytest.raises(UsageError, match="did you mean 'hour'"):
        totalize(stretches(Tag(GE)), "hours")


def test_totals_of_parts_add_up_and_say_how_good_they_are():
    tag = Tag([(10, 4), (40, None), (60, 2)], stepped=True, known=80)
    found = totalize(stretches(tag, edges=(0, 20, 40, 60, 80, 100, 120)), "second")
    assert numbers(found) == [40, 80, None, 40, None, None]
    assert found.percent_good.tolist() == [50, 100, 0, 100, 0, 0]
    assert found.status.tolist() == [
        UNCERTAIN_DATA_SUB_NORMAL | CALCULATED | PARTIAL,
        GOOD | CALCULATED,
        BAD_NO_DATA,
        GOOD | CALCULATED,
        BAD_NO_DATA,
        BAD_NO_DATA,
    ]
    cut = totalize(stretches(tag, edges=(60, 100)), "second")
    assert (cut.value[0], cut.percent_good[0], cut.status[0]) == (40, 50, GOOD | CALCULATED | PARTIAL)


def test_uncertain_time_counts_unless_it_is_to_be_bad():
    tag = Tag([(0, 1), (10, 3, UNSURE), (20, 1), (30, None)], known=40)
    assert totalize(stretches(tag, edges=(0, 40)), "second").value[0] == pytest.approx(20 + 20 + 10)
    assert numbers(totalize(stretches(tag, edges=(0, 40), uncertain_is_bad=True), "second")) == [None]
    steps = Tag(tag.samples, stepped=True, known=40)
    found = totalize(stretches(steps, edges=(0, 40), uncertain_is_bad=True), "second")
    assert (found.value[0], found.percent_good[0]) == (10 + 10, 50)


def test_an_interval_in_several_windows_is_their_sum():
    at = np.array([0, 60], np.int64) * SECOND
    windows = Windows(np.array([0, 0, 2]), np.array([0, 20, 70]) * SECOND, np.array([10, 30, 80]) * SECOND)
    found = totalize(cut_at(series_of(Tag([(0, 0), (100, 100)])), windows, 3), "second")
    assert numbers(found) == [50 + 250, None, 750]
    assert found.percent_good[[0, 2]].tolist() == [100, 100]
    assert len(at) == 2


def test_tags_come_one_after_the_other():
    found = time_average(stretches(Tag([(0, 1)], known=20), Tag([]), Tag([(5, 7)], known=20), edges=(0, 10, 20)))
    assert numbers(found) == [1, 1, None, None, 7, 7]


def test_the_deviation_of_a_step_is_that_of_its_values_by_time():
    found = standard_deviation(stretches(Tag([(0, 1), (30, 5)], stepped=True, known=40), edges=(0, 40)))
    assert found.value[0] == pytest.approx(statistics.pstdev([1, 1, 1, 5]))


def test_the_deviation_of_a_ramp_is_its_height_by_the_root_of_twelve():
    assert standard_deviation(stretches(Tag([(0, 0), (120, 12)]))).value[0] == pytest.approx(12**0.5)


def test_slopes_of_a_line_a_step_and_across_a_gap():
    line = slopes(stretches(Tag([(0, 5), (120, 65)])), "minute")
    assert (line.fitted.value[0], line.end_to_end.value[0]) == pytest.approx((30, 30))
    # A unit step in the middle of 0..1: the fitted slope is 12 * integral of (t - 1/2) = 3/2.
    step = slopes(stretches(Tag([(0, 0), (60, 1)], stepped=True, known=120)), "second")
    assert step.fitted.value[0] == pytest.approx(1.5 / 120)
    assert step.end_to_end.value[0] == pytest.approx(1 / 120)
    broken = slopes(stretches(Tag([(0, 0), (20, 20), (40, None), (60, 60), (120, 120)], stepped=False)), "second")
    assert broken.end_to_end.value[0] == pytest.approx(1)
    assert numbers(slopes(stretches(Tag([(0, None)], known=120)), "second").fitted) == [None]


def test_a_slope_keeps_its_digits_far_from_1970():
    begin = 1_800_000_000
    tag = Tag([(begin, 1e6), (begin + 3600, 1e6 + 1e-3)])
    found = slopes(stretches(tag, edges=(begin, begin + 3600)), "hour")
    assert found.fitted.value[0] == pytest.approx(1e-3, rel=1e-6)


def test_percentiles_of_a_ramp_are_the_ramp():
    found = percentiles(stretches(Tag([(0, 0), (120, 100)])), [0, 5, 50, 95, 100])
    assert [each.value[0] for each in found] == pytest.approx([0, 5, 50, 95, 100])


def test_percentiles_of_steps_are_values_that_were_there():
    tag = Tag([(0, 3), (10, 1), (40, 2), (90, None), (100, 9)], stepped=True, known=110)
    # Good time: 1 for 30 s, 2 for 50, 3 for 10, 9 for 10.
    found = percentiles(stretches(tag, edges=(0, 110)), [0, 29.9, 30.1, 50, 79, 81, 89, 91, 100])
    assert [each.value[0] for each in found] == [1, 1, 2, 2, 2, 3, 3, 9, 9]


def test_percentiles_of_lines_and_held_values_together():
    # Up from 0 to 10 in 10 s, then 10 held for 10 s before the Bad sample.
    found = percentiles(stretches(Tag([(0, 0), (10, 10), (20, None)], known=30), edges=(0, 30)), [25, 49, 51, 100])
    assert [each.value[0] for each in found] == pytest.approx([5, 9.8, 10, 10])


def test_percentiles_of_many_intervals_at_once():
    rng = np.random.default_rng(2)
    tag = Tag([(at, float(value)) for at, value in enumerate(rng.normal(size=1201))], stepped=True)
    found = percentiles(stretches(tag, edges=range(0, 1201, 100)), [90])[0]
    values = [value for _, value in tag.samples]
    wanted = [sorted(values[first : first + 100])[89] for first in range(0, 1200, 100)]
    assert found.value.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("percent", [-1, 101, float("nan")])
def test_no_percentile_is_outside_0_to_100(percent):
    with pytest.raises(UsageError, match="0 to 100"):
        percentiles(stretches(Tag(GE)), [percent])


def test_values_near_the_largest_double_give_an_answer_or_none_and_no_warning():
    cut = stretches(Tag([(0, 1.7e308), (60, -1.7e308), (120, 1.7e308)]))
    assert time_average(cut).value[0] == 0
    assert numbers(standard_deviation(cut)) == [None]
    assert percentiles(cut, [50])[0].value[0] == 0
    assert numbers(totalize(stretches(Tag([(0, 1.7e308), (120, 1.7e308)])), "second")) == [None]
