"""Notes on tags: added and removed in one transaction with their line in the audit, seen by the next snapshot."""

from __future__ import annotations

import pytest

from conformance.store_data import SECOND, T0, make_tags
from conformance.store_suite import audit_rows
from historian.errors import UsageError
from storage.annotation import Annotation
from storage.reader import StoreReader
from storage.store import Store

WHO = {"who": "ann", "time_us": T0 + SECOND}


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store", create=True) as store:
        store.register_tags(make_tags(2), T0, "test")
        yield store


def notes(reader: StoreReader) -> list[tuple]:
    rows = reader.snapshot().annotations.to_pylist()
    return [(row["number"], row["tag_id"], row["text"]) for row in rows]


def test_a_note_is_seen_by_a_reader_that_was_open(store):
    with StoreReader.open(store.folder) as reader:
        assert notes(reader) == []
        assert store.annotate(Annotation(1, T0, T0 + SECOND, " probe cleaned \n"), **WHO) == 1
        assert store.annotate(Annotation(2, T0, T0, "seen"), **WHO) == 2
        assert notes(reader) == [(1, 1, "probe cleaned"), (2, 2, "seen")]
        row = reader.snapshot().annotations.to_pylist()[0]
        assert (row["who"], row["end"] - row["start"]) == ("ann", row["made"] - row["start"])


def test_a_note_that_is_removed_stays_in_the_audit(store):
    store.annotate(Annotation(1, T0, T0, "wrong tag"), **WHO)
    assert store.remove_annotation(1, who="ann", why="was meant for T001", time_us=T0 + 2 * SECOND) == "T000"
    with StoreReader.open(store.folder) as reader:
        snapshot = reader.snapshot()
        assert notes(reader) == []
        assert audit_rows(snapshot)[-2:] == [("annotation added", "T000"), ("annotation removed", "T000")]
        last = snapshot.audit.to_pylist()[-1]
        assert last["old"].endswith(": wrong tag")
        assert last["why"] == "was meant for T001"
    # A number is never given twice, so that the audit's lines stay about one note each.
    assert store.annotate(Annotation(1, T0, T0, "again"), **WHO) == 2


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (Annotation(1, T0, T0, "  "), "got 0 characters"),
        (Annotation(1, T0, T0, "x" * 10_001), "got 10,001 characters"),
        (Annotation(9, T0, T0, "x"), "no such tag"),
    ],
)
def test_what_cannot_be_noted(store, note, said):
    with pytest.raises(UsageError, match=said):
        store.annotate(note, **WHO)
    with StoreReader.open(store.folder) as reader:
        assert notes(reader) == []


def test_a_number_that_there_is_not(store):
    with pytest.raises(UsageError, match="there is none of this number"):
        store.remove_annotation(3, who="ann")
