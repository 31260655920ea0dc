"""Worked examples of aggregates, and what the interface promises."""

from __future__ import annotations

import numpy as np
import pytest

from historian.errors import UsageError
from historian.retrieval.aggregates import NAMES, AggregateOptions, Notes, aggregate, portions
from support.aggregate_examples import BAD, ask, every, intervals, results, samples, series, windows

GE = samples((0, 30.0), (60, 40.0), (70, 50.0), (75, None), (105, 25.0))
"""The example of GE Historian 8.0, "Time Weighted Calculation Modes"; bad time leaves the weight."""


def test_ge_example_bad_time_leaves_the_weight():
    rows = ask(series(GE, stepped=True, known_s=120), intervals((0, 120)), "TimeAverage2")
    assert rows.value[0] == pytest.approx((30 * 60 + 40 * 10 + 50 * 5 + 25 * 15) / 90)
    assert rows.percent_good[0] == pytest.approx(75)


def test_ge_example_percent_good_without_a_sample_at_the_start():
    rows = ask(series(GE, stepped=True, known_s=120), intervals((5, 120)), "PercentGood")
    assert rows.value[0] == pytest.approx(73.91, abs=0.005)
    assert rows.percent_good[0] == rows.value[0]


def test_a_flat_line_with_a_step_is_a_ramp_only_where_the_sample_before_the_step_is_missing():
    full = samples((0, 100.0), (599, 100.0), (600, 110.0), (1200, 110.0))
    without = samples((0, 100.0), (600, 110.0), (1200, 110.0))
    assert ask(series(without), intervals((0, 1200)), "TimeAverage").value[0] == 107.5
    assert ask(series(full), intervals((0, 1200)), "TimeAverage").value[0] == pytest.approx(105.0, abs=0.005)
    assert ask(series(without), intervals((599, 600)), "Interpolative").value[0] == pytest.approx(109.98, abs=0.005)


def test_several_aggregates_stand_side_by_side_row_by_row():
    data = series(samples((0, 1.0), (10, 3.0)), samples((0, 5.0), (10, 5.0)))
    rows = aggregate(data, every(0, 10, 5), ["Minimum", "EndBound", "Count"])
    assert rows.tag.tolist() == [0] * 6 + [1] * 6
    assert rows.interval.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert rows.aggregate.tolist() == [0, 1, 2] * 4
    assert rows.value[:3].tolist() == [1.0, 2.0, 1.0]
    assert rows.value[9:].tolist() == pytest.approx([np.nan, 5.0, 0.0], nan_ok=True)
    assert rows.time_us[:6].tolist() == [0, 0, 0, 5_000_000, 5_000_000, 5_000_000]
    assert rows.end_us[:6].tolist() == [5_000_000] * 3 + [10_000_000] * 3


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_known_of_a_tag_without_samples(name):
    rows = ask(series([], known_s=5), intervals((0, 10)), name)
    assert results(rows) == [(None, "BadNoData", "")]
    assert np.isnan(rows.percent_good[0])


@pytest.mark.parametrize("name", NAMES)
def test_no_tags_no_intervals_no_rows(name):
    assert len(ask(series(), intervals((0, 10)), name)) == 0
    assert len(ask(series(samples((0, 1.0))), intervals(), name)) == 0
    assert len(aggregate(series(samples((0, 1.0))), intervals((0, 10)), [])) == 0


# --- the end of data


def test_the_last_sample_holds_to_the_end_of_data():
    data = series(samples((0, 10.0), (10, 20.0)), known_s=60)
    assert results(ask(data, every(0, 60, 20), "TimeAverage")) == [
        (pytest.approx((15 * 10 + 20 * 10) / 20), "Good", "C"),
        (20.0, "Good", "C"),
        (20.0, "Good", "C"),
    ]
    assert results(ask(data, every(20, 60, 20), "PercentGood")) == [(100.0, "Good", "C")] * 2
    assert results(ask(data, every(20, 60, 20), "Interpolative")) == [(20.0, "Good", "I")] * 2


def test_after_the_end_of_data_nothing_is_known():
    data = series(samples((0, 10.0), (10, 20.0)), known_s=60)
    late = intervals((61, 70))
    assert results(ask(data, late, "TimeAverage2")) == [(None, "BadNoData", "")]
    assert results(ask(data, late, "StartBound")) == [(None, "BadNoData", "")]
    assert results(ask(data, late, "Interpolative")) == [(20.0, "UncertainDataSubNormal", "I")]


def test_what_holds_is_no_sample():
    data = series(samples((0, 10.0), (10, 20.0)), known_s=60)
    asked = intervals((20, 40))
    assert results(ask(data, asked, "Count")) == [(0.0, "Good", "C")]
    assert results(ask(data, asked, "Start")) == [(None, "BadNoData", "")]
    assert results(ask(data, asked, "Minimum")) == [(None, "BadNoData", "")]
    assert results(ask(data, asked, "Minimum2")) == [(20.0, "Good", "IM")]


