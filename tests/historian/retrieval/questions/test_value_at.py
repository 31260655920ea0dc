"""Values at given instants, in every mode."""

from __future__ import annotations

import numpy as np
import pytest

from historian.errors import UsageError
from historian.model.status import BAD_NO_DATA, GOOD
from historian.retrieval.questions.lookup import MANY, every_tag
from historian.retrieval.questions.value_at import value_at
from support.series_of import BAD, SECOND, Tag, series_of

SAMPLES = [(10, 1), (20, None), (30, 3)]

FOUND = {
    # seconds:      5     10    15    20    25    30    35
    "at_or_before": [None, 10, 10, 20, 20, 30, 30],
    "before": [None, None, 10, 10, 20, 20, 30],
    "exact": [None, 10, None, 20, None, 30, None],
    "at_or_after": [10, 10, 20, 20, 30, 30, None],
    "after": [10, 20, 20, 30, 30, None, None],
}


def instants(*seconds):
    return np.array([round(at * SECOND) for at in seconds], np.int64)


@pytest.mark.parametrize("mode", FOUND)
def test_each_mode_finds_its_sample(mode):
    series = series_of(Tag([(0, 9), (40, 9)]), Tag(SAMPLES), Tag([(0, 9), (40, 9)]))
    asked = instants(*range(5, 40, 5))
    found = value_at(series, np.ones(7, np.intp), asked, mode)
    wanted = FOUND[mode]
    assert found.time_us.tolist() == [at if to is None else to * SECOND for at, to in zip(asked, wanted, strict=True)]
    assert found.row.tolist() == [-1 if to is None else 1 + to // 10 for to in wanted]
    assert found.status.tolist() == [{None: BAD_NO_DATA, 20: BAD}.get(to, GOOD) for to in wanted]
    assert [None if np.isnan(v) else v for v in found.value] == [{10: 1, 30: 3}.get(to) for to in wanted]


def test_interpolated_is_one_of_the_modes():
    found = value_at(series_of(Tag([(0, 10), (10, 20)])), np.zeros(1, np.intp), instants(5), "interpolated")
    assert found.value.tolist() == [15]


@pytest.mark.parametrize("count", [3, 3 * MANY])
def test_any_order_of_tags_and_times_gives_the_same(count):
    rng = np.random.default_rng(3)
    tags = [Tag([(t, t) for t in sorted(rng.choice(100, size, replace=False).tolist())]) for size in (40, 0, 7)]
    series = series_of(*tags)
    tag, time_us = every_tag(series, np.sort(rng.integers(0, 100 * SECOND, count)))
    order = rng.permutation(len(tag))
    ordered, shuffled = value_at(series, tag, time_us), value_at(series, tag[order], time_us[order])
    assert np.array_equal(shuffled.row, ordered.row[order])
    wanted = [
        max((t for t, _ in tags[one].samples if t * SECOND <= at), default=-1)
        for one, at in zip(tag, time_us, strict=True)
    ]
    assert [int(v) if not np.isnan(v) else -1 for v in ordered.value] == wanted


def test_no_samples_at_all_is_no_data():
    found = value_at(series_of(Tag([]), Tag([])), np.array([1, 0]), instants(1, 2), "after")
    assert found.status.tolist() == [BAD_NO_DATA, BAD_NO_DATA]
    assert found.row.tolist() == [-1, -1]


def test_an_unknown_mode_is_told_with_the_nearest():
    with pytest.raises(UsageError, match=r"got 'befor'.*'before'"):
        value_at(series_of(Tag([(0, 1)])), np.zeros(1, np.intp), instants(5), "befor")
