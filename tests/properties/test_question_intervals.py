"""Questions that weigh values by time, count or tell states apart, against the slow way to the same."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.conditions import while_value
from historian.retrieval.questions.counter import CounterRules, counter
from historian.retrieval.questions.gaps import gaps
from historian.retrieval.questions.percentiles import percentiles
from historian.retrieval.questions.spans import Spans
from historian.retrieval.questions.stretches import cut_at
from historian.retrieval.questions.time_in_state import time_in_state
from historian.retrieval.questions.time_weighted import slopes, standard_deviation, time_average
from historian.retrieval.questions.totalize import totalize
from historian.retrieval.windows import Windows
from properties.question_reference import Piece, cut_pieces, pieces, tags
from support.examples import examples
from support.series_of import Tag, series_of

spans = st.lists(st.tuples(st.integers(-5, 65), st.integers(1, 40)), min_size=1, max_size=5)
all_tags = st.lists(tags(), min_size=1, max_size=3)


def intervals_of(pairs) -> Intervals:
    starts = np.array([start for start, _ in pairs], np.int64)
    return Intervals(starts, starts + np.array([length for _, length in pairs], np.int64))


def good_pieces(tag: Tag, start: int, end: int) -> list[Piece]:
    return [piece for piece in cut_pieces(tag, start, end) if piece.first is not None]


def integral(parts: list[Piece], power: int = 1) -> Fraction:
    """Of the value, or of its square, over all of ``parts``."""
    total = Fraction(0)
    for part in parts:
        length, a, b = part.end - part.start, part.first, part.last
        total += length * (a + b) / 2 if power == 1 else length * (a * a + a * b + b * b) / 3
    return total


def same(found: float, wanted: Fraction | float | None) -> bool:
    return np.isnan(found) if wanted is None else found == pytest.approx(float(wanted), rel=1e-9, abs=1e-9)


@settings(max_examples=examples(80), deadline=None)
@given(all_tags, spans)
def test_totals_averages_and_deviations(group, pairs):
    cut = cut_at(series_of(*group, unit=1), Windows.whole(intervals_of(pairs)), len(pairs))
    totals, means, deviations = totalize(cut, "second"), time_average(cut), standard_deviation(cut)
    rows = [(tag, start, start + length) for tag in group for start, length in pairs]
    for row, (tag, start, end) in enumerate(rows):
        parts = good_pieces(tag, start, end)
        good = sum(part.end - part.start for part in parts)
        assert totals.percent_good[row] == pytest.approx(100 * good / (end - start))
        if not parts:
            assert np.isnan([totals.value[row], means.value[row], deviations.value[row]]).all()
            continue
        mean = integral(parts) / good
        variance = integral(parts, power=2) / good - mean**2
        assert same(totals.value[row] * 1e6, integral(parts))
        assert same(means.value[row], mean)
        assert deviations.value[row] == pytest.approx(float(variance) ** 0.5, rel=1e-9, abs=1e-6)


@settings(max_examples=examples(80), deadline=None)
@given(tags(), spans)
def test_fitted_slopes_have_the_least_squares(tag, pairs):
    cut = cut_at(series_of(tag, unit=1), Windows.whole(intervals_of(pairs)), len(pairs))
    found = slopes(cut, "second").fitted
    for row, (start, length) in enumerate(pairs):
        parts = good_pieces(tag, start, start + length)
        assert same(found.value[row] / 1e6, least_squares(parts) if parts else None)


def least_squares(parts: list[Piece]) -> Fraction:
    """(m0 m(tv) - m(t) m(v)) / (m0 m(tt) - m(t)^2) with the moments m as integrals over ``parts``."""
    length = t1 = t2 = tv = Fraction(0)
    for part in parts:
        a, b, v, w = Fraction(part.start), Fraction(part.end), part.first, part.last
        length += b - a
        t1 += (b * b - a * a) / 2
        t2 += (b**3 - a**3) / 3
        tv += (b - a) * (2 * a * v + 2 * b * w + a * w + b * v) / 6
    return (length * tv - t1 * integral(parts)) / (length * t2 - t1 * t1)


@settings(max_examples=examples(80), deadline=None)
@given(tags(), spans, st.integers(0, 20))
def test_percentiles_have_that_share_of_time_at_or_below_them(tag, pairs, twentieths):
    cut = cut_at(series_of(tag, unit=1), Windows.whole(intervals_of(pairs)), len(pairs))
    found = percentiles(cut, [5 * twentieths])[0]
    for row, (start, length) in enumerate(pairs):
        parts = good_pieces(tag, start, start + length)
        assert same(found.value[row], percentile(parts, Fraction(twentieths, 20)) if parts else None)


def share_below(parts: list[Piece], value: Fraction) -> Fraction:
    """The time at or below ``value``."""
    total = Fraction(0)
    for part in parts:
        low, high = min(part.first, part.last), max(part.first, part.last)
        share = Fraction(value >= low) if low == high else (value - low) / (high - low)
        total += (part.end - part.start) * min(max(share, Fraction(0)), Fraction(1))
    return total


def percentile(parts: list[Piece], share: Fraction) -> Fraction:
    """Smallest value with that share: at an end of a piece, or on the straight line between two of them."""
    target = share * sum(part.end - part.start for part in parts)
    ends = sorted({end for part in parts for end in (part.first, part.last)})
    upper = next(end for end in ends if share_below(parts, end) >= target)
    if upper == ends[0]:
        return upper
    lower = max(end for end in ends if end < upper)
    jump = sum(part.end - part.start for part in parts if part.first == part.last == upper)
    low, high = share_below(parts, lower), share_below(parts, upper) - jump
    return upper if high <= low else min(lower + (target - low) / (high - low) * (upper - lower), upper)


counts = st.lists(
    st.tuples(st.integers(1, 6), st.one_of(st.integers(0, 30), st.none()), st.sampled_from(["on", "on", "reset"])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=examples(80), deadline=None)
@given(counts, st.booleans(), spans)
def test_counters_count_what_was_counted(steps, stepped, pairs):
    """A counter to 100 is driven: each step waits, and counts, has a fault, or is set to any number."""
    at, shown, samples, counted = 0, 50, [(0, 50)], []
    for wait, amount, how in steps:
        before, at = samples[-1], at + wait
        if amount is None:
            samples.append((at, None))
            continue
        last_shown, shown = shown, amount if how == "reset" else (shown + amount) % 100
        samples.append((at, shown))
        gained = shown - last_shown
        is_reset = gained < 0 and gained + 100 > 50
        if gained < 0:
            gained = shown if is_reset else gained + 100
        counted.append((before[0], at, gained, before[1] is not None and not stepped and not is_reset))
    found = counter(
        series_of(Tag(samples, stepped), unit=1),
        Windows.whole(intervals_of(pairs)),
        len(pairs),
        CounterRules(rollover=100),
    )
    for row, (start, length) in enumerate(pairs):
        wanted = Fraction(0)
        for begin, end, gained, is_even in counted:
            inside = max(0, min(end, start + length) - max(begin, start))
            wanted += Fraction(gained * inside, end - begin) if is_even else gained * (start < end <= start + length)
        value = found.delta.value[row]
        assert np.isnan(value) or same(value, wanted)
        assert not np.isnan(value) or (wanted == 0 and not good_pieces(Tag(samples, stepped), start, start + length))


@settings(max_examples=examples(60), deadline=None)
@given(tags(), spans)
def test_time_in_state_is_the_length_of_its_pieces(tag, pairs):
    tag = Tag(
        [(at, None if value is None else value % 3, *status) for at, value, *status in tag.samples], True, tag.known
    )
    series = series_of(tag, unit=1)
    found = time_in_state(series, Windows.whole(intervals_of(pairs)), len(pairs))
    wanted = defaultdict(int)
    for row, (start, length) in enumerate(pairs):
        wanted[row, None] = length
        for piece in good_pieces(tag, start, start + length):
            wanted[row, piece.first] += piece.end - piece.start
            wanted[row, None] -= piece.end - piece.start
    states = [None if row < 0 else series.value[row] for row in found.row.tolist()]
    answered = dict(zip(zip(found.answer.tolist(), states, strict=True), found.duration_us.tolist(), strict=True))
    assert answered == {key: duration for key, duration in wanted.items() if duration}
    assert sum(found.entries) <= len(tag.samples) * len(pairs)


COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@settings(max_examples=examples(80), deadline=None)
@given(tags(), st.sampled_from([*COMPARE, "=", "<>"]), st.integers(-4, 4))
def test_conditions_hold_just_where_the_value_compares_so(tag, comparison, limit):
    found = while_value(series_of(tag, unit=1), comparison, limit)
    holds = found.contain(np.arange(-2, 64)).tolist()
    for at, answer in zip(range(-2, 64), holds, strict=True):
        piece = next((piece for piece in pieces(tag) if piece.start <= at < piece.end), None)
        value = None if piece is None else piece.value(at)
        if value is None:
            assert not answer
        elif comparison in COMPARE:
            assert answer == COMPARE[comparison](value, limit)
        else:
            assert answer == ((piece.first == piece.last == limit) == (comparison == "="))


@settings(max_examples=examples(60), deadline=None)
@given(tags(), st.integers(-2, 30), st.integers(1, 40))
def test_gaps_are_where_no_piece_has_a_value(tag, start, length):
    found = gaps(series_of(tag, unit=1), start, start + length)
    inside = Spans.of(found.start_us, found.end_us).contain(np.arange(start, start + length))
    known = [any(good_pieces(tag, at, at + 1)) for at in range(start, start + length)]
    assert (~inside).tolist() == known
    assert all(end <= begin for end, begin in pairwise_gaps(found))


def pairwise_gaps(found):
    return [(one[1], other[0]) for one, other in pairwise(zip(found.start_us, found.end_us, strict=True))]


sets = st.sets(st.integers(0, 40))


@settings(max_examples=examples(60), deadline=None)
@given(sets, sets, spans)
def test_spans_combine_as_sets_of_instants(one, other, pairs):
    first, second = (
        Spans.of(np.array(sorted(each), np.int64), np.array(sorted(each), np.int64) + 1) for each in (one, other)
    )
    instants = np.arange(-5, 60)
    assert set(instants[first.both(second).contain(instants)]) == one & other
    assert set(instants[first.either(second).contain(instants)]) == one | other
    assert set(instants[first.outside(-5, 60).contain(instants)]) == set(instants.tolist()) - one
    windows = first.windows_of(intervals_of(pairs))
    for row, (start, length) in enumerate(pairs):
        mine = windows.row == row
        assert set(range(start, start + length)) & one == {
            at
            for low, high in zip(windows.start_us[mine], windows.end_us[mine], strict=True)
            for at in range(low, high)
        }
