"""The 37 aggregates of OPC 10000-13 by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from historian.retrieval.aggregates import (
    bounded_extremes,
    counts,
    durations,
    edges,
    quality,
    sample_extremes,
    statistics,
    time_weighted,
)
from historian.retrieval.aggregates.answer import Answer
from historian.retrieval.aggregates.question import Question


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How to answer, and what for.

    ``of_numbers``: it computes with values, so that samples without a number (text) are bad for it.  ``always``: it
    answers also where no data are known.  ``degree``: how its value grows with that of the samples, 0 where not.
    """

    answer: Callable[[Question], Answer]
    of_numbers: bool = True
    always: bool = False
    degree: int = 1


CATALOGUE: Final[Mapping[str, Aggregate]] = {
    "Interpolative": Aggregate(edges.interpolative, of_numbers=False, always=True),
    "Average": Aggregate(statistics.average),
    "TimeAverage": Aggregate(time_weighted.time_average),
    "TimeAverage2": Aggregate(time_weighted.time_average_2),
    "Total": Aggregate(time_weighted.total),
    "Total2": Aggregate(time_weighted.total_2),
    "Minimum": Aggregate(sample_extremes.minimum),
    "Maximum": Aggregate(sample_extremes.maximum),
    "MinimumActualTime": Aggregate(sample_extremes.minimum_actual_time),
    "MaximumActualTime": Aggregate(sample_extremes.maximum_actual_time),
    "Range": Aggregate(sample_extremes.value_range),
    "Minimum2": Aggregate(bounded_extremes.minimum_2),
    "Maximum2": Aggregate(bounded_extremes.maximum_2),
    "MinimumActualTime2": Aggregate(bounded_extremes.minimum_actual_time_2),
    "MaximumActualTime2": Aggregate(bounded_extremes.maximum_actual_time_2),
    "Range2": Aggregate(bounded_extremes.range_2),
    "AnnotationCount": Aggregate(counts.annotation_count, of_numbers=False, always=True, degree=0),
    "Count": Aggregate(counts.count, of_numbers=False, degree=0),
    "DurationInStateZero": Aggregate(durations.duration_in_state_zero, degree=0),
    "DurationInStateNonZero": Aggregate(durations.duration_in_state_non_zero, degree=0),
    "NumberOfTransitions": Aggregate(counts.number_of_transitions, of_numbers=False, degree=0),
    "Start": Aggregate(edges.start, of_numbers=False),
    "End": Aggregate(edges.end, of_numbers=False),
    "Delta": Aggregate(edges.delta),
    "StartBound": Aggregate(edges.start_bound, of_numbers=False),
    "EndBound": Aggregate(edges.end_bound, of_numbers=False),
    "DeltaBounds": Aggregate(edges.delta_bounds),
    "DurationGood": Aggregate(durations.duration_good, of_numbers=False, degree=0),
    "DurationBad": Aggregate(durations.duration_bad, of_numbers=False, degree=0),
    "PercentGood": Aggregate(durations.percent_good, of_numbers=False, degree=0),
    "PercentBad": Aggregate(durations.percent_bad, of_numbers=False, degree=0),
    "WorstQuality": Aggregate(quality.worst_quality, of_numbers=False, degree=0),
    "WorstQuality2": Aggregate(quality.worst_quality_2, of_numbers=False, degree=0),
    "StandardDeviationSample": Aggregate(statistics.standard_deviation_sample),
    "StandardDeviationPopulation": Aggregate(statistics.standard_deviation_population),
    "VarianceSample": Aggregate(statistics.variance_sample, degree=2),
    "VariancePopulation": Aggregate(statistics.variance_population, degree=2),
}
"""In the order of the standard, under its names."""

NAMES: Final = tuple(CATALOGUE)
