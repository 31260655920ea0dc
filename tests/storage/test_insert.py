"""Samples of history: what each mode makes of those that are there already, exactly once, wherever these are."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import audit_rows, newest_rows, stored_rows
from historian.errors import UsageError
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.status import BAD_NO_COMMUNICATION, SUBSTITUTED
from storage import names
from storage.insert import DUPLICATE, INSERTED, REPLACED
from storage.reader import StoreReader
from storage.store import Store

CAUSE = {"who": "kim", "why": "the logger was found", "time_us": T0 + 100 * SECOND}
ARCHIVED = [
    good(1, 1, 1.0),
    good(1, 3, "text"),
    good(2, 1, 2**63 + 1),
    (2, T0 + 3 * SECOND, None, BAD_NO_COMMUNICATION),
]
BUFFERED = [good(1, 5, 5.0)]
PENDING = [good(1, 7, 7.0)]


@pytest.fixture
def store(store_path):
    """Samples in a file, in the buffer and pending."""
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(3), T0, "test")
        store.commit(Commit(T0, make_samples(ARCHIVED)))
        store.flush(force=True)
        current = make_current(PENDING, newest=[True], pending=[True])
        store.commit(Commit(T0 + 8 * SECOND, make_samples(BUFFERED), {0: current}))
        yield store


@pytest.fixture
def reader(store, store_path):
    with StoreReader.open(store_path) as reader:
        yield reader


def everything(*more):
    return sorted([*ARCHIVED, *BUFFERED, *PENDING, *more], key=lambda row: row[:2])


def marked(row):
    return (*row[:3], row[3] | SUBSTITUTED)


def test_late_samples_are_visible_at_once_and_marked_by_nothing(store, reader):
    late = [good(1, 2, 2.0), good(2, 0, -1.0), good(1, 0, 0.0)]
    report = store.insert(make_samples(late), mode="no-replace", **CAUSE)
    assert (report.inserted, report.replaced, report.duplicates) == (3, 0, 0)
    assert stored_rows(reader.snapshot()) == everything(*late)
    assert len(reader.snapshot().edits) == 0
    assert store.flush(force=True).rows == 4
    assert stored_rows(reader.snapshot()) == everything(*late)


@pytest.mark.parametrize("mode", ["no-replace", "insert"])
@pytest.mark.parametrize("there", [*ARCHIVED, *BUFFERED, *PENDING])
def test_what_is_there_stays(store, reader, mode, there):
    """In a file, in the buffer or pending; the sample beside it is taken."""
    other, new = (*there[:2], 99.0, 0), good(2, 9, 9.0)
    report = store.insert(make_samples([other, new]), mode=mode, **CAUSE)
    assert report.outcome.tolist() == [DUPLICATE, INSERTED]
    assert (report.inserted, report.duplicates) == (1, 1)
    assert stored_rows(reader.snapshot()) == everything(new)


@pytest.mark.parametrize("there", [*ARCHIVED, *BUFFERED, *PENDING])
def test_replacing(store, reader, there):
    other = (*there[:2], 99.0, 0)
    report = store.insert(make_samples([other, good(2, 9, 9.0)]), mode="replace", **CAUSE)
    assert report.outcome.tolist() == [REPLACED, INSERTED]
    expected = [marked(other) if row == there else row for row in everything(good(2, 9, 9.0))]
    assert stored_rows(reader.snapshot()) == expected


def test_what_was_replaced_is_in_the_audit(store, reader):
    store.insert(make_samples([good(2, 1, 2.5)]), mode="replace", **CAUSE)
    line = reader.snapshot().audit.to_pylist()[-1]
    assert (line["who"], line["action"], line["object"], line["why"]) == (
        "kim", "sample replaced", "T001", "the logger was found",
    )  # fmt: skip
    assert json.loads(line["old"])["value"] == 2**63 + 1
    new = json.loads(line["new"])
    assert (new["value"], new["status"], new["status_code"]) == (2.5, "Good", SUBSTITUTED)
    assert new["time"] == "2025-11-13T02:13:21.000000Z"


@pytest.mark.parametrize("mode", ["no-replace", "replace", "insert"])
def test_twice_is_the_same_as_once(store, reader, mode):
    rows = make_samples([good(1, 1, 1.5), good(1, 2, 2.0), good(3, 1, "new"), good(1, 50, 50.0)])
    store.insert(rows, mode=mode, **CAUSE)
    once, lines = stored_rows(reader.snapshot()), len(reader.snapshot().audit)
    report = store.insert(rows, mode=mode, **CAUSE)
    assert (report.inserted, report.replaced, report.duplicates) == (0, 0, 4)
    assert stored_rows(reader.snapshot()) == once
    assert len(reader.snapshot().audit) == lines


def test_replacing_by_the_same_changes_nothing(store, reader):
    report = store.insert(make_samples([*ARCHIVED, *BUFFERED]), mode="replace", **CAUSE)
    assert report.duplicates == 5
    assert len(reader.snapshot().edits) == 0


@pytest.mark.parametrize(("mode", "value"), [("no-replace", 1.0), ("insert", 1.0), ("replace", 2.0)])
def test_duplicates_among_those_given(store, reader, mode, value):
    rows = make_samples([good(3, 1, 1.0), good(3, 1, 2.0)])
    report = store.insert(rows, mode=mode, **CAUSE)
    assert (report.inserted, report.duplicates) == (1, 1)
    assert stored_rows(reader.snapshot()) == everything(good(3, 1, value))


def test_a_tag_that_nobody_collects_gets_a_current_sample(store, reader):
    store.insert(make_samples([good(3, 1, 1.0), good(3, 2, 2.0)]), mode="no-replace", **CAUSE)
    assert newest_rows(reader.snapshot())[3] == good(3, 2, 2.0)
    store.insert(make_samples([good(3, 1.5, 1.5)]), mode="no-replace", **CAUSE)
    assert newest_rows(reader.snapshot())[3] == good(3, 2, 2.0)
    store.insert(make_samples([good(3, 2, 3.0)]), mode="replace", **CAUSE)
    assert newest_rows(reader.snapshot())[3] == marked(good(3, 2, 3.0))


def test_a_tag_that_is_collected_keeps_its_current_sample(store, reader):
    store.insert(make_samples([good(1, 6, 6.0), good(1, 60, 60.0)]), mode="no-replace", **CAUSE)
    assert newest_rows(reader.snapshot())[1] == PENDING[0]


def test_a_sample_ahead_of_the_collector_never_comes_twice(store, reader):
    """The collector brings one of the same time later: what was inserted stays, the other is hidden."""
    store.insert(make_samples([good(1, 10, -10.0)]), mode="no-replace", **CAUSE)
    store.commit(Commit(T0 + 10 * SECOND, make_samples([good(1, 10, 10.0)])))
    store.flush(force=True)
    assert stored_rows(reader.snapshot()) == everything(good(1, 10, -10.0))


def test_a_tag_that_is_not_there_rejects_the_batch(store, reader):
    with pytest.raises(UsageError, match="tag_id 4"):
        store.insert(make_samples([good(1, 2, 2.0), good(4, 2, 2.0)]), mode="no-replace", **CAUSE)
    assert stored_rows(reader.snapshot()) == everything()


def test_the_hook_is_part_of_the_transaction(store, reader, store_path):
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("insert into health (name, figures) values ('import', '{}')")
        raise UsageError("no")

    with pytest.raises(UsageError):
        store.insert(make_samples([good(1, 2, 2.0)]), mode="no-replace", also=fail, **CAUSE)
    assert stored_rows(reader.snapshot()) == everything()
    assert "import" not in reader.health()


def test_nothing_to_insert(store, reader):
    report = store.insert(Samples.empty(), mode="replace", **CAUSE)
    assert (report.inserted, report.replaced, report.duplicates) == (0, 0, 0)
    assert stored_rows(reader.snapshot()) == everything()


def test_what_a_flush_moves_while_one_looks_is_found(store, reader, monkeypatch):
    """The files and batches were read, then the buffer became a file."""
    from storage.existing import Gathering

    prepare = Gathering.prepare

    def prepare_and_flush(self) -> None:
        prepare(self)
        store.flush(force=True)

    monkeypatch.setattr(Gathering, "prepare", prepare_and_flush)
    report = store.insert(make_samples([*BUFFERED, *ARCHIVED]), mode="no-replace", **CAUSE)
    assert report.duplicates == 5
    assert stored_rows(reader.snapshot()) == everything()


def test_many_old_samples_are_kept_beside_the_audit(store, reader):
    count = 2_500
    times = T0 + 1000 * SECOND + np.arange(count) * SECOND

    def batch(first: float) -> Samples:
        return Samples(np.full(count, 3, np.int32), times, np.arange(count) + first, np.zeros(count, np.uint32))

    store.insert(batch(0.0), mode="no-replace", **CAUSE)
    assert store.insert(batch(0.5), mode="replace", **CAUSE).replaced == count
    line = reader.snapshot().audit.to_pylist()[-1]
    told = json.loads(line["old"])
    assert (line["action"], line["object"], told["samples"]) == ("samples replaced", "T002", count)
    former = reader.former(told["former"])
    assert former.column("value").to_pylist() == [float(number) for number in range(count)]
    link = sqlite3.connect(store.folder / names.DATABASE)
    for statement in ("delete from former", "update former set rows = 0"):
        with pytest.raises(sqlite3.IntegrityError, match="kept for the audit"):
            link.execute(statement)
    link.close()


def test_an_insert_is_one_line_of_the_audit(store, reader):
    before = len(reader.snapshot().audit)
    store.insert(make_samples([good(1, 2, 2.0), good(2, 2, 2.0)]), mode="no-replace", **CAUSE)
    assert audit_rows(reader.snapshot())[before:] == [("samples inserted", "2 tags")]
