"""Which tags deserve a look: never connected, silent, changing much, refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import historian as plant_historian
from cli.status import status
from conformance.store_data import make_current
from historian.model.commit import Commit, QuarantinedSample
from historian.model.samples import Samples
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA, GOOD
from historian.model.tag import Tag
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import SECOND

NOW_US = time.time_ns() // 1000
HOUR = 3600 * SECOND


@pytest.fixture
def store(store_path):
    """A is new and never read; B was read a minute ago, C an hour ago; B has two samples, C has one."""
    with Store.open(store_path, create=True) as store:
        tags = [Tag(name, "boiler", "hr:0", "fast") for name in ("A", "B", "C")]
        ids = store.register_tags(tags, NOW_US - 2 * HOUR, "test")
        rows = [
            (ids["A"], NOW_US - HOUR, None, BAD_WAITING_FOR_INITIAL_DATA),
            (ids["B"], NOW_US - 60 * SECOND, 2.0, GOOD),
            (ids["C"], NOW_US - HOUR, 3.0, GOOD),
        ]
        scans = np.array([0, NOW_US - 60 * SECOND, NOW_US - HOUR])
        current = replace(make_current(rows, newest=[True] * 3, pending=[False] * 3), last_scan_us=scans)
        stored = Samples(
            np.array([ids["B"], ids["B"], ids["C"]], np.int32),
            np.array([NOW_US - HOUR, NOW_US - 60 * SECOND, NOW_US - HOUR]),
            np.array([1.0, 2.0, 3.0]),
            np.zeros(3, np.uint32),
        )
        refused = [
            QuarantinedSample(ids["C"], time_us, "1", 0, "time stamp too far", NOW_US) for time_us in (7, 9, 8)
        ]
        store.commit(Commit(NOW_US, stored, {0: current}, quarantined=refused))
        yield store, ids


@pytest.fixture
def sql(store_path):
    def run(query: str) -> list[dict]:
        with plant_historian.open(store_path) as reader:
            return reader.sql(query).to_pylist()

    return run


def test_never_connected(store, sql):
    [row] = sql("select tag, source, status, epoch_us(since) as since from never_connected()")
    assert row == {
        "tag": "A", "source": "boiler", "status": "BadWaitingForInitialData", "since": NOW_US - 2 * HOUR
    }  # fmt: skip


def test_silent_longest(store, sql):
    rows = sql("select tag, seconds from silent_longest()")
    assert [row["tag"] for row in rows] == ["C", "B"]
    assert rows[0]["seconds"] == pytest.approx(time.time() - (NOW_US - HOUR) / SECOND, abs=60)


def test_the_own_figures_are_not_among_what_is_silent(store_path, sql):
    with Store.open(store_path, create=True) as store:
        names = ("historian.boiler.silent_s", "historian.boiler.scan_ms")
        ids = store.register_tags([Tag(name, "historian", name, "health") for name in names], NOW_US, "test")
        rows = [(number, NOW_US, 1.0, GOOD) for number in ids.values()]
        current = make_current(rows, newest=[True] * 2, pending=[False] * 2)
        store.commit(Commit(NOW_US, current={0: replace(current, last_scan_us=np.array([0, NOW_US]))}))
    assert sql("from never_connected()") == sql("from silent_longest()") == []


def test_most_changing(store, sql):
    rows = sql("select tag, samples, samples_per_hour from most_changing()")
    assert [(row["tag"], row["samples"]) for row in rows] == [("B", 2), ("C", 1)]
    assert rows[0]["samples_per_hour"] == pytest.approx(2, rel=0.5)  # imported some minutes ago


def test_most_changing_of_the_last_hours(store, sql):
    assert [row["tag"] for row in sql("select tag from most_changing(hours := 48)")] == ["B", "C"]
    assert sql("select tag from most_changing(hours := 0)") == []


def test_refused_counts_what_comes_later_too(store, sql, store_path):
    writer, ids = store
    with StoreReader.open(store_path) as reader:
        assert reader.snapshot().refused.column("samples").to_pylist() == [3]
        late = QuarantinedSample(ids["C"], 20, "1", 0, "time stamp too far", NOW_US)
        writer.commit(Commit(NOW_US + 1, quarantined=[late]))
        assert reader.snapshot().refused.column("samples").to_pylist() == [3, 1]
    [row] = sql("select tag, reason, samples, epoch_us(first) as first, epoch_us(last) as last from refused()")
    assert row == {"tag": "C", "reason": "time stamp too far", "samples": 4, "first": 7, "last": 20}


def test_the_report(store, store_path):
    done = CliRunner().invoke(status, ["--store", str(store_path), "--report"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "never connected: 1" in done.stdout
    assert "silent longest: 2" in done.stdout
    done = CliRunner().invoke(status, ["--store", str(store_path), "--report", "--format", "json"])
    found = json.loads(done.stdout)
    assert found["refused"]["tags"][0]["samples"] == 3
    assert found["silent_longest"]["tags"][0]["last_scan"].endswith("Z")
