"""Values at instants and the points of trends, against the slow way to the same."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.model.status import BAD_NO_DATA, GOOD, INTERPOLATED, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.questions.interpolated import interpolated
from historian.retrieval.questions.plot import plot
from properties.question_reference import Piece, pieces, tags
from support.examples import examples
from support.series_of import Tag, series_of

GRID = np.arange(-2, 64, dtype=np.int64)


def value_and_status(tag: Tag, at: int) -> tuple[Fraction | None, int]:
    for sample in tag.samples:
        if sample[0] == at and sample[1] is not None:
            return Fraction(sample[1]), (*sample, GOOD)[2]
    last = max((sample[0] for sample in tag.samples), default=None)
    for piece in pieces(tag):
        is_last = piece.start == last
        if piece.start <= at < piece.end or (is_last and at == piece.end):
            value = piece.first if piece.start == piece.end else piece.value(at)
            status = GOOD if piece.is_sure else UNCERTAIN_DATA_SUB_NORMAL
            return (None, BAD_NO_DATA) if value is None else (value, status | INTERPOLATED)
    return None, BAD_NO_DATA


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(tags(), min_size=1, max_size=3))
def test_interpolated_values_are_those_of_the_definition(all_tags):
    found = interpolated(series_of(*all_tags, unit=1), GRID)
    wanted = [value_and_status(tag, at) for tag in all_tags for at in GRID.tolist()]
    assert found.status.tolist() == [status for _, status in wanted]
    for value, (exact, _) in zip(found.value.tolist(), wanted, strict=True):
        assert value == pytest.approx(float(exact), rel=1e-12, abs=1e-9) if exact is not None else np.isnan(value)


# Pictures -------------------------------------------------------------------------------------------------------------


def strokes(tag: Tag) -> list[Piece]:
    """The parts of the line as a pen draws them: with the upright of a step, and a dot for a sample by itself."""
    drawn = []
    parts = list(pieces(tag))
    for number, piece in enumerate(parts):
        if piece.first is None:
            continue
        drawn.append(piece)
        following = parts[number + 1] if number + 1 < len(parts) else None
        if following is not None and following.first is not None:
            drawn.append(Piece(piece.end, piece.end, piece.last, following.first, piece.is_sure, piece.status))
    return drawn


def picture(tag: Tag, start: int, end: int, pixels: int) -> list[tuple[Fraction, Fraction] | None]:
    """Lowest and highest value drawn in each column, None for an empty one."""
    edges = [start + Fraction(column * (end - start), pixels) for column in range(pixels + 1)]
    columns = []
    for low, high in itertools.pairwise(edges):
        inside = [value for stroke in strokes(tag) for value in extent(stroke, low, high)]
        columns.append((min(inside), max(inside)) if inside else None)
    return columns


def extent(stroke: Piece, low: Fraction, high: Fraction) -> list[Fraction]:
    """The values at the ends of the part of ``stroke`` in [low, high), which a line comes as near to as one likes."""
    if stroke.start == stroke.end:
        return [stroke.first, stroke.last] if low <= stroke.start < high else []
    begin, stop = max(low, stroke.start), min(high, stroke.end)
    return [stroke.value(begin), stroke.value(stop)] if begin < stop else []


@settings(max_examples=examples(120), deadline=None)
@given(tags(most=40), st.integers(-2, 30), st.integers(1, 40), st.integers(1, 12))
def test_the_points_of_a_trend_draw_the_line_of_all_samples(tag, start, length, pixels):
    found = plot(series_of(tag, unit=1), start, start + length, pixels)
    held = np.flatnonzero(found.status & INTERPOLATED == INTERPOLATED)
    points = [
        (int(at), None if np.isnan(value) else int(value), int(status))
        for at, value, status in zip(found.time_us, found.value, found.status, strict=True)
    ]
    known = points.pop()[0] if len(held) else None
    chosen = Tag(points, tag.stepped, known)
    assert picture(chosen, start, start + length, pixels) == picture(tag, start, start + length, pixels)
    # Each column has four points and the Bad ones that part them at the most.
    columns = (found.time_us - start) * pixels // length
    assert max(np.unique_counts(columns).counts, default=0) <= 8
    assert len(set(points)) == len(points)
