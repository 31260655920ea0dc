"""Aggregates in arrays give what the plain reference gives: value, status, bits and time of every row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.model.status import CALCULATED, INTERPOLATED, MULTIPLE_VALUES, PARTIAL
from historian.retrieval.aggregates import NAMES, AggregateOptions, AggregateRows, Notes, Windows, aggregate, runs
from historian.retrieval.intervals import Intervals
from historian.retrieval.series import Series
from properties import aggregate_reference, aggregate_row
from support.examples import examples

LONGEST = 24
UNIT = math.lcm(*range(1, LONGEST + 1))
"""Values are multiples of this and times small, so that every value between two samples is a whole number: whether a
bound equals a sample then does not hang on the last digit."""

BITS = {
    aggregate_row.CALCULATED: CALCULATED,
    aggregate_row.INTERPOLATED: INTERPOLATED,
    aggregate_row.PARTIAL: PARTIAL,
    aggregate_row.MULTIPLE: MULTIPLE_VALUES,
}
STATUSES = (0, 0, 0, 0x00A40000, 0x40000000, 0x40900000, 0x80000000, 0x80310000, 0xC0000000)


@dataclass(frozen=True)
class Tag:
    samples: tuple[aggregate_row.Sample, ...]
    stepped: bool
    known: int
    notes: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    tags: tuple[Tag, ...]
    intervals: tuple[tuple[int, int], ...]
    windows: tuple[tuple[tuple[int, int], ...], ...] | None
    reverse: bool
    rules: aggregate_row.Rules
    stepped: bool | None
    block: int

    def rows(self, name: str) -> AggregateRows:
        rules = self.rules
        options = AggregateOptions(
            self.stepped, rules.tuab, rules.percent_good, rules.percent_bad, rules.extrapolate, rules.resolution
        )
        intervals = Intervals(
            whole(low for low, _ in self.intervals), whole(high for _, high in self.intervals), self.reverse
        )
        notes = Notes(
            starts([len(tag.notes) for tag in self.tags]), whole(time for tag in self.tags for time in tag.notes)
        )
        with patch.object(runs, "BLOCK", self.block):
            return aggregate(series_of(self.tags), intervals, [name], options, windows=self.some_windows(), notes=notes)

    def some_windows(self) -> Windows | None:
        if self.windows is None:
            return None
        flat = [(row, *window) for row, windows in enumerate(self.windows) for window in windows]
        return Windows(*(whole(each[column] for each in flat) for column in range(3)))

    def plain_rows(self, name: str) -> list[aggregate_row.Result]:
        found = []
        for tag in self.tags:
            for number, (low, high) in enumerate(self.intervals):
                windows = ((low, high),) if self.windows is None else self.windows[number]
                row = aggregate_row.Row(
                    tag.samples,
                    tag.stepped if self.stepped is None else self.stepped,
                    tag.known,
                    windows,
                    high if self.reverse else low,
                    self.rules,
                    self.reverse,
                    tag.notes,
                )
                found.append(aggregate_reference.aggregate(name, row))
        return found


def whole(numbers) -> np.ndarray:
    return np.array(list(numbers), np.int64)


def starts(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.intp)]).astype(np.intp)


def series_of(tags: tuple[Tag, ...]) -> Series:
    samples = [sample for tag in tags for sample in tag.samples]
    return Series(
        starts([len(tag.samples) for tag in tags]),
        whole(sample.time for sample in samples),
        np.array([math.nan if sample.value is None else float(sample.value) for sample in samples], np.float64),
        np.array([sample.status for sample in samples], np.uint32),
        np.array([tag.stepped for tag in tags], np.bool_),
        whole(tag.known for tag in tags),
        {row: each.value for row, each in enumerate(samples) if is_rounded(each.value)},
    )


def is_rounded(value: float | None) -> bool:
    """True of whole numbers that no double is."""
    return isinstance(value, int) and int(float(value)) != value


TIMES = st.integers(0, LONGEST)


ANY_VALUE = st.integers(-2, 3).map(lambda number: float(UNIT * number))
LARGE = st.sampled_from((2**60 - 1, 2**60, 2**60 + 1, 2**60 + 3, 2**53 + 1, 5, 0, -(2**62) - 1))
"""Whole numbers, most of which share their double with another one."""

OF_LARGE = (
    *("Minimum", "Maximum", "MinimumActualTime", "MaximumActualTime", "Range"),
    *("Minimum2", "Maximum2", "MinimumActualTime2", "MaximumActualTime2", "Range2"),
    *("NumberOfTransitions", "Start", "End", "Delta", "Interpolative", "StartBound", "EndBound", "DeltaBounds"),
)
DIFFERENCES = ("Range", "Range2", "Delta", "DeltaBounds")
OF_SAMPLES = set(OF_LARGE) - {*DIFFERENCES, "NumberOfTransitions"}


@st.composite
def samples(draw, values) -> tuple[aggregate_row.Sample, ...]:
    times = sorted(draw(st.sets(TIMES, max_size=10)))
    all_good = draw(st.booleans())
    found = []
    for time in times:
        status = 0 if all_good else draw(st.sampled_from(STATUSES))
        value = None if status >= 0x80000000 else draw(values)
        found.append(aggregate_row.Sample(time, value, status))
    return tuple(found)


@st.composite
def tag(draw, values) -> Tag:
    found = draw(samples(values))
    known = (found[-1].time if found else 0) + draw(st.sampled_from((0, 0, 1, 5)))
    notes = tuple(sorted(draw(st.lists(TIMES, max_size=3))))
    return Tag(found, draw(st.booleans()), known, notes)


@st.composite
def interval(draw) -> tuple[int, int]:
    low = draw(st.integers(-2, LONGEST + 2))
    return low, low + draw(st.integers(1, 12))


@st.composite
def row_of_intervals(draw) -> tuple[tuple[int, int], ...]:
    if draw(st.booleans()):
        return tuple(draw(st.lists(interval(), min_size=1, max_size=4)))
    start, length, count = draw(st.integers(-3, 8)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    return tuple((start + number * length, start + (number + 1) * length) for number in range(count))


@st.composite
def windows_in(draw, low: int, high: int) -> tuple[tuple[int, int], ...]:
    cuts = sorted(draw(st.sets(st.integers(low, high), max_size=6)))
    return tuple(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def rules(draw) -> aggregate_row.Rules:
    good, bad = draw(st.sampled_from(((100, 100), (50, 50), (60, 100), (70, 30), (80, 40), (100, 0))))
    return aggregate_row.Rules(draw(st.booleans()), good, bad, draw(st.booleans()), draw(st.sampled_from((1, 2))))


ANY_STEPPED = st.sampled_from((None, None, True, False))


@st.composite
def cases(draw, values=ANY_VALUE, stepped=ANY_STEPPED) -> Case:
    intervals = draw(row_of_intervals())
    windows = None
    if draw(st.booleans()):
        windows = tuple(draw(windows_in(low, high)) for low, high in intervals)
    tags = tuple(draw(st.lists(tag(values), min_size=1, max_size=3)))
    block = draw(st.sampled_from((1, 3, runs.BLOCK)))
    return Case(tags, intervals, windows, draw(st.booleans()), draw(rules()), draw(stepped), block)


def check(case: Case, name: str) -> None:
    got, wanted = case.rows(name), case.plain_rows(name)
    assert len(got) == len(wanted)
    for row, want in enumerate(wanted):
        bits = 0
        for bit in want.bits:
            bits |= BITS[bit]
        where = f"{name}, row {row}: wanted {want}, got {got.value[row]}, 0x{got.status[row]:08X}, {got.time_us[row]}"
        if want.value is None:
            assert math.isnan(got.value[row]), where
        elif isinstance(want.value, int) and name in OF_SAMPLES:
            assert got.exact.get(row, got.value[row]) == want.value, where
        else:
            assert got.value[row] == pytest.approx(want.value, rel=1e-12, abs=1e-6), where
        assert got.status[row] == want.status | bits, where
        assert want.time is None or got.time_us[row] == want.time, where


@pytest.mark.parametrize("name", NAMES)
@given(case=cases())
@settings(max_examples=examples(25))
def test_every_row_is_what_the_plain_reference_gives(name, case):
    check(case, name)


@pytest.mark.parametrize("name", OF_LARGE)
@given(case=cases(LARGE, st.just(True)))
@settings(max_examples=examples(25))
def test_large_whole_numbers_are_exact(name, case):
    check(case, name)