def test_a_held_value_goes_on_level_even_where_lines_go_on():
    options = AggregateOptions(sloped_extrapolation=True)
    held = series(samples((0, 10.0), (10, 20.0)), known_s=60)
    imported = series(samples((0, 10.0), (10, 20.0)))
    assert ask(held, intervals((70, 80)), "Interpolative", options).value[0] == 20.0
    assert ask(imported, intervals((70, 80)), "Interpolative", options).value[0] == 80.0


def test_a_day_in_which_data_end_is_partial_and_its_percentages_are_of_what_is_known():
    data = series(samples((0, 10.0), (10, 20.0)))
    day = intervals((0, 86_400))
    assert results(ask(data, day, "PercentGood")) == [(100.0, "Good", "CP")]
    assert results(ask(data, day, "DurationGood")) == [(10_000.001, "Good", "CP")]


# --- portions


@pytest.mark.parametrize("pieces", [1, 2, 5, 7])
@pytest.mark.parametrize("name", ["TimeAverage2", "Maximum", "End", "AnnotationCount", "NumberOfTransitions"])
def test_a_question_in_portions_has_the_same_answer(monkeypatch, name, pieces):
    tags = (samples((0, 2**60 + 1), (3, 2**60 + 3), (9, None)), [], samples((1, "a"), (4, "b")), samples((5, 1.5)))
    notes = Notes(np.array([0, 1, 1, 3, 3]), np.array([2, 2, 8]) * 1_000_000)
    parts = windows((0, 0, 1), (0, 2, 3), (2, 6, 8), (3, 9, 10), (3, 10, 12))
    for asked in ({"notes": notes}, {"notes": notes, "windows": parts}):
        monkeypatch.undo()
        whole = ask(series(*tags, known_s=10), every(0, 12, 3), name, **asked)
        monkeypatch.setattr(portions, "PIECES", pieces)
        in_parts = ask(series(*tags, known_s=10), every(0, 12, 3), name, **asked)
        assert results(in_parts) == results(whole)
        for column in ("tag", "interval", "time_us", "end_us", "percent_good"):
            assert np.array_equal(getattr(in_parts, column), getattr(whole, column), equal_nan=True)
        assert (in_parts.exact, in_parts.text) == (whole.exact, whole.text)


# --- windows


def test_time_outside_of_windows_counts_for_nothing():
    data = series(samples((0, 0.0), (10, 10.0), (20, None), (30, 30.0), (40, 40.0)))
    parts = windows((0, 0, 5), (0, 30, 40))
    asked = {"windows": parts}
    assert results(ask(data, intervals((0, 40)), "DurationGood", **asked)) == [(15_000.0, "Good", "C")]
    assert results(ask(data, intervals((0, 40)), "PercentGood", **asked)) == [(100.0, "Good", "C")]
    assert results(ask(data, intervals((0, 40)), "Count", **asked)) == [(2.0, "Good", "C")]
    average = ask(data, intervals((0, 40)), "TimeAverage2", **asked)
    assert average.value[0] == pytest.approx((5 * 2.5 + 10 * 35) / 15)
    assert results(ask(data, intervals((0, 40)), "StartBound", **asked)) == [(0.0, "Good", "")]
    assert results(ask(data, intervals((0, 40)), "EndBound", **asked)) == [(40.0, "Good", "C")]


def test_a_row_without_windows_has_no_data():
    data = series(samples((0, 0.0), (10, 10.0)))
    rows = ask(data, every(0, 10, 5), "TimeAverage", windows=windows((1, 6, 8)))
    assert results(rows) == [(None, "BadNoData", ""), (7.0, "Good", "C")]


# --- exact values and text


def test_large_whole_numbers_are_compared_exactly():
    data = series(samples((0, 2**60 + 1), (1, 2**60 + 3), (2, 2**60 + 2), (3, 2**60 + 3), (4, 2**60 + 1)), stepped=True)
    what = intervals((0, 5))
    highest, lowest = ask(data, what, "Maximum"), ask(data, what, "MinimumActualTime")
    assert highest.exact == {0: 2**60 + 3}
    assert results(highest)[0][2] == "CPM"
    assert lowest.exact == {0: 2**60 + 1}
    assert lowest.time_us[0] == 0
    assert ask(data, what, "Range").value[0] == 2.0
    assert ask(data, what, "NumberOfTransitions").value[0] == 5
    assert ask(data, intervals((0, 3)), "Delta").value[0] == 1.0
    assert ask(data, intervals((0, 3)), "DeltaBounds").value[0] == 2.0
    assert ask(data, intervals((0, 3)), "End").exact == {0: 2**60 + 2}


