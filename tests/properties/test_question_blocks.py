"""An answer in blocks is the answer at once: a few samples a block, for every question that is asked in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.blocks import in_blocks
from historian.retrieval.questions.counter import CounterRules, counter
from historian.retrieval.questions.percentiles import percentiles
from historian.retrieval.questions.round_trip import round_trip
from historian.retrieval.questions.spans import Spans
from historian.retrieval.questions.stretches import cut_at
from historian.retrieval.questions.time_in_state import time_in_state
from historian.retrieval.questions.time_weighted import slopes
from historian.retrieval.questions.totalize import totalize
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows
from properties.question_reference import tags
from support.examples import examples
from support.series_of import Tag, series_of

QUESTIONS = {
    "totalize": lambda *part: totalize(cut_at(*part), "second"),
    "slopes": lambda *part: slopes(cut_at(*part), "second"),
    "percentiles": lambda *part: percentiles(cut_at(*part), [50, 90]),
    "counter": lambda *part: counter(*part, CounterRules(rollover=100)),
    "time_in_state": time_in_state,
    "round_trip": round_trip,
}


@st.composite
def windows_of_all_kinds(draw: st.DrawFn) -> tuple[Windows, int]:
    """Intervals side by side, in either direction, or any; whole, or what a condition leaves of them."""
    if draw(st.booleans()):
        edges = np.arange(draw(st.integers(-5, 20)), 70, draw(st.integers(1, 9)))
        intervals = Intervals(edges[:-1], edges[1:])
    else:
        starts = np.array(draw(st.lists(st.integers(-5, 65), min_size=1, max_size=9)), np.int64)
        intervals = Intervals(starts, starts + draw(st.integers(1, 30)))
    if draw(st.booleans()):
        intervals = Intervals(intervals.start_us[::-1], intervals.end_us[::-1], reverse=True)
    if draw(st.booleans()):
        return Windows.whole(intervals), len(intervals)
    begins = np.array(sorted(draw(st.sets(st.integers(-5, 65), max_size=20))), np.int64)
    return Spans.of(begins, begins + 2).windows_of(intervals), len(intervals)


def few_states(tag: Tag) -> Tag:
    return Tag([(at, None if v is None else v % 3, *status) for at, v, *status in tag.samples], tag.stepped, tag.known)


def columns(answer: object, series: Series) -> Iterator[np.ndarray]:
    """All columns of an answer; of a row, which may be any in its state, the value."""
    if isinstance(answer, tuple):
        for part in answer:
            yield from columns(part, series)
        return
    for field in fields(answer):
        column = getattr(answer, field.name)
        if is_dataclass(column):
            yield from columns(column, series)
        elif field.name == "row" and len(column):
            yield np.append(series.value, np.nan)[column]
        else:
            yield column


@pytest.mark.parametrize("name", QUESTIONS)
@settings(max_examples=examples(30), deadline=None)
@given(
    group=st.lists(tags(most=30).map(few_states), min_size=1, max_size=4),
    asked=windows_of_all_kinds(),
    block=st.integers(1, 12),
)
def test_an_answer_in_blocks_is_the_answer_at_once(name, group, asked, block):
    series = series_of(*group, unit=1)
    at_once, in_parts = QUESTIONS[name](series, *asked), in_blocks(series, *asked, QUESTIONS[name], block=block)
    for one, other in zip(columns(at_once, series), columns(in_parts, series), strict=True):
        if np.issubdtype(one.dtype, np.integer):
            assert np.array_equal(one, other)
        else:
            assert one == pytest.approx(other, rel=1e-9, abs=1e-9, nan_ok=True)


def test_texts_and_large_numbers_are_found_in_their_blocks():
    text = Tag([(at, "abc"[at % 3]) for at in range(30)], known=30)
    large = Tag([(at, 2**53 + at * at) for at in range(30)], stepped=True, known=30)
    series = series_of(text, large)
    edges = np.arange(0, 31, 5) * 1_000_000
    windows = Windows.whole(Intervals(edges[:-1], edges[1:]))
    for question in (time_in_state, round_trip, counter):
        at_once, in_parts = question(series, windows, 6), in_blocks(series, windows, 6, question, block=4)
        for one, other in zip(columns(at_once, series), columns(in_parts, series), strict=True):
            assert np.array_equal(one, other, equal_nan=one.dtype == np.float64)
        if question is time_in_state:
            assert [said(series, row) for row in at_once.row] == [said(series, row) for row in in_parts.row]


def said(series: Series, row: int) -> object:
    return series.text.get(row, series.exact.get(row, row))
