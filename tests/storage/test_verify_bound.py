"""Raw samples against stored ones: what is found, what counts, and what does not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, Row, good, make_current, make_samples
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from storage import verify_bound as module
from storage.reader import StoreReader
from storage.store import Store
from storage.verify_bound import BoundReport, verify_bound

BAD = 0x800A0000
TAG = Tag("TIC205.PV", "mixer", "hr:0", "fast", compression=CompressionSettings(ErrorBound(0.5)))


def make(folder: Path, stored: list[Row], raw: list[Row], *, tags=(TAG,), held: list[Row] = ()) -> Store:
    store = Store.open(folder, create=True)
    store.register_tags(tags, T0, "test")
    current = {}
    if held:
        current = {0: make_current(held, newest=[True] * len(held), pending=[True] * len(held))}
    store.commit(Commit(T0 + 1000 * SECOND, make_samples(stored), current, shadow=make_samples(raw)))
    return store


def check(folder: Path, **arguments) -> BoundReport:
    with StoreReader.open(folder) as reader:
        return verify_bound(reader, **arguments)


ENDS = [good(1, 0, 10.0), good(1, 10, 20.0)]


def test_the_largest_error_with_its_place(store_path):
    raw = [good(1, 0, 10.0), good(1, 3, 13.2), good(1, 5, 14.6), good(1, 7, 17.1), good(1, 10, 20.0)]
    make(store_path, ENDS, raw).close()
    report = check(store_path)
    (found,) = report.findings
    assert (found.tag, found.compared, found.at_us) == ("TIC205.PV", 5, T0 + 5 * SECOND)
    assert (found.raw, found.line) == (14.6, 15.0)
    assert found.error == pytest.approx(0.4)
    assert found.promise == 0.5
    assert report.broken == ()
    assert (report.samples, report.left_out) == (5, 0)
    assert (report.first_us, report.last_us) == (T0, T0 + 10 * SECOND)


@pytest.mark.parametrize(("value", "broken"), [(15.5, False), (15.5 + 1e-12, False), (15.5001, True)])
def test_broken_is_more_than_rounding(store_path, value, broken):
    make(store_path, ENDS, [*ENDS, good(1, 5, value)]).close()
    assert bool(check(store_path).broken) == broken


def test_exception_reporting_is_part_of_the_promise(store_path):
    tag = replace(TAG, exception=ExceptionSettings(ErrorBound(0.25)))
    make(store_path, ENDS, [*ENDS, good(1, 5, 15.7)], tags=[tag]).close()
    (found,) = check(store_path).findings
    assert found.promise == 0.75
    assert not found.is_broken


def test_the_promise_of_the_time(store_path):
    store = make(store_path, [*ENDS, good(1, 20, 30.0)], [good(1, 5, 15.4), good(1, 15, 25.4)])
    store.register_tags([replace(TAG, compression=CompressionSettings(ErrorBound(0.1)))], T0 + 8 * SECOND, "test")
    store.close()
    (found,) = check(store_path).findings
    assert (found.at_us, found.promise) == (T0 + 15 * SECOND, 0.1)
    assert found.is_broken


def test_samples_that_are_held_back_count(store_path):
    make(store_path, [good(1, 0, 10.0)], [good(1, 0, 10.0), good(1, 5, 15.0)], held=[good(1, 10, 20.0)]).close()
    (found,) = check(store_path).findings
    assert (found.compared, found.missing, found.error) == (2, 0, 0)


def test_scanned_and_nothing_stored_behind(store_path):
    make(store_path, ENDS, [*ENDS, good(1, 11, 20.0)]).close()
    (found,) = check(store_path).findings
    assert found.missing == 1
    assert found.is_broken


def test_good_samples_beside_a_bad_interval(store_path):
    stored = [good(1, 0, 10.0), good(1, 4, 14.0), (1, T0 + 5 * SECOND, None, BAD), good(1, 8, 18.0)]
    raw = [good(1, 2, 12.1), good(1, 4, 14.0), (1, T0 + 6 * SECOND, None, BAD), good(1, 8, 18.0)]
    make(store_path, stored, raw).close()
    report = check(store_path)
    assert (report.findings[0].compared, report.left_out) == (3, 1)
    assert not report.broken


def test_a_good_sample_in_a_bad_interval_is_missing(store_path):
    stored = [good(1, 4, 14.0), (1, T0 + 5 * SECOND, None, BAD), good(1, 8, 18.0)]
    make(store_path, stored, [good(1, 6, 16.0)]).close()
    assert check(store_path).broken[0].missing == 1


def test_what_retention_let_go_is_not_missing(store_path):
    make(store_path, ENDS, [good(1, -5, 99.0), *ENDS]).close()
    report = check(store_path)
    assert (report.findings[0].compared, report.left_out) == (2, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"step": True},
        {"compression": CompressionSettings(ErrorBound(0.5), min_us=SECOND)},
        {"exception": ExceptionSettings(ErrorBound(0.5), min_us=SECOND)},
    ],
)
def test_no_promise(store_path, settings):
    make(store_path, ENDS, [good(1, 5, 99.0)], tags=[replace(TAG, **settings)]).close()
    report = check(store_path)
    assert (report.findings, report.left_out) == ((), 1)


def test_what_a_person_changed_makes_no_promise(store_path):
    stored = [*ENDS, good(1, 20, 30.0), good(1, 30, 40.0)]
    raw = [good(1, 5, 15.1), good(1, 15, 25.1), good(1, 25, 35.1)]
    store = make(store_path, stored, raw)
    store.edit(1, T0 + 10 * SECOND, 77.0, who="test", why="test", time_us=T0 + 2000 * SECOND)
    store.close()
    report = check(store_path)
    assert (report.findings[0].compared, report.findings[0].at_us) == (1, T0 + 25 * SECOND)
    assert not report.broken


def test_what_a_person_removed_makes_no_promise(store_path):
    stored = [*ENDS, good(1, 20, 99.0), good(1, 30, 40.0), good(1, 40, 50.0)]
    raw = [good(1, 5, 15.1), good(1, 15, 60.0), good(1, 25, 60.0), good(1, 35, 45.1)]
    store = make(store_path, stored, raw)
    store.remove(1, T0 + 20 * SECOND, T0 + 21 * SECOND, who="test", why="test", time_us=T0 + 2000 * SECOND)
    store.close()
    report = check(store_path)
    assert (report.findings[0].compared, report.left_out) == (2, 2)
    assert not report.broken


def test_whole_numbers_beyond_a_double_are_left_out(store_path):
    large = 2**53 + 1
    make(store_path, [good(1, 0, large), good(1, 10, large)], [good(1, 5, large)]).close()
    assert check(store_path).left_out == 1


def test_from_some_time_on(store_path):
    make(store_path, ENDS, [good(1, 2, 99.0), good(1, 5, 15.1)]).close()
    report = check(store_path, since_us=T0 + 3 * SECOND)
    assert (report.samples, report.broken) == (1, ())


def test_in_blocks_as_in_one(store_path, monkeypatch):
    """Many commits of two tags; the worst place of each is found wherever it lies."""
    tags = [TAG, replace(TAG, name="FIC101.PV")]
    random = np.random.default_rng(3)
    with closing(make(store_path, [], [], tags=tags)) as store:
        for second in range(0, 100, 10):
            rows = [good(tag, second + part, float(tag)) for tag in (1, 2) for part in (0, 9)]
            raw = [good(tag, second + part, tag + random.normal(0, 0.2)) for tag in (1, 2) for part in range(10)]
            store.commit(Commit(T0 + second * SECOND, make_samples(rows), shadow=make_samples(raw)))
    whole = check(store_path)
    monkeypatch.setattr(module, "BLOCK_SAMPLES", 25)
    assert check(store_path) == whole
    assert [found.compared for found in whole.findings] == [100, 100]


def test_nothing_to_compare(store_path):
    make(store_path, ENDS, []).close()
    report = check(store_path)
    assert (report.samples, report.findings, report.first_us) == (0, (), None)