def test_text_is_held_and_counted_but_not_computed_with():
    data = series(samples((0, "closed"), (10, "open"), (20, "open"), (30, "closed")), stepped=True)
    what = intervals((5, 30))
    assert ask(data, what, "Interpolative").text == {0: "closed"}
    assert ask(data, what, "EndBound").text == {0: "closed"}
    assert ask(data, what, "Start").text == {0: "open"}
    assert results(ask(data, what, "NumberOfTransitions")) == [(1.0, "Good", "C")]
    assert results(ask(data, what, "Count")) == [(2.0, "Good", "C")]
    assert results(ask(data, what, "PercentGood")) == [(100.0, "Good", "C")]
    assert results(ask(data, what, "TimeAverage")) == [(None, "BadNoData", "")]


# --- extreme values


@pytest.mark.parametrize("name", ["TimeAverage", "TimeAverage2", "Average", "Interpolative", "StandardDeviationSample"])
def test_sums_beyond_the_range_of_a_double_are_no_obstacle(name):
    data = series(samples((0, 1.5e308), (3600, 1.5e308), (7200, 1.5e308)))
    wanted = 0.0 if name.startswith("Standard") else 1.5e308
    assert ask(data, intervals((0, 7200)), name).value[0] == pytest.approx(wanted)


def test_a_total_beyond_the_range_of_a_double_is_bad():
    data = series(samples((0, 1.5e308), (3600, 1.5e308)))
    assert results(ask(data, intervals((0, 3600)), "Total")) == [(None, "BadOutOfRange", "C")]


@pytest.mark.parametrize("value", [5e-324, 2.5e-310, -0.0, 1e-300])
def test_the_least_numbers_survive(value):
    data = series(samples((0, value), (10, value)))
    for name in ("TimeAverage", "TimeAverage2", "Average", "Minimum", "StartBound"):
        assert ask(data, intervals((0, 10)), name).value[0] == pytest.approx(value, rel=1e-9, abs=0), name


def test_a_year_is_summed_without_losing_digits():
    count = 400_000
    data = series([(float(second), 0.1, 0) for second in range(count)])
    assert ask(data, intervals((0, count - 1)), "TimeAverage").value[0] == pytest.approx(0.1, rel=1e-15)
    assert ask(data, intervals((0, count)), "Average").value[0] == pytest.approx(0.1, rel=1e-14)


# --- asking


def test_notes_are_counted_where_there_are_no_data_too():
    notes = Notes(np.array([0, 3]), np.array([1, 1, 25]) * 1_000_000)
    rows = ask(series(samples((0, 1.0), (10, 1.0))), every(0, 40, 10), "AnnotationCount", notes=notes)
    assert results(rows) == [(2.0, "Good", "C"), (0.0, "Good", "CP"), (1.0, "Good", "C"), (None, "BadNoData", "")]


def test_the_status_of_a_sample_is_kept_with_its_bits():
    data = series([(0, 1.0, 0x00000408), (10, 2.0, 0x40900000), (20, None, 0x80310000)])
    options = AggregateOptions(treat_uncertain_as_bad=False)
    assert ask(data, intervals((0, 5)), "Start", options).status[0] == 0x00000408
    assert ask(data, intervals((10, 15)), "Interpolative", options).status[0] == 0x40900000
    assert ask(data, intervals((0, 30)), "End", options).status[0] == 0x80310404
    assert ask(data, intervals((0, 30)), "WorstQuality", options).value[0] == 0x80310000


@pytest.mark.parametrize("stepped", [True, False])
def test_the_question_may_say_how_values_run(stepped):
    data = series(samples((0, 0.0), (10, 10.0)), stepped=not stepped)
    options = AggregateOptions(stepped=stepped)
    assert ask(data, intervals((5, 10)), "Interpolative", options).value[0] == (0.0 if stepped else 5.0)


def test_a_share_of_bad_time_makes_a_result_uncertain_or_bad():
    data = series(samples((0, 1.0), (10, None), (14, 1.0), (20, 1.0)), stepped=True)
    what = intervals((0, 20))
    doubtful = "UncertainDataSubNormal"
    for good, bad, wanted in ((100, 100, doubtful), (80, 40, "Good"), (90, 20, "Bad"), (90, 10, doubtful)):
        options = AggregateOptions(percent_good=good, percent_bad=bad)
        value = None if wanted == "Bad" else 1.0
        assert results(ask(data, what, "TimeAverage2", options)) == [(value, wanted, "C")]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"got 'TimeAvrage', wanted a name of OPC 10000-13 \(near: TimeAverage\)"):
        ask(series(samples((0, 1.0))), intervals((0, 10)), "TimeAvrage")


@pytest.mark.parametrize(("good", "bad"), [(40, 50), (101, 100), (100, -1), (float("nan"), 100)])
def test_limits_that_contradict_each_other_are_refused(good, bad):
    with pytest.raises(UsageError, match="BadAggregateInvalidInputs"):
        AggregateOptions(percent_good=good, percent_bad=bad)


def test_a_sample_of_the_reserved_severity_is_bad():
    data = series([(0, 1.0, 0), (10, None, 0xC0000000), (20, 1.0, 0)], stepped=True)
    assert results(ask(data, intervals((0, 20)), "PercentBad")) == [(50.0, "Good", "C")]
    assert BAD < 0xC0000000
