"""Where there are no data, and which tags are stale."""

from __future__ import annotations

import numpy as np

from historian.model.status import BAD_NO_DATA, BAD_TIMEOUT
from historian.retrieval.questions.gaps import gaps, stale
from support.series_of import BAD, SECOND, UNSURE, Tag, series_of


def found_in(*tags, start=0, end=100):
    found = gaps(series_of(*tags), start * SECOND, end * SECOND)
    starts, ends = (found.start_us / SECOND).tolist(), (found.end_us / SECOND).tolist()
    return list(zip(found.tag.tolist(), starts, ends, found.status.tolist(), found.row.tolist(), strict=True))


def test_gaps_are_bad_runs_and_the_time_before_and_after_the_data():
    tag = Tag([(10, 1), (20, None), (25, None), (30, 2), (40, 3, UNSURE), (50, None, BAD_TIMEOUT)], known=80)
    assert found_in(tag) == [
        (0, 0, 10, BAD_NO_DATA, -1),
        (0, 20, 30, BAD, 1),
        (0, 50, 80, BAD_TIMEOUT, 5),
        (0, 80, 100, BAD_NO_DATA, -1),
    ]


def test_each_bad_status_is_a_gap_of_its_own():
    tag = Tag([(0, 1), (20, None), (30, None, BAD_TIMEOUT), (40, 1)], known=200)
    assert found_in(tag) == [(0, 20, 30, BAD, 1), (0, 30, 40, BAD_TIMEOUT, 2)]


def test_gaps_are_cut_at_the_ends_of_the_range():
    tag = Tag([(-50, None), (20, 1), (90, None), (150, 1)])
    assert found_in(tag) == [(0, 0, 20, BAD, 0), (0, 90, 100, BAD, 2)]


def test_tags_without_gaps_and_without_samples():
    assert found_in(Tag([(0, 1)], known=100), Tag([]), Tag([(0, None)], known=100), Tag([(0, 1)], known=100)) == [
        (1, 0, 100, BAD_NO_DATA, -1),
        (2, 0, 100, BAD, 1),
    ]


def test_a_range_before_all_data_and_one_after():
    tag = Tag([(200, 1)], known=250)
    assert found_in(tag) == [(0, 0, 100, BAD_NO_DATA, -1)]
    assert found_in(tag, start=300, end=400) == [(0, 300, 400, BAD_NO_DATA, -1)]


def test_a_tag_is_stale_when_neither_a_sample_nor_a_scan_is_recent():
    never = np.iinfo(np.int64).min
    newest = np.array([10, 95, 10, never], np.int64) * np.array([1, 1, 1, 1])
    scanned = np.array([99, never, 20, never], np.int64)
    assert stale(newest, scanned, now_us=100, older_than_us=50).tolist() == [False, False, True, True]
    assert stale(np.array([50]), np.array([never]), now_us=100, older_than_us=50).tolist() == [False]
