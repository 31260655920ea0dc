"""What every store must do, whatever it is made of: one suite that the tests of each store subclass.

A store brings how it is opened for writing and for reading::

    class TestMyStore(StoreConformance):
        def open_writer(self, path, **options):
            return MyStore.open(path, **options)

        def open_reader(self, path):
            return MyReader.open(path)

Samples are compared as plain tuples ``(tag_id, time_us, value, status)``, read from the files of a snapshot by pyarrow
and from its tables, so that no code of the store judges itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conformance.held_data import Door
from conformance.store_data import SECOND, T0, Row, good, make_current, make_samples, make_tags
from historian.config.settings import StoreSettings
from historian.errors import StoreLockedError, StoreNotFoundError, UsageError
from historian.model.commit import AuditEvent, Commit, HeldSamples, OpenDoor, QuarantinedSample
from historian.model.samples import Samples
from historian.model.status import BAD_NO_COMMUNICATION, BAD_SHUTDOWN, BAD_WAITING_FOR_INITIAL_DATA, GOOD
from historian.model.tag import ValueType


def rows_of(table: pa.Table) -> list[Row]:
    """Samples of a table as tuples, in its order."""
    columns = [table.column(name).to_pylist() for name in ("tag_id", "value", "value_int", "value_text", "status")]
    times = table.column("time").cast(pa.int64()).to_pylist()
    return [
        (tag_id, time_us, text if text is not None else (int(whole) if whole is not None else value), status % 2**32)
        for (tag_id, value, whole, text, status), time_us in zip(zip(*columns, strict=True), times, strict=True)
    ]


def stored_rows(snapshot) -> list[Row]:
    """Every sample of a snapshot, sorted: those of its files and those that are in none yet, as edits leave them."""
    archived = [row for file in snapshot.files for row in rows_of(pq.read_table(file.path))]
    rows = [*archived, *rows_of(snapshot.recent)]
    if len(snapshot.edits):
        kinds = snapshot.edits.column("kind").to_pylist()
        edited = {row[:2]: (row, kind) for row, kind in zip(rows_of(snapshot.edits), kinds, strict=True)}
        rows = [row for row in rows if row[:2] not in edited]
        rows += [row for row, kind in edited.values() if kind != "remove"]
    return sorted(rows, key=lambda row: row[:2])


def newest_rows(snapshot) -> dict[int, Row]:
    """The newest sample of each tag."""
    rows = rows_of(snapshot.current)
    assert len({row[0] for row in rows}) == len(rows), "a tag has two newest samples"
    return {row[0]: row for row in rows}


def audit_rows(snapshot) -> list[tuple[str, str]]:
    """Action and object of each line of the audit."""
    return list(zip(*(snapshot.audit.column(name).to_pylist() for name in ("action", "object")), strict=True))


class StoreConformance(ABC):
    """The suite.  Every test gets ``path``, where a store may be made, and ``store``, a new one with three tags."""

    @abstractmethod
    def open_writer(self, path, **options):
        """The store open for writing, with the keywords of ``storage.store.Store.open``."""

    @abstractmethod
    def open_reader(self, path):
        """The store open for reading."""

    @pytest.fixture
    def cleanup(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            yield stack

    @pytest.fixture
    def store(self, store_path, cleanup):
        store = self.open_writer(store_path, create=True)
        cleanup.callback(store.close)
        store.register_tags(make_tags(3), T0, "test")
        return store

    @pytest.fixture
    def reader(self, store, store_path, cleanup):
        reader = self.open_reader(store_path)
        cleanup.callback(reader.close)
        return reader

    def test_a_new_store_is_empty(self, reader):
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == []
        assert newest_rows(snapshot) == {}
        assert snapshot.files == ()
        assert snapshot.health == {}
        assert reader.statistics().samples == 0

    def test_opening_what_is_not_there_says_so(self, store_path):
        with pytest.raises(StoreNotFoundError, match=str(store_path)):
            self.open_writer(store_path)
        with pytest.raises(StoreNotFoundError, match=str(store_path)):
            self.open_reader(store_path)

    def test_a_second_writer_is_told_who_writes(self, store, store_path):
        with pytest.raises(StoreLockedError, match=r"process \d+ on .* since 20"):
            self.open_writer(store_path)

    def test_tags_keep_their_identifiers(self, store, store_path):
        first = store.register_tags(make_tags(3), T0 + 1, "test")
        more = store.register_tags([*make_tags(3), *make_tags(2, "U")], T0 + 2, "test")
        assert sorted(more.values()) == [1, 2, 3, 4, 5]
        assert {name: more[name] for name in first} == first
        store.close()
        with self.open_writer(store_path) as again:
            assert again.register_tags([*make_tags(2, "U"), *make_tags(3)], T0 + 3, "test") == more

    def test_what_was_committed_is_read(self, store, reader):
        rows = [good(1, 0, 1.5), good(2, 0, -0.25), (3, T0, None, BAD_NO_COMMUNICATION)]
        store.commit(Commit(T0, make_samples(rows)))
        assert stored_rows(reader.snapshot()) == rows

    @pytest.mark.parametrize(
        "value",
        [
            0.0,
            -0.0,
            5e-324,
            1.7976931348623157e308,
            0.1,
            2**53 + 1,
            -(2**63),
            2**64 - 1,
            "",
            "open",
            "größer ≥ 5 °C",
            None,
        ],
    )
    def test_values_survive_exactly(self, store, reader, value):
        status = GOOD if value is not None else BAD_NO_COMMUNICATION
        rows = [good(1, 0, 1.0), (2, T0, value, status), good(3, 0, 2.0)]
        store.commit(Commit(T0, make_samples(rows)))
        assert [repr(row) for row in stored_rows(reader.snapshot())] == [repr(row) for row in rows]
        store.flush(force=True)
        assert [repr(row) for row in stored_rows(reader.snapshot())] == [repr(row) for row in rows]

    @pytest.mark.parametrize("status", [0x00000000, 0x40900000, 0x80310000, 0xFFFFFFFF, 0x80000401])
    def test_all_bits_of_a_status_survive(self, store, reader, status):
        store.commit(Commit(T0, make_samples([(1, T0, None, status)])))
        store.flush(force=True)
        assert stored_rows(reader.snapshot()) == [(1, T0, None, status)]

    @pytest.mark.parametrize("time_us", [-1, 0, -62_135_596_800_000_000, 253_402_300_799_999_999])
    def test_any_time_is_kept(self, store, reader, time_us):
        store.commit(Commit(T0, make_samples([(1, time_us, 1.0, GOOD)])))
        store.flush(force=True)
        snapshot = reader.snapshot()
        table = pq.read_table(snapshot.files[0].path)
        assert table.column("time").cast(pa.int64()).to_pylist() == [time_us]
        assert (snapshot.files[0].first_us, snapshot.files[0].last_us) == (time_us, time_us)

    def test_flushing_moves_samples_and_changes_nothing_else(self, store, reader):
        rows = [good(tag, second, tag + second / 10) for second in range(5) for tag in (3, 1, 2)]
        for row in rows:
            store.commit(Commit(row[1], make_samples([row])))
        before = reader.snapshot()
        report = store.flush(force=True)
        after = reader.snapshot()
        assert (report.rows, report.batches) == (15, 15)
        assert before.recent.num_rows == 15
        assert after.recent.num_rows == 0
        assert [file.rows for file in after.files] == [15]
        assert stored_rows(before) == stored_rows(after) == sorted(rows)

    def test_an_older_snapshot_stays_whole(self, store, reader):
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
        before = reader.snapshot()
        store.flush(force=True)
        store.commit(Commit(T0 + 1, make_samples([good(1, 1, 2.0)])))
        store.flush(force=True)
        assert stored_rows(before) == [good(1, 0, 1.0)]

    def test_flushing_nothing_does_nothing(self, store):
        store.flush(force=True)
        assert store.flush(force=True) is None
        assert store.flush() is None

    def test_a_flush_is_due_by_rows_or_by_age(self, store_path):
        settings = StoreSettings(store_path, flush_rows=3, flush_us=10 * SECOND)
        with self.open_writer(store_path, create=True, settings=settings) as store:
            store.register_tags(make_tags(1), T0, "test")
            store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
            store.commit(Commit(T0 + SECOND, make_samples([good(1, 1, 1.0)])))
            assert store.flush() is None
            store.commit(Commit(T0 + 2 * SECOND, make_samples([good(1, 2, 1.0)])))
            assert store.flush().rows == 3
            store.commit(Commit(T0 + 3 * SECOND, make_samples([good(1, 3, 1.0)])))
            store.commit(Commit(T0 + 12 * SECOND))
            assert store.flush() is None
            store.commit(Commit(T0 + 13 * SECOND))
            assert store.flush().rows == 1

    def test_held_samples_are_seen_once_and_the_newest_is_current(self, store, reader):
        held = [good(1, 1, 10.0), good(1, 2, 20.0), good(2, 2, 5.0)]
        current = make_current(held, newest=[False, True, True], pending=[True, True, False], last_scan_us=T0 + 7)
        store.commit(Commit(T0, make_samples([good(1, 0, 0.0), good(2, 2, 5.0)]), {0: current}))
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == [good(1, 0, 0.0), good(1, 1, 10.0), good(1, 2, 20.0), good(2, 2, 5.0)]
        assert newest_rows(snapshot) == {1: good(1, 2, 20.0), 2: good(2, 2, 5.0)}
        assert snapshot.current.column("last_scan").cast(pa.int64()).to_pylist() == [T0 + 7, T0 + 7]
        store.flush(force=True)
        assert stored_rows(reader.snapshot()) == stored_rows(snapshot)

    def test_a_group_replaces_only_itself(self, store, reader):
        first = make_current([good(1, 0, 1.0)], newest=[True], pending=[True])
        other = make_current([good(2, 0, 2.0)], newest=[True], pending=[True])
        store.commit(Commit(T0, current={0: first, 1: other}))
        later = make_current([good(1, 1, 3.0)], newest=[True], pending=[True])
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0)]), {0: later}))
        assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0), good(1, 1, 3.0), good(2, 0, 2.0)]
        assert newest_rows(reader.snapshot()) == {1: good(1, 1, 3.0), 2: good(2, 0, 2.0)}

    def test_a_tag_that_never_answered_has_no_last_scan(self, store, reader):
        waiting = (1, T0, None, BAD_WAITING_FOR_INITIAL_DATA)
        current = make_current([waiting], newest=[True], pending=[False], last_scan_us=0)
        store.commit(Commit(T0, current={0: current}))
        snapshot = reader.snapshot()
        assert newest_rows(snapshot) == {1: waiting}
        assert snapshot.current.column("last_scan").to_pylist() == [None]
        assert len(store.newest()) == 0

    def test_newest_covers_all_groups(self, store):
        groups = {
            0: make_current([good(1, 5, 1.0), good(1, 4, 0.5)], newest=[True, False], pending=[True, True]),
            1: make_current([good(3, 1, "on")], newest=[True], pending=[False]),
        }
        store.commit(Commit(T0, current=groups))
        newest = store.newest()
        assert newest.tag_id.tolist() == [1, 3]
        assert newest.time_us.tolist() == [T0 + 5 * SECOND, T0 + SECOND]
        assert newest.value[0] == 1.0
        assert newest.text == {1: "on"}

    def test_an_orderly_end_leaves_nothing_to_recover(self, store, store_path):
        end = (1, T0 + 2 * SECOND, None, BAD_SHUTDOWN)
        current = make_current([end], newest=[True], pending=[False])
        store.commit(Commit(T0 + 2 * SECOND, make_samples([good(1, 0, 1.0), end]), {0: current}), final=True)
        store.close()
        with self.open_writer(store_path) as again, self.open_reader(store_path) as reader:
            assert again.recover(T0 + 60 * SECOND) is None
            assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0), end]
            # The groups' numbers are free: another group 0 takes nothing away from the tag of the last run.
            other = make_current([good(2, 70, 1.0)], newest=[True], pending=[True])
            again.commit(Commit(T0 + 70 * SECOND, current={0: other}))
            assert newest_rows(reader.snapshot()) == {1: end, 2: good(2, 70, 1.0)}

    def test_what_a_door_holds_is_seen_once_until_it_is_settled(self, store, reader):
        door = Door(2)
        scans = [good(tag, second, 0.0) for second in range(4) for tag in (1, 2)]
        store.commit(Commit(T0, held={7: door.settled(scans[:4])}))
        assert stored_rows(reader.snapshot()) == sorted(scans[:4])
        store.commit(Commit(T0, held={7: HeldSamples(make_samples(scans[4:]))}))
        assert stored_rows(reader.snapshot()) == sorted(scans)
        door.push(scans)
        store.commit(Commit(T0, door.settle(), held={7: door.settled([good(1, 4, 9.0)])}))
        # Of each tag the first is stored, and held are the last that may end a line and the one behind it.
        held = [good(tag, second, 0.0) for tag in (1, 2) for second in (0, 2, 3)]
        assert stored_rows(reader.snapshot()) == sorted([*held, good(1, 4, 9.0)])
        other = Door(2).settled([good(2, 9, 1.0)])
        store.commit(Commit(T0, held={8: other, 7: HeldSamples(Samples.empty(), OpenDoor.gone())}))
        assert stored_rows(reader.snapshot()) == [good(1, 0, 0.0), good(2, 0, 0.0), good(2, 9, 1.0)]

    def test_what_a_door_held_when_the_run_broke_off_is_stored_as_at_a_stop(self, store, store_path):
        door = Door(2)
        scans = [good(tag, second, 0.0) for second in range(4) for tag in (1, 2)]
        door.push(scans)
        newest = [good(1, 4, 9.0), good(2, 3, 0.0)]
        current = make_current(newest, newest=[True, True], pending=[False, False])
        held = {0: door.settled(scans), 1: HeldSamples(make_samples([good(3, 1, 1.0)]))}
        store.commit(Commit(T0, door.settle(), {0: current}, held=held | {0: door.settled(newest[:1])}))
        store.close()
        with self.open_writer(store_path) as again, self.open_reader(store_path) as reader:
            assert again.recover(T0 + 60 * SECOND).stored == 4
            rows = stored_rows(reader.snapshot())
            assert again.recover(T0 + 61 * SECOND) is None
        ends = [(1, T0 + 4 * SECOND + 1, None, BAD_SHUTDOWN), (2, T0 + 3 * SECOND + 1, None, BAD_SHUTDOWN)]
        kept = [good(1, 0, 0.0), good(1, 3, 0.0), good(1, 4, 9.0), good(2, 0, 0.0), good(2, 3, 0.0)]
        # Of a door that is not known any more everything is stored.
        assert rows == sorted([*kept, *ends, good(3, 1, 1.0)], key=lambda row: row[:2])

    def test_a_crash_ends_each_tag_at_the_last_commit(self, store, store_path):
        held = [good(1, 1, 1.0), good(1, 2, 2.0), good(2, 9, 5.0)]
        current = make_current(held, newest=[False, True, True], pending=[True, True, False])
        waiting = make_current(
            [(3, T0, None, BAD_WAITING_FOR_INITIAL_DATA)], newest=[True], pending=[False], last_scan_us=0
        )
        commit = Commit(T0 + 4 * SECOND, make_samples([good(1, 0, 0.0), good(2, 9, 5.0)]), {0: current, 1: waiting})
        store.commit(commit)
        store.close()
        with self.open_writer(store_path) as again, self.open_reader(store_path) as reader:
            recovery = again.recover(T0 + 64 * SECOND)
            snapshot = reader.snapshot()
        # Tag 1 ends when the last commit was made, tag 2 after its newest sample, tag 3 never began.
        ends = [(1, T0 + 4 * SECOND, None, BAD_SHUTDOWN), (2, T0 + 9 * SECOND + 1, None, BAD_SHUTDOWN)]
        assert (recovery.stored, recovery.ended, recovery.gap_us) == (2, 2, 60 * SECOND)
        expected = [good(1, 0, 0.0), good(1, 1, 1.0), good(1, 2, 2.0), ends[0], good(2, 9, 5.0), ends[1]]
        assert stored_rows(snapshot) == expected
        assert newest_rows(snapshot) == {1: ends[0], 2: ends[1]}
        assert audit_rows(snapshot)[-1] == ("recovered", "store")
        assert "60.000 s" in snapshot.audit.column("why").to_pylist()[-1]

    def test_recovering_twice_is_recovering_once(self, store, store_path):
        store.commit(Commit(T0, current={0: make_current([good(1, 0, 1.0)], newest=[True], pending=[True])}))
        store.close()
        for attempt in range(3):
            with self.open_writer(store_path) as again:
                assert (again.recover(T0 + (10 + attempt) * SECOND) is not None) == (attempt == 0)
                assert again.recover(T0 + 99 * SECOND) is None
        with self.open_reader(store_path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0), (1, T0 + 1, None, BAD_SHUTDOWN)]

    def test_a_tag_that_ended_before_is_not_ended_again(self, store, store_path):
        end = (1, T0, None, BAD_SHUTDOWN)
        current = make_current([end, good(2, 0, 1.0)], newest=[True, True], pending=[False, False])
        store.commit(Commit(T0, make_samples([end, good(2, 0, 1.0)]), {0: current}))
        store.close()
        with self.open_writer(store_path) as again, self.open_reader(store_path) as reader:
            assert again.recover(T0 + SECOND).ended == 1
            assert stored_rows(reader.snapshot()) == [end, good(2, 0, 1.0), (2, T0 + 1, None, BAD_SHUTDOWN)]
        # The run after that dies before it has read tag 2: it has nothing to end.
        with self.open_writer(store_path) as again:
            again.recover(T0 + 2 * SECOND)
            again.commit(
                Commit(T0 + 3 * SECOND, current={0: make_current([good(1, 3, 1.0)], newest=[True], pending=[True])})
            )
        with self.open_writer(store_path) as again:
            assert again.recover(T0 + 9 * SECOND).ended == 1

    def test_the_first_commit_recovers_by_itself(self, store, store_path):
        store.commit(Commit(T0, current={0: make_current([good(1, 0, 1.0)], newest=[True], pending=[True])}))
        store.close()
        with self.open_writer(store_path) as again, self.open_reader(store_path) as reader:
            current = make_current([good(1, 9, 2.0)], newest=[True], pending=[True])
            again.commit(Commit(T0 + 9 * SECOND, current={0: current}))
            expected = [good(1, 0, 1.0), (1, T0 + 1, None, BAD_SHUTDOWN), good(1, 9, 2.0)]
            assert stored_rows(reader.snapshot()) == expected

    def test_a_change_begins_a_version_and_is_audited(self, store, reader):
        plain = make_tags(3)
        changed = replace(plain[1], units="bar", scale=0.1, enumeration={1: "open", 0: "closed"})
        store.register_tags([plain[0], changed, plain[2]], T0 + 5, "anna")
        store.register_tags([plain[0], changed, plain[2]], T0 + 6, "anna")
        versions = [row for row in reader.tag_versions().to_pylist() if row["tag"] == "T001"]
        assert [(row["version"], row["units"], row["scale"]) for row in versions] == [(1, "", None), (2, "bar", 0.1)]
        assert [row["enumeration"] for row in versions] == [None, '{"0": "closed", "1": "open"}']
        assert versions[0]["valid_to"] == versions[1]["valid_from"]
        assert versions[1]["valid_to"] is None
        snapshot = reader.snapshot()
        held = {row["tag"]: row for row in snapshot.tags.to_pylist()}
        assert held["T001"]["units"] == "bar"
        assert held["T001"]["is_step"] is True
        last = snapshot.audit.to_pylist()[-1]
        assert (last["who"], last["action"], last["object"]) == ("anna", "tag changed", "T001")
        assert last["old"] == '{"units": "", "scale": null, "enumeration": null}'
        assert '"units": "bar"' in last["new"]

    def test_types_that_sources_tell(self, store, reader):
        store.update_types({1: ValueType.FLOAT32, 2: ValueType.BOOL}, T0 + 5)
        store.register_tags(make_tags(3), T0 + 6, "test")  # the configuration leaves the types open: they stay
        store.update_types({1: ValueType.FLOAT64, 2: ValueType.BOOL}, T0 + 7)
        versions = [(row["tag_id"], row["version"], row["value_type"]) for row in reader.tag_versions().to_pylist()]
        assert versions == [(1, 1, "float32"), (1, 2, "float64"), (2, 1, "bool"), (3, 1, None)]
        assert [row["is_step"] for row in reader.snapshot().tags.to_pylist()] == [False, True, False]

    def test_many_new_tags_are_one_line_of_the_audit(self, store, reader):
        before = reader.snapshot().audit.num_rows
        store.register_tags(make_tags(1500, "M"), T0, "test")
        assert audit_rows(reader.snapshot())[before:] == [("tags created", "1500 tags")]
        assert reader.snapshot().tags.num_rows == 1503

    def test_health_is_replaced_by_name(self, store, reader):
        store.commit(
            Commit(T0, health={"process": {"pid": 1}, "source/a": {"state": "connected", "last_good_us": None}})
        )
        store.commit(Commit(T0, health={"process": {"pid": 2}}))
        assert reader.health() == {"process": {"pid": 2}, "source/a": {"state": "connected", "last_good_us": None}}
        assert reader.snapshot().health == reader.health()

    def test_notes_of_sources_are_replaced_by_source_and_key(self, store, reader):
        assert reader.source_notes() == {}
        store.commit(Commit(T0, notes={("a", "cost"): "1", ("a", "limits"): "2", ("b", "cost"): "3"}))
        store.commit(Commit(T0, notes={("a", "cost"): "4"}))
        assert reader.source_notes() == {("a", "cost"): "4", ("a", "limits"): "2", ("b", "cost"): "3"}
        assert store.source_notes() == reader.source_notes()

    def test_events_and_refused_samples_are_kept(self, store, reader):
        event = AuditEvent(T0, "historian", "clock step", "clock", "0", "-5 s", "seen")
        refused = QuarantinedSample(1, T0 + 10**12, "5.5", GOOD, "in the future", T0)
        store.commit(Commit(T0, events=[event], quarantined=[refused]))
        assert audit_rows(reader.snapshot())[-1] == ("clock step", "clock")
        assert reader.quarantine() == [refused]
        assert reader.statistics().quarantined == 1

    def test_one_bad_commit_changes_nothing(self, store, reader):
        before = reader.snapshot()
        with pytest.raises(UsageError, match="tag_id 4"):
            store.commit(Commit(T0, make_samples([good(4, 0, 1.0)]), health={"process": {"pid": 1}}))
        assert reader.snapshot().health == before.health
        assert stored_rows(reader.snapshot()) == []

    def test_statistics_add_up(self, store, reader):
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0), good(2, 5, 1.0)])))
        store.flush(force=True)
        store.commit(Commit(T0 + 9 * SECOND, make_samples([good(1, 9, 1.0)])))
        figures = reader.statistics()
        assert (figures.tags, figures.samples, figures.archive_rows, figures.buffer_rows) == (3, 3, 2, 1)
        assert (figures.files, figures.batches) == (1, 1)
        assert (figures.first_us, figures.last_us, figures.last_commit_us) == (T0, T0 + 9 * SECOND, T0 + 9 * SECOND)
        assert figures == store.statistics()

    def test_readers_see_the_newest_commit_at_once(self, store, reader):
        for second in range(5):
            store.commit(Commit(T0, make_samples([good(1, second, float(second))])))
            assert len(stored_rows(reader.snapshot())) == second + 1

    def test_a_store_without_a_writer_is_read(self, store, store_path):
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
        store.close()
        with self.open_reader(store_path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0)]

    def test_closing_twice_does_no_harm(self, store, reader):
        store.close()
        store.close()
        reader.close()
        reader.close()
