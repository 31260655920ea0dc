"""Averages of old months: against a slow and plain reckoning, and when they are made."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.store_data import Row, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.config.settings import CompactionSettings, RetentionSettings, ThinningSettings
from historian.model.commit import Commit
from historian.model.tag import Tag
from historian.retrieval.connection import connect
from storage import averages, names
from storage.reader import StoreReader
from storage.store import Store
from storage.thinning_buckets import Buckets, Sums

DAY = 86_400_000_000
MINUTE = 60_000_000
NOV_1 = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""
DEC_1 = NOV_1 + 30 * DAY
BAD = 0x80310000


def reckon(times: list[int], values: list[float], start: int, end: int, *, is_step: bool) -> tuple | None:
    """Average, minimum, maximum and good time of one bucket, region by region as OPC 10000-13 says it."""
    area = good = 0.0
    seen = []
    for (t, v), (u, w) in zip(zip(times, values, strict=True), list(zip(times, values, strict=True))[1:], strict=False):
        low, high = max(t, start), min(u, end)
        if math.isnan(v) or high <= low:
            continue
        line = (
            (lambda at, v=v: v)
            if is_step or math.isnan(w)
            else (lambda at, v=v, w=w, t=t, u=u: v + (w - v) * (at - t) / (u - t))
        )
        area += (line(low) + line(high)) / 2 * (high - low)
        good += high - low
        seen += [line(low), line(high)]
    return (area / good, min(seen), max(seen), good) if good else None


samples_ = st.lists(
    st.tuples(st.integers(1, 50), st.one_of(st.just(math.nan), st.integers(-100, 100).map(float))),
    min_size=2,
    max_size=30,
)


@given(samples_, st.booleans(), st.integers(0, 29), st.integers(3, 40))
@settings(max_examples=150, deadline=None)
def test_sums_in_pieces_are_the_plain_reckoning(gaps, is_step, cut, every):
    times = np.cumsum([gap for gap, _ in gaps])
    values = np.array([value for _, value in gaps])
    buckets = Buckets(20, every, 12)
    sums = Sums.of(buckets)
    cut = min(cut, len(times) - 1)
    sums.add(times[: cut + 1], values[: cut + 1], is_step=is_step)
    # A line that is cut at a Bad sample does not change: pieces share the sample they meet in.
    sums.add(times[cut:], values[cut:], is_step=is_step)
    for number in range(buckets.count):
        start = 20 + number * every
        expected = reckon(times.tolist(), values.tolist(), start, start + every, is_step=is_step)
        if expected is None:
            assert sums.good_us[number] == 0
            continue
        found = (
            sums.integral[number] / sums.good_us[number],
            sums.minimum[number],
            sums.maximum[number],
            sums.good_us[number],
        )
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags([*make_tags(2), Tag("XV1", "boiler", "coil:1", "fast", step=True)], NOV_1, "test")
        yield store


def put(store: Store, rows: list[Row]) -> None:
    store.commit(Commit(max(row[1] for row in rows), make_samples(rows)))
    store.flush(force=True)


def lines(store: Store) -> list[dict]:
    files = averages.entries(store._connection)
    root = Path(store.folder) / names.ARCHIVE
    return [line for file in files for line in pq.read_table(root / file.path).to_pylist()]


THIN = RetentionSettings(thinning=ThinningSettings(10 * DAY, 60 * MINUTE))


def test_a_month_gets_its_averages_when_it_is_old_enough(store):
    put(store, [(1, NOV_1, 10.0, 0), (1, NOV_1 + 60 * MINUTE, 20.0, 0), (1, NOV_1 + 90 * MINUTE, None, BAD)])
    put(store, [(1, DEC_1 + DAY, 1.0, 0)])
    assert store.retain(DEC_1 + 10 * DAY - 1, THIN).averaged == ()
    report = store.retain(DEC_1 + 10 * DAY, THIN)
    assert [(month.month_us, month.rows) for month in report.averaged] == [(NOV_1, 2)]
    first, second = lines(store)
    assert (first["average"], first["minimum"], first["maximum"], first["good_percent"]) == (15.0, 10.0, 20.0, 100.0)
    assert (second["average"], second["good_percent"], second["samples"]) == (20.0, 50.0, 1)
    assert store.retain(DEC_1 + 11 * DAY, THIN).averaged == (), "once"


def test_a_value_that_holds_for_months_is_there_in_each(store):
    put(store, [(3, NOV_1 - 60 * DAY, 1.0, 0), (1, NOV_1 - 60 * DAY, 1.0, 0)])
    put(store, [(1, NOV_1, 1.0, 0), (1, NOV_1 + 1, 1.0, 0), (3, DEC_1 + DAY, 0.0, 0)])
    put(store, [(1, DEC_1 + DAY, 1.0, 0)])
    store.retain(DEC_1 + 10 * DAY, THIN)
    valve = [line for line in lines(store) if line["tag_id"] == 3 and line["time"].month == 11]
    assert len(valve) == 30 * 24
    assert {(line["average"], line["good_percent"], line["samples"]) for line in valve} == {(1.0, 100.0, 0)}


def test_late_samples_make_them_new(store):
    put(store, [(1, NOV_1, 10.0, 0), (1, DEC_1 - 1, 10.0, 0), (1, DEC_1 + DAY, 1.0, 0)])
    store.compact(DEC_1 + 10 * DAY, CompactionSettings())
    store.retain(DEC_1 + 10 * DAY, THIN)
    put(store, [(1, NOV_1 + 30 * MINUTE, 40.0, 0)])
    store.compact(DEC_1 + 11 * DAY, CompactionSettings(), everything=True)
    assert len(store.retain(DEC_1 + 11 * DAY, THIN).averaged) == 1
    assert lines(store)[0]["maximum"] == 40.0


def test_samples_do_not_go_before_their_averages_are_there(store, store_path):
    rows = [(1, NOV_1 + day * DAY, float(day), 0) for day in range(40)]
    put(store, rows)
    store.compact(NOV_1 + 41 * DAY, CompactionSettings())
    keep = replace(THIN, keep_us=2 * DAY, thinning=ThinningSettings(1000 * DAY, 60 * MINUTE))
    report = store.retain(NOV_1 + 41 * DAY, keep)
    assert [month.month_us for month in report.averaged] == [NOV_1]
    assert report.samples == 29
    with StoreReader.open(store_path) as reader:
        # December is not over and has no averages yet: none of its samples goes.
        assert stored_rows(reader.snapshot()) == rows[29:]
    assert len(lines(store)) == 30 * 24


def test_averages_whose_samples_are_gone_are_never_made_again(store):
    put(store, [(1, NOV_1 + day * DAY, float(day), 0) for day in range(40)])
    store.compact(NOV_1 + 41 * DAY, CompactionSettings())
    keep = replace(THIN, keep_us=2 * DAY)
    store.retain(NOV_1 + 41 * DAY, keep)
    before = lines(store)
    put(store, [(1, NOV_1 + MINUTE, 7.0, 0)])
    store.compact(NOV_1 + 42 * DAY, CompactionSettings(), everything=True)
    assert store.retain(NOV_1 + 42 * DAY, keep).averaged == ()
    assert lines(store) == before


def test_they_are_a_view_of_their_own(store, store_path):
    put(store, [(1, NOV_1, 10.0, 0), (1, NOV_1 + 120 * MINUTE, 20.0, 0), (2, DEC_1 + DAY, 1.0, 0)])
    with StoreReader.open(store_path) as reader:
        with closing(connect(reader.snapshot())) as connection:
            assert connection.execute("select count(*) from averages").fetchall() == [(0,)]
        store.retain(DEC_1 + 10 * DAY, THIN)
        with closing(connect(reader.snapshot())) as connection:
            rows = connection.execute("select tag, average, samples from averages order by time").fetchall()
            assert connection.execute("select count(*) from samples").fetchall() == [(3,)]
    # The data of a tag without a collector ends with its last sample, which is on the edge of the third hour.
    assert rows == [("T000", 12.5, 1), ("T000", 17.5, 0), ("T000", 20.0, 1)]
