"""Raw reads: OPC UA Part 11's table of bounds, limits and directions, and the boundaries people ask for."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from historian.errors import UsageError
from historian.model.status import BAD_BOUND_NOT_FOUND, BAD_NO_DATA, GOOD, INTERPOLATED, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.questions.raw_read import raw_read
from historian.retrieval.time_range import to_us
from support.series_of import BAD, SECOND, Tag, series_of

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "raw_read.json"


def published_cases():
    return json.loads(VECTORS.read_text(encoding="utf-8"))["cases"] if VECTORS.is_file() else []


def microseconds(text):
    return None if text is None else to_us(datetime.fromisoformat(text))


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS} is not there: the examples are not ours to ship")
@pytest.mark.parametrize("case", published_cases(), ids=lambda case: case["id"])
def test_reads_of_the_published_table(case):
    samples = json.loads(VECTORS.read_text(encoding="utf-8"))["samples"]
    neighbour = Tag([(0, 1), (2e9, 2)])
    tag = Tag([(microseconds(at) / SECOND, number) for number, at in enumerate(samples)])
    found = raw_read(
        series_of(neighbour, tag, neighbour),
        microseconds(case["start"]),
        microseconds(case["end"]),
        max_rows=case["max_values"],
        boundary="outside" if case["return_bounds"] else "inside",
        missing=True,
    )
    mine = found.tag == 1
    rows = [
        "BOUND_NOT_FOUND" if status == BAD_BOUND_NOT_FOUND else at
        for at, status in zip(found.time_us[mine].tolist(), found.status[mine].tolist(), strict=True)
    ]
    assert rows == [at if at == "BOUND_NOT_FOUND" else microseconds(at) for at in case["expected"]]
    assert bool(found.more[1]) == case["more_data"]


SAMPLES = [(0, 10), (20, 30), (30, None), (50, 60)]


def read(start, end, *tags, **options):
    seconds = (None if at is None else at * SECOND for at in (start, end))
    found = raw_read(series_of(*tags or [Tag(SAMPLES, known=70)]), *seconds, **options)
    values = [None if np.isnan(value) else value for value in found.value]
    return list(zip((found.time_us / SECOND).tolist(), values, found.status.tolist(), strict=True)), found


def test_inside_is_half_open_and_outside_takes_the_neighbours():
    assert read(0, 50)[0] == [(0, 10, GOOD), (20, 30, GOOD), (30, None, BAD)]
    assert read(10, 40, boundary="outside")[0] == [(0, 10, GOOD), (20, 30, GOOD), (30, None, BAD), (50, 60, GOOD)]
    assert read(-9, 99, boundary="outside")[0] == read(-9, 99)[0]
    assert read(50, 0)[0] == [(50, 60, GOOD), (30, None, BAD), (20, 30, GOOD)]


def test_interpolated_begins_and_ends_with_the_values_there():
    at_10 = (10, 20, GOOD | INTERPOLATED)
    assert read(10, 25, boundary="interpolated")[0] == [
        at_10, (20, 30, GOOD), (25, 30, UNCERTAIN_DATA_SUB_NORMAL | INTERPOLATED),
    ]  # fmt: skip
    assert read(0, 20, boundary="interpolated")[0] == [(0, 10, GOOD), (20, 30, GOOD)]
    assert read(10, 10, boundary="interpolated")[0] == [at_10]
    backwards, found = read(60, 10, boundary="interpolated")
    assert backwards == [
        (60, 60, GOOD | INTERPOLATED), (50, 60, GOOD), (30, None, BAD), (20, 30, GOOD), at_10,
    ]  # fmt: skip
    assert found.row.tolist() == [3, 3, 2, 1, -1]


def test_interpolated_shows_that_a_range_begins_in_a_gap_and_nothing_where_nothing_is_known():
    assert read(40, 60, boundary="interpolated")[0] == [
        (40, None, BAD_NO_DATA), (50, 60, GOOD), (60, 60, GOOD | INTERPOLATED),
    ]  # fmt: skip
    assert read(-10, 0, boundary="interpolated")[0] == [(0, 10, GOOD)]
    assert read(55, 90, boundary="interpolated")[0] == [(55, 60, GOOD | INTERPOLATED)]
    assert read(-10, -5, boundary="interpolated")[0] == []


def test_limits_are_for_each_tag():
    tags = [Tag(SAMPLES), Tag([]), Tag([(5, 1)])]
    rows, found = read(0, 50, *tags, max_rows=2)
    assert [at for at, _, _ in rows] == [0, 20, 5]
    assert found.tag.tolist() == [0, 0, 2]
    assert found.more.tolist() == [True, False, False]
    assert read(10, 25, max_rows=2, boundary="interpolated")[1].more.tolist() == [True]


def test_open_ends_read_all_there_is():
    assert [at for at, _, _ in read(20, None)[0]] == [20, 30, 50]
    assert [at for at, _, _ in read(None, 30)[0]] == [30, 20, 0]


def test_a_missing_bound_has_the_time_asked_for_or_a_second_past_the_last_sample():
    options = {"boundary": "outside", "missing": True}
    assert read(-9, 99, **options)[0][0] == (-9, None, BAD_BOUND_NOT_FOUND)
    assert read(-9, 99, **options)[0][-1] == (99, None, BAD_BOUND_NOT_FOUND)
    assert read(20, None, **options)[0][-1] == (51, None, BAD_BOUND_NOT_FOUND)
    assert read(None, 20, **options)[0][-1] == (-1, None, BAD_BOUND_NOT_FOUND)
    assert read(5, None, Tag([]), **options)[0] == [(5, None, BAD_BOUND_NOT_FOUND), (6, None, BAD_BOUND_NOT_FOUND)]


@pytest.mark.parametrize(
    ("start", "end", "options"),
    [
        (None, None, {}),
        (None, 5, {"boundary": "interpolated"}),
        (5, None, {"boundary": "interpolated"}),
        (0, 5, {"boundary": "outer"}),
        (0, 5, {"max_rows": -1}),
    ],
)
def test_what_cannot_be_read_is_refused(start, end, options):
    with pytest.raises(UsageError):
        read(start, end, **options)
