"""Corrections: one visible version of each sample, the other in the audit, wherever the sample was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.held_data import Door
from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import audit_rows, newest_rows, rows_of, stored_rows
from historian.errors import CorruptionError, UsageError
from historian.model.commit import Commit, HeldSamples, OpenDoor
from historian.model.samples import Samples
from historian.model.status import BAD_NO_COMMUNICATION, BAD_SHUTDOWN, GOOD, SUBSTITUTED
from storage import correct, edit_audit
from storage.correct import EditKind
from storage.reader import StoreReader
from storage.store import Store

CAUSE = {"who": "kim", "why": "lab sample", "time_us": T0 + 100 * SECOND}
NOTHING = (1, T0 + 4 * SECOND, None, BAD_NO_COMMUNICATION)
ARCHIVED = [good(1, 1, 1.0), good(1, 2, 2**64 - 1), good(1, 3, "text"), NOTHING]
BUFFERED = [good(1, 5, 5.0), good(2, 5, 5.0)]
PENDING = [good(1, 7, 7.0)]
EVERYWHERE = [*ARCHIVED, BUFFERED[0], *PENDING]


@pytest.fixture
def store(store_path):
    """Samples of tag 1 in a file, in the buffer and pending; tag 2 is collected by nobody."""
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(3), T0, "test")
        store.commit(Commit(T0, make_samples(ARCHIVED)))
        store.flush(force=True)
        current = make_current(PENDING, newest=[True], pending=[True])
        store.commit(Commit(T0 + 8 * SECOND, make_samples(BUFFERED[:1]), {0: current}))
        store.insert(make_samples(BUFFERED[1:]), mode="no-replace", **CAUSE)
        yield store


@pytest.fixture
def reader(store, store_path):
    with StoreReader.open(store_path) as reader:
        yield reader


def rows_with(*changed, without=()):
    rows = {row[:2]: row for row in [*ARCHIVED, *BUFFERED, *PENDING, *changed]}
    return sorted((row for key, row in rows.items() if key not in without), key=lambda row: row[:2])


def test_corrections_of_what_a_door_holds_stay_when_the_door_leaves_it_out(store, reader):
    door = Door(3)
    scans = [good(3, second, 0.0) for second in range(6)]
    store.commit(Commit(T0, held={0: door.settled(scans)}))
    assert store.edit(3, scans[1][1], 5.0, **CAUSE).kind is EditKind.REPLACED
    assert store.remove(3, scans[2][1], scans[3][1], **CAUSE).removed == 1
    edited = (3, scans[1][1], 5.0, SUBSTITUTED)
    assert of_tag_3(reader) == [scans[0], edited, *scans[3:]]
    door.push(scans)
    store.commit(Commit(T0, door.settle(), held={0: door.settled()}))
    assert of_tag_3(reader) == [scans[0], edited, scans[4], scans[5]]
    store.commit(Commit(T0, make_samples([scans[5]]), held={0: HeldSamples(Samples.empty(), OpenDoor.gone())}))
    store.flush(force=True)
    store.compact(T0 + 40 * 86_400 * SECOND, everything=True)
    assert of_tag_3(reader) == [scans[0], edited, scans[5]]
    assert [row for row in reader.snapshot().edits.to_pylist() if row["tag_id"] == 3] == []


def of_tag_3(reader):
    return [row for row in stored_rows(reader.snapshot()) if row[0] == 3]


def marked(row):
    return (*row[:3], row[3] | SUBSTITUTED)


@pytest.mark.parametrize("there", EVERYWHERE)
@pytest.mark.parametrize("value", [-1.5, 2**63 + 1, "other", None])
def test_a_sample_is_replaced_wherever_it_is(store, reader, there, value):
    status = BAD_NO_COMMUNICATION | 0x10000 if value is None else GOOD
    report = store.edit(there[0], there[1], value, status, **CAUSE)
    assert report.kind is EditKind.REPLACED
    assert stored_rows(reader.snapshot()) == rows_with(marked((*there[:2], value, status)))


def test_a_held_sample_stays_edited_when_it_is_stored(store, reader):
    store.edit(1, PENDING[0][1], -7.0, **CAUSE)
    edited = marked(good(1, 7, -7.0))
    current = make_current([good(1, 8, 8.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + 9 * SECOND, make_samples(PENDING), {0: current}))
    assert stored_rows(reader.snapshot()) == rows_with(edited, good(1, 8, 8.0))
    store.flush(force=True)
    assert stored_rows(reader.snapshot()) == rows_with(edited, good(1, 8, 8.0))


def test_a_held_sample_stays_edited_when_compression_drops_it(store, reader):
    store.edit(1, PENDING[0][1], -7.0, **CAUSE)
    current = make_current([good(1, 8, 8.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + 9 * SECOND, make_samples([]), {0: current}))
    assert stored_rows(reader.snapshot()) == rows_with(marked(good(1, 7, -7.0)), good(1, 8, 8.0))


def test_an_edit_survives_a_crash_of_the_collector(store, reader, store_path):
    store.edit(1, PENDING[0][1], -7.0, **CAUSE)
    store.close()
    with Store.open(store_path) as again:
        again.recover(T0 + 60 * SECOND)
        ended = (1, T0 + 8 * SECOND, None, BAD_SHUTDOWN)
        assert stored_rows(reader.snapshot()) == rows_with(marked(good(1, 7, -7.0)), ended)


def test_the_audit_has_both(store, reader):
    store.edit(1, ARCHIVED[1][1], 3.5, **CAUSE)
    line = reader.snapshot().audit.to_pylist()[-1]
    assert (line["who"], line["action"], line["object"], line["why"]) == ("kim", "sample edited", "T000", "lab sample")
    assert json.loads(line["old"]) == {
        "time": "2025-11-13T02:13:22.000000Z", "value": 2**64 - 1, "status": "Good", "status_code": 0,
    }  # fmt: skip
    assert json.loads(line["new"])["value"] == 3.5


def test_every_step_of_a_sample_is_in_the_audit(store, reader):
    """Edited twice, removed, made anew: at each moment one version, or none."""
    at_us = ARCHIVED[0][1]
    store.edit(1, at_us, 10.0, **CAUSE)
    store.edit(1, at_us, 11.0, **CAUSE)
    assert stored_rows(reader.snapshot()) == rows_with(marked(good(1, 1, 11.0)))
    assert store.remove(1, at_us, at_us + 1, **CAUSE).removed == 1
    assert stored_rows(reader.snapshot()) == rows_with(without=[(1, at_us)])
    assert store.edit(1, at_us, 12.0, insert=True, **CAUSE).kind is EditKind.INSERTED
    assert stored_rows(reader.snapshot()) == rows_with(marked(good(1, 1, 12.0)))
    lines = [line for line in reader.snapshot().audit.to_pylist() if "sample " in line["action"]]
    assert [(value_in(line["old"]), value_in(line["new"])) for line in lines] == [
        (1.0, 10.0),
        (10.0, 11.0),
        (11.0, None),
        (None, 12.0),
    ]


def value_in(told: str):
    return json.loads(told)["value"] if told else None


def test_what_was_inserted_by_hand_can_go_again(store, reader):
    at_us = T0 + round(5.5 * SECOND)
    store.edit(1, at_us, 5.5, insert=True, **CAUSE)
    assert stored_rows(reader.snapshot()) == rows_with(marked(good(1, 5.5, 5.5)))
    assert store.remove(1, at_us, at_us + 1, **CAUSE).removed == 1
    assert stored_rows(reader.snapshot()) == rows_with()
    assert len(reader.snapshot().edits) == 0


def test_the_same_value_again_changes_nothing(store, reader):
    store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE)
    lines = len(reader.snapshot().audit)
    assert store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE).kind is EditKind.UNCHANGED
    assert len(reader.snapshot().audit) == lines


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, T0 + 17, 1.0), "no sample at 2025-11-13T02:13:20.000017Z"),
        ((9, T0, 1.0), "tag_id 9"),
        ((1, ARCHIVED[0][1], 1.0, BAD_NO_COMMUNICATION), "got a value and a status that is Bad"),
        ((1, ARCHIVED[0][1], None), "got no value"),
    ],
)
def test_what_cannot_be_edited(store, reader, arguments, text):
    with pytest.raises(UsageError, match=text):
        store.edit(*arguments, **CAUSE)
    assert stored_rows(reader.snapshot()) == rows_with()


def test_removing_a_range(store, reader):
    report = store.remove(1, T0 + 2 * SECOND, T0 + 7 * SECOND, **CAUSE)
    gone = [*ARCHIVED[1:], BUFFERED[0]]
    assert (report.tag, report.removed) == ("T000", 4)
    assert (report.first_us, report.last_us) == (gone[0][1], gone[-1][1])
    assert stored_rows(reader.snapshot()) == rows_with(without=[row[:2] for row in gone])
    lines = audit_rows(reader.snapshot())
    assert lines[-4:] == [("sample removed", "T000")] * 4
    assert store.remove(1, T0 + 2 * SECOND, T0 + 7 * SECOND, **CAUSE).removed == 0
    assert audit_rows(reader.snapshot()) == lines


def test_a_large_range_is_one_line_and_loses_nothing(store, reader, monkeypatch):
    monkeypatch.setattr(edit_audit, "LINES", 3)
    monkeypatch.setattr(edit_audit, "PIECE_ROWS", 2)
    before = stored_rows(reader.snapshot())
    store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE)
    store.remove(1, T0, T0 + 6 * SECOND, **CAUSE)
    line = reader.snapshot().audit.to_pylist()[-1]
    told = json.loads(line["old"])
    assert (line["action"], told["samples"], told["first"]) == ("samples removed", 5, "2025-11-13T02:13:21.000000Z")
    kept = reader.former(told["former"])
    expected = [marked(good(1, 1, 10.0)), *(row for row in before if row[0] == 1 and SECOND < row[1] - T0 < 6 * SECOND)]
    assert rows_of(kept) == expected
    assert len(reader.former(99)) == 0


def test_too_many_at_once(store, reader, monkeypatch):
    monkeypatch.setattr(correct, "MAX_REMOVED", 5)
    with pytest.raises(UsageError, match="in parts"):
        store.remove(1, T0, T0 + 60 * SECOND, **CAUSE)
    assert stored_rows(reader.snapshot()) == rows_with()


def test_an_empty_range(store):
    with pytest.raises(UsageError, match="empty"):
        store.remove(1, T0, T0, **CAUSE)


def test_the_newest_sample_of_a_tag_that_is_collected(store, reader):
    """Edited it is shown edited; removed the tag has none until the next scan, which brings its own."""
    store.edit(1, PENDING[0][1], -7.0, **CAUSE)
    assert newest_rows(reader.snapshot())[1] == marked(good(1, 7, -7.0))
    store.remove(1, PENDING[0][1], PENDING[0][1] + 1, **CAUSE)
    assert 1 not in newest_rows(reader.snapshot())
    current = make_current([good(1, 8, 8.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + 9 * SECOND, current={0: current}))
    assert newest_rows(reader.snapshot())[1] == good(1, 8, 8.0)


def test_the_newest_sample_of_a_tag_that_nobody_collects(store, reader):
    day = 86_400
    store.insert(make_samples([good(2, 5 + 40 * day, 6.0)]), mode="no-replace", **CAUSE)
    assert newest_rows(reader.snapshot())[2] == good(2, 5 + 40 * day, 6.0)
    store.remove(2, T0 + day * SECOND, T0 + 50 * day * SECOND, **CAUSE)
    assert newest_rows(reader.snapshot())[2] == BUFFERED[1]
    store.remove(2, T0, T0 + day * SECOND, **CAUSE)
    assert 2 not in newest_rows(reader.snapshot())


def test_a_damaged_file_is_named(store, reader):
    (file,) = reader.snapshot().files
    with Path(file.path).open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(CorruptionError, match="historian verify"):
        store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE)
    assert len(reader.snapshot().edits) == 0


def test_a_reader_keeps_edits_that_did_not_change(store, reader):
    store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE)
    assert reader.snapshot().edits is reader.snapshot().edits


def test_compaction_leaves_the_edit_of_a_newest_sample(store, reader):
    """The collector still says what the newest is: written into a file, the edit would not be seen in its place."""
    current = make_current([good(1, 7, 7.0)], newest=[True], pending=[False])
    store.commit(Commit(T0 + 9 * SECOND, make_samples(PENDING), {0: current}))
    store.edit(1, PENDING[0][1], -7.0, **CAUSE)
    store.edit(1, ARCHIVED[0][1], 10.0, **CAUSE)
    store.flush(force=True)
    store.compact(T0 + 90 * 86_400 * SECOND, everything=True)
    snapshot = reader.snapshot()
    assert rows_of(snapshot.edits) == [marked(good(1, 7, -7.0))]
    assert newest_rows(snapshot)[1] == marked(good(1, 7, -7.0))
    assert stored_rows(snapshot) == rows_with(marked(good(1, 7, -7.0)), marked(good(1, 1, 10.0)))
