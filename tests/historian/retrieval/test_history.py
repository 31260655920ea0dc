from __future__ import annotations

from dataclasses import replace

import pytest

from historian.retrieval.history import EVER, narrowed, open_scope, samples_in
from historian.retrieval.time_range import TimeRange
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import GOOD, SECOND, T0_US, TAGS, make_store, plant_rows


def span(start_s: float, end_s: float) -> TimeRange:
    return TimeRange(T0_US + round(start_s * SECOND), T0_US + round(end_s * SECOND))


@pytest.mark.parametrize("archived", [0, 30, 1000])
def test_the_start_belongs_to_the_range_and_the_end_does_not(store_path, archived):
    make_store(store_path, plant_rows(), archived_before_s=archived)
    with StoreReader.open(store_path) as reader, open_scope(reader, ["FIC101.PV"], span(10, 12)) as scope:
        assert samples_in(scope).table().column("value").to_pylist() == [60.0, 61.0]


def test_tags_come_in_the_order_asked_for(store_path):
    make_store(store_path, plant_rows(3))
    with StoreReader.open(store_path) as reader, open_scope(reader, ["XV*", "BATCH.ID", "FIC*"]) as scope:
        tags = samples_in(scope).table().column("tag").to_pylist()
    assert list(dict.fromkeys(tags)) == ["XV101.OPEN", "BATCH.ID", "FIC101.PV", "FIC102.PV"]


def test_units_are_those_of_the_time(store_path):
    make_store(store_path, [("FIC101.PV", 0, 1.0, GOOD), ("FIC101.PV", 10, 1.0, GOOD)])
    with Store.open(store_path) as store:
        store.register_tags([replace(TAGS[0], units="l/min")], T0_US + 5 * SECOND, "test")
    with StoreReader.open(store_path) as reader, open_scope(reader, ["FIC101.PV"]) as scope:
        assert samples_in(scope).table().column("units").to_pylist() == ["m3/h", "l/min"]


def test_samples_from_before_the_first_version_have_its_units(store_path):
    make_store(store_path, [("FIC101.PV", -10, 1.0, GOOD)])
    with StoreReader.open(store_path) as reader, open_scope(reader, ["FIC101.PV"]) as scope:
        assert samples_in(scope).table().column("units").to_pylist() == ["m3/h"]


def test_files_that_cannot_hold_an_answer_are_left_out(store_path):
    make_store(store_path, plant_rows(), archived_before_s=30)
    with StoreReader.open(store_path) as reader:
        snapshot = reader.snapshot()
    assert len(snapshot.files) == 1
    assert len(narrowed(snapshot, ["FIC101.PV"], EVER).files) == 1
    assert len(narrowed(snapshot, ["FIC101.PV"], span(29, 60)).files) == 1
    assert len(narrowed(snapshot, ["FIC101.PV"], span(29.5, 60)).files) == 0
    assert len(narrowed(snapshot, ["FIC101.PV"], span(-10, 0)).files) == 0
