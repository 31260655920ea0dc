"""The aggregates of OPC 10000-13 in plain Python: one small function each, loops, no arrays.

Slow on purpose and written from the text of the standard alone, so that :mod:`historian.retrieval.aggregates` has
something to be compared with that does not share its way of computing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from properties.aggregate_row import (
    BAD,
    CALCULATED,
    GOOD,
    INTERPOLATED,
    NO_DATA,
    USN,
    Bound,
    Result,
    Row,
    Sample,
)

NOTHING = Result(None, NO_DATA)


def trapezoid(length: int, p: float, q: float) -> Fraction:
    return Fraction(length) * (Fraction(p) + Fraction(q)) / 2


def or_bad(row: Row, value: float, status: int, *bits: str, ties: bool = False) -> Result:
    """A Bad result has no value and keeps its bits."""
    return Result(None if status == BAD else value, status, row.bits(*bits, ties=ties))


def missing(row: Row) -> Result:
    """Some data, but none to be used: only Partial may be set."""
    return Result(None, NO_DATA, frozenset())


# --- the aggregates


def interpolative(row: Row) -> Result:
    if not row.windows:
        return NOTHING
    t = row.windows[-1][1] if row.reverse else row.windows[0][0]
    bound = row.interpolated_bound(t, row.stepped)
    return Result(bound.value, bound.status, frozenset([INTERPOLATED] if bound.interpolated else []))


def good_values(row: Row) -> list[float]:
    return [s.value for s in row.inside() if s.severity == 0]


def average(row: Row) -> Result:
    values = good_values(row)
    if not values:
        return NOTHING
    status = row.percent_values()
    return Result(
        None if status == BAD else float(sum(map(Fraction, values)) / len(values)), status, frozenset([CALCULATED])
    )


def area_over_interpolated_bounds(row: Row) -> tuple[Fraction, int, int] | None:
    area, covered, status = Fraction(0), 0, GOOD
    for low, high in row.windows:
        if row.outside_of_data(low, high):
            continue
        start, end = row.interpolated_bound(low, stepped=False), row.interpolated_bound(high, stepped=False)
        points = [] if start.missing else [(low, start.value)]
        points += [(s.time, s.value) for s in row.points if low < s.time < high and not row.bad(s)]
        points += [] if end.missing else [(high, end.value)]
        for (t, p), (u, q) in pairwise(points):
            area += trapezoid(u - t, p, q)
            covered += u - t
        if start.severity or end.severity:
            status = USN
    if any(s.severity for s in row.inside()):
        status = USN
    return (area, covered, status) if covered else None


def time_average(row: Row) -> Result:
    found = area_over_interpolated_bounds(row)
    if found is None:
        return missing(row)
    area, covered, status = found
    return Result(float(area / covered), status, row.bits(CALCULATED))


def total(row: Row) -> Result:
    found = area_over_interpolated_bounds(row)
    if found is None:
        return missing(row)
    return Result(float(found[0] / 1_000_000), found[2], row.bits(CALCULATED))


def simple_area(row: Row) -> tuple[Fraction, int]:
    usable = [(length, p, q) for length, p, q, kind, _ in row.regions() if kind != 2]
    return sum((trapezoid(*each) for each in usable), Fraction(0)), sum(length for length, _, _ in usable)


def time_average_2(row: Row) -> Result:
    area, length = simple_area(row)
    return or_bad(row, float(area / length), row.percent_time(), CALCULATED) if length else missing(row)


def total_2(row: Row) -> Result:
    area, length = simple_area(row)
    return or_bad(row, float(area / 1_000_000), row.percent_time(), CALCULATED) if length else missing(row)


def extreme(row: Row, pick: Callable, actual_time: bool) -> Result:
    good = [s for s in row.inside() if s.severity == 0]
    if not good:
        return missing(row)
    value = pick(s.value for s in good)
    holders = [s for s in good if s.value == value]
    status = GOOD
    for s in row.inside():
        if row.bad(s) or (s.severity == 1 and pick(s.value, value) != value):
            status = USN
    ties = len(holders) > 1
    if actual_time:
        return Result(value, status, row.bits(ties=ties), holders[0].time)
    raw = holders[0].time == row.time
    return Result(value, status, row.bits(*([] if raw and status == GOOD else [CALCULATED]), ties=ties))


def value_range(row: Row) -> Result:
    values = good_values(row)
    if not values:
        return missing(row)
    status = USN if any(row.bad(s) for s in row.inside()) else GOOD
    return Result(max(values) - min(values), status, row.bits(CALCULATED))


def candidates(row: Row) -> list[tuple[float, int, int, str]]:
    """(value, time when it holds, time that is shown, what it is), oldest first: of bounds and samples."""
    found = []
    for low, high in row.windows:
        if row.outside_of_data(low, high):
            continue
        start, end = row.simple_bound(low), row.simple_bound(high)
        is_sample = start.raw and not row.reverse
        if not start.missing and not is_sample:
            shown = low + row.rules.resolution if row.reverse else low
            found.append((start.value, low, shown, "sample at the end" if start.raw else "bound"))
        found += [
            (s.value, s.time, s.time, "sample") for s in row.samples if row.within(s.time, low, high) and not row.bad(s)
        ]
        is_sample = end.raw and row.reverse
        if not row.stepped and not end.missing and not is_sample:
            shown = high if row.reverse else high - row.rules.resolution
            found.append((end.value, high, shown, "sample at the end" if end.raw else "bound"))
    return found


def extreme_2(row: Row, pick: Callable, actual_time: bool) -> Result:
    found = candidates(row)
    if not found:
        return missing(row)
    value = pick(each[0] for each in found)
    holders = [each for each in found if each[0] == value]
    _, time, shown, kind = holders[0]
    if actual_time:
        bit = [] if kind == "sample" else [INTERPOLATED]
    elif kind == "bound":
        bit = [INTERPOLATED]
    else:
        bit = [] if kind == "sample" and time == row.time else [CALCULATED]
    result = or_bad(row, value, row.percent_time(), *bit, ties=len(holders) > 1)
    return Result(result.value, result.status, result.bits, shown) if actual_time else result


def range_2(row: Row) -> Result:
    values = [each[0] for each in candidates(row)]
    return or_bad(row, max(values) - min(values), row.percent_time(), CALCULATED) if values else missing(row)


def counted(row: Row, count: int) -> Result:
    samples = row.inside()
    if samples and all(row.bad(s) for s in samples):
        return Result(None, BAD, row.bits())
    return or_bad(row, count, row.percent_values(), CALCULATED)


def count(row: Row) -> Result:
    return counted(row, len(good_values(row)))


def annotation_count(row: Row) -> Result:
    number = sum(row.within(t, low, high) for low, high in row.windows for t in row.annotations)
    return NOTHING if row.no_data and not number else Result(number, GOOD, row.bits(CALCULATED))


def duration_in_state(row: Row, wanted: Callable[[float], bool]) -> Result:
    length = sum(length for length, p, _, _, kind in row.regions() if kind == 0 and wanted(p))
    return or_bad(row, length / 1000, row.percent_time(), CALCULATED)


def number_of_transitions(row: Row) -> Result:
    usable = [s for s in row.samples if not row.bad(s)]
    transitions = 0
    for s in row.inside():
        if not row.bad(s):
            previous = [each for each in usable if each.time < s.time]
            transitions += not previous or previous[-1].value != s.value
    return counted(row, transitions)


def edge_sample(row: Row, place: int) -> Result:
    samples = row.inside()
    if not samples:
        return missing(row)
    return Result(samples[place].value, samples[place].status, row.bits(), samples[place].time)


def delta(row: Row) -> Result:
    samples, values = row.inside(), good_values(row)
    if not values:
        return missing(row)
    status = USN if samples[0].severity or samples[-1].severity else GOOD
    return Result(values[-1] - values[0], status, row.bits(CALCULATED))


def edge_bounds(row: Row) -> tuple[Bound, Bound]:
    low, high = row.simple_bound(row.windows[0][0]), row.simple_bound(row.windows[-1][1])
    return (high, low) if row.reverse else (low, high)


def start_bound(row: Row) -> Result:
    bound = edge_bounds(row)[0]
    return Result(bound.value, bound.status, row.bits(*([INTERPOLATED] if bound.interpolated else [])))


def end_bound(row: Row) -> Result:
    bound = edge_bounds(row)[1]
    return Result(bound.value, bound.status, row.bits(*([] if bound.missing else [CALCULATED])))


def delta_bounds(row: Row) -> Result:
    start, end = edge_bounds(row)
    if start.missing or end.missing:
        return Result(None, NO_DATA, row.bits())
    status = USN if start.severity or end.severity else GOOD
    return Result(end.value - start.value, status, row.bits(CALCULATED))


def duration(row: Row, wanted: int) -> Result:
    length = sum(length for length, *_, kind in row.regions() if kind == wanted)
    return Result(length / 1000, GOOD, row.bits(CALCULATED))


def percent(row: Row, wanted: int) -> Result:
    width = sum(length for length, *_ in row.regions())
    length = sum(length for length, *_, kind in row.regions() if kind == wanted)
    return Result(100 * length / width, GOOD, row.bits(CALCULATED))


def worst_of(row: Row, codes: list[int]) -> Result:
    if not codes:
        return missing(row)
    severities = [min(code >> 30, 2) for code in codes]
    worst = max(severities)
    ties = worst > 0 and severities.count(worst) > 1
    return Result(codes[severities.index(worst)], GOOD, row.bits(CALCULATED, ties=ties))


def worst_quality(row: Row) -> Result:
    return worst_of(row, [s.status for s in row.inside()])


def worst_quality_2(row: Row) -> Result:
    def really_bad(s: Sample) -> bool:
        return s.severity == 2

    codes = []
    for low, high in row.windows:
        if not row.outside_of_data(low, high):
            codes.append(row.simple_bound(low, really_bad).status)
            codes += [s.status for s in row.samples if low < s.time < high]
            codes.append(row.simple_bound(high, really_bad).status)
    return worst_of(row, codes)


def spread(row: Row, sample: bool, root: bool) -> Result:
    values = [Fraction(value) for value in good_values(row)]
    if not values:
        return missing(row)
    mean = sum(values) / len(values)
    divisor = max(len(values) - 1, 1) if sample else len(values)
    variance = float(sum((value - mean) ** 2 for value in values) / divisor)
    status = USN if any(s.severity for s in row.inside()) else GOOD
    return Result(math.sqrt(variance) if root else variance, status, row.bits(CALCULATED))


AGGREGATES: dict[str, Callable[[Row], Result]] = {
    "Interpolative": interpolative,
    "Average": average,
    "TimeAverage": time_average,
    "TimeAverage2": time_average_2,
    "Total": total,
    "Total2": total_2,
    "Minimum": lambda row: extreme(row, min, actual_time=False),
    "Maximum": lambda row: extreme(row, max, actual_time=False),
    "MinimumActualTime": lambda row: extreme(row, min, actual_time=True),
    "MaximumActualTime": lambda row: extreme(row, max, actual_time=True),
    "Range": value_range,
    "Minimum2": lambda row: extreme_2(row, min, actual_time=False),
    "Maximum2": lambda row: extreme_2(row, max, actual_time=False),
    "MinimumActualTime2": lambda row: extreme_2(row, min, actual_time=True),
    "MaximumActualTime2": lambda row: extreme_2(row, max, actual_time=True),
    "Range2": range_2,
    "AnnotationCount": annotation_count,
    "Count": count,
    "DurationInStateZero": lambda row: duration_in_state(row, lambda value: value == 0),
    "DurationInStateNonZero": lambda row: duration_in_state(row, lambda value: value != 0),
    "NumberOfTransitions": number_of_transitions,
    "Start": lambda row: edge_sample(row, 0),
    "End": lambda row: edge_sample(row, -1),
    "Delta": delta,
    "StartBound": start_bound,
    "EndBound": end_bound,
    "DeltaBounds": delta_bounds,
    "DurationGood": lambda row: duration(row, 0),
    "DurationBad": lambda row: duration(row, 2),
    "PercentGood": lambda row: percent(row, 0),
    "PercentBad": lambda row: percent(row, 2),
    "WorstQuality": worst_quality,
    "WorstQuality2": worst_quality_2,
    "StandardDeviationSample": lambda row: spread(row, sample=True, root=True),
    "StandardDeviationPopulation": lambda row: spread(row, sample=False, root=True),
    "VarianceSample": lambda row: spread(row, sample=True, root=False),
    "VariancePopulation": lambda row: spread(row, sample=False, root=False),
}


def aggregate(name: str, row: Row) -> Result:
    """What ``name`` gives for ``row``."""
    if row.no_data and name not in {"Interpolative", "AnnotationCount"}:
        return NOTHING
    return AGGREGATES[name](row)
