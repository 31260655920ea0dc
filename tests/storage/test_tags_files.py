"""The tags beside the archive, for programs that read the folder and know nothing of a store."""

from __future__ import annotations

import json
from dataclasses import replace

import duckdb
import pytest

from conformance.store_data import T0, good, make_samples, make_tags
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from storage.reader import StoreReader
from storage.store import Store


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as store:
        yield store


def test_every_setting_of_a_tag_is_written(store, store_path):
    tag = Tag(
        "FIC101.PV", "boiler", "hr:100", "fast", ValueType.FLOAT32, "m³/h", "feed flow", 0.1, -5.0, 0.0, 120.0, False,
        ExceptionSettings(ErrorBound(0.12), 1, 2), CompressionSettings(ErrorBound(0.25), 3, 4), {1: "on", -1: "off"},
        "float32:CDAB",
    )  # fmt: skip
    store.register_tags([tag, make_tags(1)[0]], T0, "test")
    with StoreReader.open(store_path) as reader:
        full, bare = reader.snapshot().tags.to_pylist()
    since = full.pop("valid_from")
    assert since.timestamp() == T0 / 1e6
    assert full == {
        "tag_id": 1, "tag": "FIC101.PV", "source": "boiler", "address": "hr:100", "scan_class": "fast",
        "type_text": "float32:CDAB", "value_type": "float32", "units": "m³/h", "description": "feed flow",
        "scale": 0.1, "offset": -5.0, "low": 0.0, "high": 120.0, "step": False, "is_step": False,
        "exc_dev": 0.12, "exc_min_us": 1, "exc_max_us": 2, "comp_dev": 0.25, "comp_min_us": 3, "comp_max_us": 4,
        "enumeration": '{"-1": "off", "1": "on"}', "version": 1, "valid_to": None,
        "states": [{"since": since, "texts": [(-1, "off"), (1, "on")]}],
    }  # fmt: skip
    assert {name for name, value in bare.items() if value is None} == {
        "value_type", "scale", "offset", "low", "high", "step", "exc_dev", "exc_max_us", "comp_dev", "comp_max_us",
        "enumeration", "valid_to", "states",
    }  # fmt: skip


def test_names_and_samples_join_without_the_database(store, store_path):
    store.register_tags(make_tags(2), T0, "test")
    store.commit(Commit(T0, make_samples([good(1, 0, 1.0), good(2, 0, 2.0)])))
    store.flush(force=True)
    with duckdb.connect() as link:
        archive = store_path / "archive"
        query = "select tag, value from read_parquet(?) join read_parquet(?) using (tag_id)"
        found = link.execute(query, [str(archive / "tags.parquet"), str(archive / "samples/*/*/*.parquet")]).fetchall()
    assert sorted(found) == [("T000", 1.0), ("T001", 2.0)]


def test_files_follow_the_tags(store, store_path):
    plain = make_tags(2)
    store.register_tags(plain, T0, "test")
    assert store.flush(force=True).tags_written
    store.register_tags([replace(plain[0], units="bar"), plain[1]], T0 + 1, "test")
    assert store.flush(force=True).tags_written
    assert store.flush(force=True) is None
    with duckdb.connect() as link:
        units = "select tag, version, units from '{}/archive/{}.parquet' order by all"
        assert link.execute(units.format(store_path, "tags")).fetchall() == [("T000", 2, "bar"), ("T001", 1, "")]
        assert link.execute(units.format(store_path, "tag_versions")).fetchall() == [
            ("T000", 1, ""),
            ("T000", 2, "bar"),
            ("T001", 1, ""),
        ]


def test_a_clock_that_stepped_back_makes_no_version_before_the_one_it_follows(store, store_path):
    plain = make_tags(1)
    store.register_tags(plain, T0, "test")
    store.register_tags([replace(plain[0], units="bar")], T0 - 10**9, "test")
    with StoreReader.open(store_path) as reader:
        versions = reader.tag_versions().to_pylist()
    assert versions[0]["valid_from"] == versions[0]["valid_to"] == versions[1]["valid_from"]


def test_a_name_that_comes_twice_registers_nothing(store, store_path):
    with pytest.raises(ValueError, match="'T000' comes twice"):
        store.register_tags([*make_tags(2), *make_tags(1)], T0, "test")
    with StoreReader.open(store_path) as reader:
        assert reader.snapshot().tags.num_rows == 0


def test_types_of_an_unknown_tag(store):
    with pytest.raises(ValueError, match="tag_id 7"):
        store.update_types({7: ValueType.BOOL}, T0)


def test_very_many_changes_are_one_line_of_the_audit_that_says_them_all(store, store_path):
    tags = make_tags(1200)
    store.register_tags(tags, T0, "test")
    store.register_tags([replace(tag, units="bar") for tag in tags], T0 + 1, "ann")
    with StoreReader.open(store_path) as reader:
        created, changed = reader.snapshot().audit.to_pylist()
    assert created["object"] == changed["object"] == "1200 tags"
    assert changed["action"] == "tags changed"
    assert json.loads(changed["old"]) == {tag.name: {"units": ""} for tag in tags}
    assert json.loads(changed["new"]) == {tag.name: {"units": "bar"} for tag in tags}
