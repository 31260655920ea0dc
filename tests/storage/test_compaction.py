"""Compaction as a whole: what is read before is read after, from fewer files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from conformance.store_data import Row, make_samples, make_tags
from conformance.store_suite import rows_of
from historian.config.settings import CompactionSettings
from historian.model.commit import Commit
from storage import archive, names, value_kinds
from storage.pace import Pace
from storage.reader import StoreReader
from storage.store import Store

DAY = 86_400_000_000
HOUR = 3_600_000_000
MINUTE = 60_000_000
NOV_1 = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""

SETTINGS = CompactionSettings(settle_us=HOUR)


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(4), NOV_1, "test")
        yield store


@pytest.fixture
def reader(store, store_path):
    with StoreReader.open(store_path) as reader:
        yield reader


def put(store: Store, rows: list[Row]) -> None:
    """One file of the archive with these samples."""
    store.commit(Commit(max(row[1] for row in rows), make_samples(rows)))
    store.flush(force=True)


def minutes(tag: int, first_us: int, count: int, step_us: int = MINUTE) -> list[Row]:
    return [(tag, first_us + step_us * number, float(number % 97), 0) for number in range(count)]


def visible(reader: StoreReader) -> list[Row]:
    """Every visible sample by the rule of the format: edits stand in the place of others.  Slow and plain."""
    snapshot = reader.snapshot()
    rows = [row for file in snapshot.files for row in rows_of(pq.read_table(file.path))] + rows_of(snapshot.recent)
    assert len({row[:2] for row in rows}) == len(rows), "a sample is there twice"
    shown = {row[:2]: row for row in rows}
    kinds = snapshot.edits.column("kind").to_pylist()
    for row, kind in zip(rows_of(snapshot.edits), kinds, strict=True):
        shown.pop(row[:2], None)
        if kind != "remove":
            shown[row[:2]] = row
    return sorted(shown.values(), key=lambda row: row[:2])


def levels(store: Store) -> list[tuple[str, int]]:
    """Level and rows of the files that are part of the store."""
    rows = store._connection.execute("select level, rows from file where retired_us is null order by first_us, number")
    return rows.fetchall()


def test_files_of_minutes_become_one_of_the_day(store, reader):
    for number in range(12):
        put(store, minutes(1, NOV_1 + number * HOUR, 60) + minutes(2, NOV_1 + number * HOUR, 60))
    before = visible(reader)
    report = store.compact(NOV_1 + DAY + 2 * HOUR, SETTINGS)
    assert not report.errors
    assert [(job.action, job.level, job.files_in, job.files_out, job.rows) for job in report.jobs] == [
        ("merge", "day", 12, 1, 1440)
    ]
    assert levels(store) == [("day", 1440)]
    assert visible(reader) == before


def test_a_day_is_left_alone_until_it_has_settled(store):
    put(store, minutes(1, NOV_1, 10))
    put(store, minutes(1, NOV_1 + HOUR, 10))
    assert store.compact(NOV_1 + DAY + HOUR - 1, SETTINGS).jobs == ()
    assert len(store.compact(NOV_1 + DAY + HOUR, SETTINGS).jobs) == 1


def test_days_become_the_month(store, reader):
    for day in range(30):
        put(store, minutes(1, NOV_1 + day * DAY, 24, HOUR))
        put(store, minutes(2, NOV_1 + day * DAY, 24, HOUR))
        store.compact(NOV_1 + (day + 1) * DAY + HOUR, SETTINGS)
        assert levels(store) == ([("day", 48)] * (day + 1) if day < 29 else [("month", 1440)])
    assert len(visible(reader)) == 1440
    assert len(reader.snapshot().files) == 1


def test_a_file_over_midnight_is_split(store, reader):
    put(store, minutes(1, NOV_1 + DAY - 5 * MINUTE, 10))
    put(store, minutes(2, NOV_1, 10))
    put(store, minutes(2, NOV_1 + DAY, 10))
    before = visible(reader)
    report = store.compact(NOV_1 + DAY + HOUR, SETTINGS)
    assert [job.action for job in report.jobs] == ["split", "merge"]
    assert levels(store) == [("day", 15), ("flush", 10), ("flush", 5)]
    assert visible(reader) == before


def test_the_only_file_of_a_day_is_not_written_again(store, reader):
    put(store, minutes(1, NOV_1, 10))
    path = reader.snapshot().files[0].path
    report = store.compact(NOV_1 + DAY + HOUR, SETTINGS)
    assert [job.action for job in report.jobs] == ["rename"]
    assert levels(store) == [("day", 10)]
    assert reader.snapshot().files[0].path == path


def test_late_samples_wait_until_they_are_worth_it(store, reader):
    put(store, minutes(1, NOV_1, 1000))
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    put(store, [(2, NOV_1 + HOUR, 7.0, 0)])
    assert store.compact(NOV_1 + 2 * DAY, SETTINGS).jobs == ()
    assert len(visible(reader)) == 1001, "they are visible all the while"
    put(store, minutes(3, NOV_1, 120))
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    assert levels(store) == [("day", 1121)]


def test_everything_merges_late_samples_at_once(store, reader):
    put(store, minutes(1, NOV_1, 1000))
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    put(store, [(2, NOV_1 + HOUR, 7.0, 0)])
    before = visible(reader)
    store.compact(NOV_1 + 2 * DAY, SETTINGS, everything=True)
    assert levels(store) == [("day", 1001)]
    assert visible(reader) == before


def test_years_of_history_in_one_file_are_sorted_into_months(store, reader):
    put(store, minutes(1, NOV_1 - 400 * DAY, 403, DAY))
    before = visible(reader)
    now = NOV_1 + 2 * DAY + HOUR
    report = store.compact(now, SETTINGS)
    assert {job.action for job in report.jobs} == {"split", "rename"}
    assert [level for level, _ in levels(store)] == ["month"] * 14 + ["day", "day", "flush"]
    assert visible(reader) == before


def test_edits_are_written_into_the_file_and_gone(store, reader):
    put(store, minutes(1, NOV_1, 10))
    put(store, minutes(2, NOV_1, 10))
    store.edit(1, NOV_1 + MINUTE, 99.0, who="test", why="wrong", time_us=NOV_1 + HOUR)
    store.remove(2, NOV_1, NOV_1 + 2 * MINUTE, who="test", why="wrong", time_us=NOV_1 + HOUR)
    store.edit(3, NOV_1 + 1, 5.0, who="test", why="by hand", insert=True, time_us=NOV_1 + HOUR)
    before = visible(reader)
    assert len(before) == 19
    report = store.compact(NOV_1 + 2 * DAY, SETTINGS)
    assert [job.edits for job in report.jobs] == [4]
    assert levels(store) == [("day", 19)]
    assert visible(reader) == before
    assert len(reader.snapshot().edits) == 0


def test_edits_alone_are_reason_enough(store, reader):
    put(store, minutes(1, NOV_1, 10))
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    store.edit(1, NOV_1 + MINUTE, 99.0, who="test", why="wrong", time_us=NOV_1 + 2 * DAY)
    assert store.compact(NOV_1 + 2 * DAY, SETTINGS).jobs == (), "an edit settles too"
    before = visible(reader)
    assert [job.edits for job in store.compact(NOV_1 + 2 * DAY + HOUR, SETTINGS).jobs] == [1]
    assert visible(reader) == before
    assert len(reader.snapshot().edits) == 0


def test_an_edit_of_a_sample_that_is_still_in_the_buffer_stays(store, reader):
    put(store, minutes(1, NOV_1, 10))
    put(store, minutes(3, NOV_1, 10))
    store.commit(Commit(NOV_1 + 2 * DAY, make_samples([(2, NOV_1 + MINUTE, 1.0, 0)])))
    store.remove(2, NOV_1, NOV_1 + DAY, who="test", why="wrong", time_us=NOV_1)
    before = visible(reader)
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    assert levels(store) == [("day", 20)]
    assert visible(reader) == before
    assert len(reader.snapshot().edits) == 1
    store.flush(force=True)
    store.compact(NOV_1 + 2 * DAY, SETTINGS, everything=True)
    assert visible(reader) == before
    assert len(reader.snapshot().edits) == 0


def test_old_files_are_removed_when_their_readers_must_be_done(store, store_path, reader):
    put(store, minutes(1, NOV_1, 10))
    put(store, minutes(2, NOV_1, 10))
    old = [file.path for file in reader.snapshot().files]
    now = NOV_1 + 2 * DAY
    store.compact(now, SETTINGS)
    assert [len(pq.read_table(path)) for path in old] == [10, 10], "a reader that holds the list goes on"
    assert store.compact(now + 600_000_000, SETTINGS).removed == 0
    assert store.compact(now + 600_000_001, SETTINGS).removed == 2
    on_disk = {str(path) for path in (store_path / names.ARCHIVE / names.SAMPLES).rglob("*.parquet")}
    assert on_disk == {file.path for file in reader.snapshot().files}


def test_the_next_start_removes_retired_files(store, store_path, reader):
    put(store, minutes(1, NOV_1, 10))
    put(store, minutes(2, NOV_1, 10))
    old = [file.path for file in reader.snapshot().files]
    store.compact(NOV_1 + 2 * DAY, SETTINGS)
    store.close()
    with Store.open(store_path) as again:
        again.recover(NOV_1 + 3 * DAY)
    assert not any(Path(path).exists() for path in old)


def test_a_damaged_file_keeps_its_own_period_only(store, reader):
    for day in range(2):
        put(store, minutes(1, NOV_1 + day * DAY, 10))
        put(store, minutes(2, NOV_1 + day * DAY, 10))
    broken = reader.snapshot().files[0].path
    with Path(broken).open("r+b") as file:
        file.seek(40)
        file.write(b"\xff" * 40)
    report = store.compact(NOV_1 + 3 * DAY, SETTINGS)
    assert len(report.errors) == 1
    assert names.SAMPLES in report.errors[0]
    assert levels(store) == [("flush", 10), ("flush", 10), ("day", 20)]


def test_many_files_are_merged_in_several_goes(store, reader):
    for number in range(9):
        put(store, minutes(1, NOV_1 + number * HOUR, 60) + minutes(2, NOV_1 + number * HOUR, 60))
    before = visible(reader)
    compactor = store._upkeep._compactor(1.0)
    report = replace(compactor, max_held_rows=300).run(NOV_1 + 2 * DAY, SETTINGS, everything=False)
    assert [job.is_whole for job in report.jobs][-1]
    assert not all(job.is_whole for job in report.jobs)
    assert levels(store) == [("day", 1080)]
    assert visible(reader) == before


def test_a_large_file_is_cut_between_tags(store, reader):
    for number in range(2):
        put(store, [row for tag in (1, 2, 3) for row in minutes(tag, NOV_1 + number * HOUR, 60)])
    before = visible(reader)
    compactor = store._upkeep._compactor(1.0)
    compactor = replace(compactor, writer=replace(compactor.writer, max_file_rows=100))
    compactor.run(NOV_1 + 2 * DAY, SETTINGS, everything=False)
    assert visible(reader) == before
    assert store.compact(NOV_1 + 2 * DAY, SETTINGS).jobs == ()


def test_tags_whose_values_do_not_repeat_get_a_file_of_their_own(store, reader, monkeypatch):
    """Each kind in the encoding that suits it; both sorted, and the day is done with that."""
    monkeypatch.setattr(value_kinds, "SPLIT_ROWS", 1000)
    monkeypatch.setattr(archive, "MIN_GROUP_ROWS", 100)
    rng = np.random.default_rng(1)
    for number in range(3):
        hours = range(number * 6, number * 6 + 6)
        times = [NOV_1 + hour * HOUR + minute * MINUTE for hour in hours for minute in range(60)]
        noise, codes = rng.normal(size=len(times)), rng.integers(0, 50, len(times))
        values = {tag: (noise if tag % 2 else codes).tolist() for tag in (1, 2, 3, 4)}
        put(store, [(tag, at, float(values[tag][row]), 0) for tag in values for row, at in enumerate(times)])
    before = visible(reader)
    report = store.compact(NOV_1 + 2 * DAY, SETTINGS)
    assert [(job.files_in, job.files_out) for job in report.jobs] == [(3, 2)]
    assert visible(reader) == before
    by_tags = {}
    for file in reader.snapshot().files:
        table, parquet = pq.read_table(file.path), pq.ParquetFile(file.path)
        keys = list(zip(table.column("tag_id").to_pylist(), table.column("time").to_pylist(), strict=True))
        assert keys == sorted(keys)
        value = parquet.metadata.row_group(0).column(2)
        by_tags[tuple(sorted(set(table.column("tag_id").to_pylist())))] = value.encodings
        parquet.close()
    assert sorted(by_tags) == [(1, 3), (2, 4)]
    assert "BYTE_STREAM_SPLIT" in by_tags[1, 3]
    assert "BYTE_STREAM_SPLIT" not in by_tags[2, 4]
    assert store.compact(NOV_1 + 2 * DAY, SETTINGS).jobs == ()


def test_the_plan_is_what_is_done(store, reader):
    put(store, minutes(1, NOV_1 + DAY - 5 * MINUTE, 10))
    for day in range(3):
        put(store, minutes(2, NOV_1 + day * DAY, 10))
    now = NOV_1 + 40 * DAY
    planned = store.plan_compaction(now, SETTINGS)
    assert levels(store) == [("flush", 10)] * 4
    done = store.compact(now, SETTINGS)
    assert [(job.action, job.level, job.files_in) for job in planned.jobs] == [
        (job.action, job.level, job.files_in) for job in done.jobs
    ]


def test_a_merge_that_is_stopped_leaves_everything_as_it_was(store, store_path, reader):
    for number in range(3):
        put(store, minutes(1, NOV_1 + number * HOUR, 60))
    before, files = visible(reader), levels(store)
    compactor = store._upkeep._compactor(1.0)
    compactor.pace.stop()
    report = compactor.run(NOV_1 + 2 * DAY, SETTINGS, everything=False)
    assert report.stopped
    assert report.jobs == ()
    assert (visible(reader), levels(store)) == (before, files)
    store._intents.clean_up()
    on_disk = {str(path) for path in (store_path / names.ARCHIVE / names.SAMPLES).rglob("*") if path.is_file()}
    assert on_disk == {file.path for file in reader.snapshot().files}


def test_the_background_sleeps_in_proportion_to_its_work():
    pace = Pace(0.5)
    pace.begin()
    started = perf_counter()
    while perf_counter() - started < 0.05:
        pass
    pace.rest()
    assert 0.095 < perf_counter() - started < 2
