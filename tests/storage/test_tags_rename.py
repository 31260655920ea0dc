"""Renaming a tag: the same tag with all its samples, under another name from then on."""

from __future__ import annotations

from dataclasses import replace

import pytest

import historian
from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from historian.errors import UsageError
from historian.model.commit import AuditEvent, Commit
from storage.reader import StoreReader
from storage.store import Store


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as opened:
        yield opened


def versions(store_path) -> list[tuple[object, ...]]:
    with StoreReader.open(store_path) as reader:
        rows = reader.tag_versions().to_pylist()
    return [(row["tag_id"], row["version"], row["tag"], row["units"], row["valid_to"] is None) for row in rows]


def test_a_renamed_tag_keeps_its_number_and_its_samples(store, store_path):
    store.register_tags(make_tags(2), T0, "test")
    store.commit(Commit(T0, make_samples([good(1, 1, 1.0), good(2, 1, 2.0)])))
    store.flush(force=True)
    assert store.rename_tag("T000", "FIC101.PV", T0 + 10 * SECOND, "ann", "as on the drawing") == 1
    store.commit(Commit(T0, make_samples([good(1, 11, 3.0)])))
    assert versions(store_path) == [(1, 1, "T000", "", False), (1, 2, "FIC101.PV", "", True), (2, 1, "T001", "", True)]
    with historian.open(store_path) as opened:
        assert opened.sql("select value from samples where tag = 'FIC101.PV' order by time").to_pylist() == [
            {"value": 1.0}, {"value": 3.0}
        ]  # fmt: skip
        assert opened.history("FIC101.PV").column("value").to_pylist() == [1.0, 3.0]
        assert opened.sql("select 1 from samples where tag = 'T000'").num_rows == 0


def test_units_of_the_time_before_the_name_stay(store, store_path):
    [tag] = make_tags(1)
    store.register_tags([replace(tag, units="bar")], T0, "test")
    store.rename_tag("T000", "P1", T0 + 10 * SECOND, "ann", "why")
    store.register_tags([replace(tag, name="P1", units="mbar")], T0 + 20 * SECOND, "test")
    store.commit(Commit(T0, make_samples([good(1, second, 1.0) for second in (5, 15, 25)])))
    with historian.open(store_path) as opened:
        assert opened.history("P1").column("units").to_pylist() == ["bar", "bar", "mbar"]


def test_the_next_registration_knows_the_new_name(store):
    [tag] = make_tags(1)
    store.register_tags([tag], T0, "test")
    store.rename_tag("T000", "NEW", T0 + 1, "ann", "why")
    assert store.register_tags([replace(tag, name="NEW")], T0 + 2, "test") == {"NEW": 1}
    # The old name is free again, and means another tag.
    assert store.register_tags([tag], T0 + 3, "test") == {"T000": 2}


def test_the_audit_tells_who_what_and_why(store, store_path):
    store.register_tags(make_tags(1), T0, "test")
    store.rename_tag("T000", "NEW", T0 + 7, "ann", "as on the drawing")
    with StoreReader.open(store_path) as reader:
        line = reader.snapshot().audit.to_pylist()[-1]
    del line["number"]
    assert line.pop("time").timestamp() == (T0 + 7) / 1e6
    assert line == {
        "who": "ann", "action": "tag renamed", "object": "T000", "old": "T000", "new": "NEW",
        "why": "as on the drawing",
    }  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), [("T000", "T001", "has a tag of that name"), ("T9", "X", "no tag")])
def test_what_cannot_be_renamed_stays(store, store_path, old, new, said):
    store.register_tags(make_tags(2), T0, "test")
    before = versions(store_path)
    with pytest.raises(UsageError, match=said):
        store.rename_tag(old, new, T0 + 1, "ann", "why")
    assert versions(store_path) == before


def test_a_clock_that_went_back_leaves_no_overlap(store, store_path):
    store.register_tags(make_tags(1), T0, "test")
    store.rename_tag("T000", "NEW", T0 - SECOND, "ann", "why")
    with StoreReader.open(store_path) as reader:
        first, second = reader.tag_versions().to_pylist()
    assert first["valid_to"] == first["valid_from"] == second["valid_from"]


def test_a_reason_goes_with_a_registration(store, store_path):
    [tag] = make_tags(1)
    store.register_tags([tag], T0, "ann", "first list")
    store.note([AuditEvent(T0, "ann", "tag list changed", "T000", why="on the drawing")])
    with StoreReader.open(store_path) as reader:
        lines = reader.snapshot().audit.to_pylist()
    assert [(line["action"], line["why"]) for line in lines] == [
        ("tag created", "first list"), ("tag list changed", "on the drawing")
    ]  # fmt: skip
