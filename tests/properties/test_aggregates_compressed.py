"""What aggregates say of compressed data is within what the promise of compression leaves open.

Between its samples a signal lies on lines; so does what was stored, and at every sample the two differ by ``comp_dev``
at most.  Two lines that are so near at both ends are so near all the way: values between samples, averages over time,
and extremes that look at the edges of an interval as well, keep the bound; totals keep it times their seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.model.status import Severity, severity
from historian.retrieval.aggregates import AggregateOptions, aggregate
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from properties.compression_lanes import kept_of, scans_of, streamed
from properties.compression_reference import Sample, Settings
from properties.compression_signals import plant_tags
from support.examples import examples

WITHIN = ("Interpolative", "TimeAverage", "TimeAverage2", "Minimum2", "Maximum2")
EQUAL = ("DurationGood", "DurationBad", "PercentGood")
OPTIONS = AggregateOptions(treat_uncertain_as_bad=False)


@dataclass(frozen=True)
class Answers:
    """The values of some aggregates over all intervals, of everything and of what was stored."""

    full: np.ndarray
    stored: np.ndarray

    @classmethod
    def of(cls, name: str, tag: list[Sample], kept: list[Sample], intervals: Intervals) -> Answers:
        return cls(*(aggregate(series(one), intervals, [name], OPTIONS).value for one in (tag, kept)))

    @property
    def apart(self) -> np.ndarray:
        """How far they are apart where both have a value; elsewhere neither has."""
        assert np.array_equal(np.isnan(self.full), np.isnan(self.stored))
        return np.abs(np.nan_to_num(self.full) - np.nan_to_num(self.stored))


def series(samples: list[Sample]) -> Series:
    times = np.array([one.time_us for one in samples], np.int64)
    values = np.array([math.nan if one.value is None else one.value for one in samples])
    status = np.array([one.status for one in samples], np.uint32)
    return Series(np.array([0, len(samples)]), times, values, status, np.array([False]), times[-1:])


def rounding(tag: list[Sample], deviation: float) -> float:
    """A few units in the last place of the largest number in play."""
    return 16 * math.ulp(max([*(abs(one.value) for one in tag if one.value is not None), deviation], default=0.0))


@st.composite
def questions(draw) -> tuple[list[Sample], list[Sample], Intervals, float]:
    tag = draw(plant_tags.filter(bool))
    deviation = draw(st.sampled_from((0.0, 0.1, 0.5, 2.5, 10.0)))
    one = Settings(comp_dev=deviation, look_ahead=draw(st.booleans()))
    kept = (streamed(scans_of([tag]), [one]) if draw(st.booleans()) else kept_of([tag], [one]))[0]
    edge = st.one_of(st.integers(0, tag[-1].time_us), st.sampled_from(tag).map(lambda sample: sample.time_us))
    edges = draw(st.lists(st.tuples(edge, edge).filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=4))
    low, high = zip(*(sorted(pair) for pair in edges), strict=True)
    return tag, kept, Intervals(np.array(low, np.int64), np.array(high, np.int64)), deviation


@settings(max_examples=examples(150), deadline=None)
@given(questions())
def test_values_averages_and_extremes_are_within_the_deviation(question):
    tag, kept, intervals, deviation = question
    for name in WITHIN:
        apart = Answers.of(name, tag, kept, intervals).apart
        assert apart.max() <= deviation + rounding(tag, deviation), name


@settings(max_examples=examples(100), deadline=None)
@given(questions())
def test_totals_are_within_the_deviation_times_their_seconds(question):
    tag, kept, intervals, deviation = question
    seconds = (intervals.end_us - intervals.start_us) / 1e6
    for name in ("Total", "Total2"):
        apart = Answers.of(name, tag, kept, intervals).apart
        assert (apart <= (deviation + rounding(tag, deviation)) * seconds).all(), name


@settings(max_examples=examples(100), deadline=None)
@given(questions())
def test_extremes_of_samples_go_no_further_than_the_scans(question):
    tag, kept, intervals, _ = question
    low, high = (Answers.of(name, tag, kept, intervals) for name in ("Minimum", "Maximum"))
    stored = ~np.isnan(low.stored)
    assert (low.stored[stored] >= low.full[stored]).all()
    assert (high.stored[stored] <= high.full[stored]).all()


@settings(max_examples=examples(100), deadline=None)
@given(questions())
def test_durations_and_quality_lose_nothing(question):
    tag, kept, intervals, _ = question
    for name in EQUAL:
        answers = Answers.of(name, tag, kept, intervals)
        assert np.array_equal(answers.full, answers.stored, equal_nan=True), name
    # A value between two Uncertain samples has a name of its own for that.
    worst = Answers.of("WorstQuality2", tag, kept, intervals)
    severities = [[severity_of(code) for code in codes] for codes in (worst.full, worst.stored)]
    assert severities[0] == severities[1]


def severity_of(code: float) -> Severity | None:
    return None if math.isnan(code) else severity(int(code))
