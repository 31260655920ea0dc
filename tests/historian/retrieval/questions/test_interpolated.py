"""Interpolated values: the simple bounding value of OPC UA Part 13 at every instant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from historian.model.status import BAD_NO_DATA, GOOD, INTERPOLATED, UNCERTAIN_DATA_SUB_NORMAL
from historian.retrieval.questions.interpolated import interpolated
from support.series_of import SECOND, UNSURE, Tag, series_of

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "other.json"

SURE = GOOD | INTERPOLATED
LESS_SURE = UNCERTAIN_DATA_SUB_NORMAL | INTERPOLATED


def ask(*seconds, tags):
    found = interpolated(series_of(*tags), np.array([round(at * SECOND) for at in seconds], np.int64))
    values = [None if np.isnan(value) else value for value in found.value]
    return values, found.status.tolist(), found.row.tolist()


def test_a_line_a_step_and_a_sample():
    samples = [(0, 10), (10, 20)]
    values, statuses, rows = ask(0, 5, 10, tags=[Tag(samples), Tag(samples, stepped=True)])
    assert values == [10, 15, 20, 10, 10, 20]
    assert statuses == [GOOD, SURE, GOOD, GOOD, SURE, GOOD]
    assert rows == [0, -1, 1, 2, 2, 3]


def test_nothing_is_drawn_across_a_bad_interval():
    samples = [(0, 10), (10, None), (20, 30), (30, 40)]
    values, statuses, _ = ask(5, 10, 15, 20, 25, tags=[Tag(samples)])
    assert values == [10, None, None, 30, 35]
    assert statuses == [LESS_SURE, BAD_NO_DATA, BAD_NO_DATA, GOOD, SURE]


def test_a_step_before_a_bad_sample_is_sure():
    values, statuses, rows = ask(5, 15, tags=[Tag([(0, 10), (10, None)], stepped=True)])
    assert values == [10, None]
    assert statuses == [SURE, BAD_NO_DATA]
    assert rows == [0, -1]


def test_the_last_sample_holds_while_its_source_answers():
    tags = [Tag([(0, 10), (10, 20)], known=60), Tag([(0, 10), (10, None)], known=60)]
    values, statuses, rows = ask(30, 60, 61, tags=tags)
    assert values == [20, 20, None, None, None, None]
    assert statuses == [SURE, SURE, BAD_NO_DATA, BAD_NO_DATA, BAD_NO_DATA, BAD_NO_DATA]
    assert rows == [1, 1, -1, -1, -1, -1]


def test_nothing_is_known_before_the_first_sample():
    assert ask(-1, tags=[Tag([(0, 10)], known=9), Tag([])]) == ([None, None], [BAD_NO_DATA, BAD_NO_DATA], [-1, -1])
    assert ask(3, tags=[Tag([]), Tag([])])[0] == [None, None]


@pytest.mark.parametrize("samples", [[(0, 10, UNSURE), (10, 20)], [(0, 10), (10, 20, UNSURE)]])
def test_a_line_is_as_sure_as_both_its_ends(samples):
    assert ask(5, tags=[Tag(samples)])[:2] == ([15], [LESS_SURE])


def test_a_step_is_as_sure_as_its_sample():
    _, statuses, _ = ask(0, 5, 15, tags=[Tag([(0, 10, UNSURE), (10, 20), (20, 30, UNSURE)], stepped=True)])
    assert statuses == [UNSURE, LESS_SURE, SURE]


def test_texts_and_large_numbers_are_found_by_their_rows():
    text, large = Tag([(0, "open"), (10, "closed")], known=20), Tag([(0, 2**63), (10, 2**53 + 1)], stepped=True)
    values, statuses, rows = ask(5, 10, tags=[text, large])
    assert values == [None, None, 2.0**63, 2.0**53]
    assert statuses == [SURE, GOOD, SURE, GOOD]
    assert rows == [0, 1, 2, 3]


def test_values_near_the_largest_double_do_not_overflow():
    values, _, _ = ask(5, 100, tags=[Tag([(0, 1.7e308), (10, -1.7e308)], known=1e6)])
    assert values == [0.0, -1.7e308]


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS} is not there: the examples are not ours to ship")
@pytest.mark.parametrize("name", ["tsdb-prev-stepped", "tsdb-prev-linear", "tsdb-next-stepped", "tsdb-next-linear"])
def test_published_values_at_the_edge_of_a_bucket(name):
    one = {each["id"]: each for each in json.loads(VECTORS.read_text(encoding="utf-8"))["time_weighted"]}[name]
    samples = [tuple(point) for point in [one.get("previous"), *one["points"], one.get("next")] if point]
    at, wanted = (one["start"], one["start_value"]) if "start" in one else (one["end"], one["end_value"])
    assert ask(at, tags=[Tag(samples, stepped=one["method"] == "stepped")])[0] == [wanted]
