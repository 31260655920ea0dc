"""Retention: what goes, what stays, and what is said about it."""

from __future__ import annotations

import pytest

from conformance.store_data import Row, make_samples, make_tags
from conformance.store_suite import audit_rows, stored_rows
from historian.config.settings import CompactionSettings, RetentionGroup, RetentionSettings
from historian.model.commit import Commit
from historian.model.tag import Tag
from storage import names
from storage.reader import StoreReader
from storage.store import Store

DAY = 86_400_000_000
HOUR = 3_600_000_000
NOV_1 = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(3), NOV_1, "test")
        yield store


@pytest.fixture
def reader(store, store_path):
    with StoreReader.open(store_path) as reader:
        yield reader


def put(store: Store, rows: list[Row]) -> None:
    store.commit(Commit(max(row[1] for row in rows), make_samples(rows)))
    store.flush(force=True)


def hours(tag: int, day: int, count: int = 24) -> list[Row]:
    return [(tag, NOV_1 + day * DAY + hour * HOUR, float(day * 24 + hour), 0) for hour in range(count)]


def fill(store: Store, days: int, tags: tuple[int, ...] = (1, 2, 3)) -> list[Row]:
    """A file a day; all rows."""
    rows = []
    for day in range(days):
        today = [row for tag in tags for row in hours(tag, day)]
        put(store, today)
        rows += today
    return sorted(rows, key=lambda row: row[:2])


def keeping(rows: list[Row], limits: dict[int, int]) -> list[Row]:
    """The rule, plainly: of each tag the samples from its limit on, and the last one before it."""
    left = []
    for tag in {row[0] for row in rows}:
        mine = [row for row in rows if row[0] == tag]
        limit = limits.get(tag, 0)
        left += [row for row in mine if row[1] < limit][-1:] + [row for row in mine if row[1] >= limit]
    return sorted(left, key=lambda row: row[:2])


def test_without_settings_nothing_goes(store, reader):
    rows = fill(store, 3)
    assert store.retain(NOV_1 + 9000 * DAY, RetentionSettings()).samples == 0
    assert stored_rows(reader.snapshot()) == rows


def test_old_files_go_but_for_the_last_sample_of_each_tag(store, reader):
    rows = fill(store, 5)
    report = store.retain(NOV_1 + 5 * DAY + HOUR, RetentionSettings(keep_us=2 * DAY))
    assert (report.samples, report.tags, report.removed, report.rewritten) == (3 * 3 * 24 - 3, 3, 3, 0)
    assert (report.first_us, report.last_us) == (NOV_1, NOV_1 + 3 * DAY - HOUR)
    left = stored_rows(reader.snapshot())
    assert left == keeping(rows, dict.fromkeys((1, 2, 3), NOV_1 + 3 * DAY))
    assert ("samples removed", "archive") in audit_rows(reader.snapshot())


def test_it_goes_on_from_day_to_day(store, reader):
    rows = fill(store, 6)
    for day in range(1, 9):
        store.retain(NOV_1 + day * DAY + HOUR, RetentionSettings(keep_us=2 * DAY))
        expected = keeping(rows, dict.fromkeys((1, 2, 3), NOV_1 + (day - 2) * DAY))
        assert stored_rows(reader.snapshot()) == expected
    assert len(expected) == 3
    assert store.retain(NOV_1 + 9 * DAY, RetentionSettings(keep_us=2 * DAY)).samples == 0


def test_a_dry_run_says_the_same_and_changes_nothing(store, reader):
    rows = fill(store, 5)
    settings = RetentionSettings(keep_us=2 * DAY)
    planned = store.retain(NOV_1 + 5 * DAY, settings, dry_run=True)
    assert stored_rows(reader.snapshot()) == rows
    done = store.retain(NOV_1 + 5 * DAY, settings)
    names_ = ("samples", "tags", "removed", "rewritten", "bytes_before", "first_us", "last_us", "reasons")
    assert [getattr(planned, name) for name in names_] == [getattr(done, name) for name in names_]
    assert planned.samples > 0


def test_a_file_is_written_again_only_for_a_quarter_of_it(store, reader):
    put(store, [row for day in range(8) for row in hours(1, day)])
    rows = stored_rows(reader.snapshot())
    settings = RetentionSettings(keep_us=8 * DAY)
    assert store.retain(NOV_1 + 9 * DAY, settings).samples == 0
    report = store.retain(NOV_1 + 10 * DAY, settings)
    assert (report.samples, report.rewritten, report.removed) == (47, 1, 0)
    assert stored_rows(reader.snapshot()) == keeping(rows, {1: NOV_1 + 2 * DAY})


def test_a_group_of_tags_has_its_own_age(store, reader):
    rows = fill(store, 4)
    settings = RetentionSettings(keep_us=1000 * DAY, groups=(RetentionGroup("short", ("T001", "X*"), DAY),))
    report = store.retain(NOV_1 + 3 * DAY, settings)
    assert (report.samples, report.tags, report.rewritten) == (47, 1, 2)
    assert stored_rows(reader.snapshot()) == keeping(rows, {2: NOV_1 + 2 * DAY})
    assert store.retain(NOV_1 + 3 * DAY, settings).samples == 0, "and that is all of it"


def test_the_first_group_that_fits_holds_and_may_be_longer(store, reader):
    rows = fill(store, 4)
    groups = (RetentionGroup("long", ("T00[01]",), 1000 * DAY), RetentionGroup("rest", ("*",), 2 * DAY))
    store.retain(NOV_1 + 4 * DAY, RetentionSettings(groups=groups))
    assert stored_rows(reader.snapshot()) == keeping(rows, {3: NOV_1 + 2 * DAY})


def test_the_oldest_files_go_when_all_are_too_large(store, reader):
    rows = fill(store, 4)
    sizes = [file.bytes for file in reader.snapshot().files]
    report = store.retain(NOV_1 + 5 * DAY, RetentionSettings(max_bytes=sizes[2] + sizes[3]))
    assert (report.removed, report.reasons) == (2, ("max_bytes",))
    assert stored_rows(reader.snapshot()) == keeping(rows, dict.fromkeys((1, 2, 3), NOV_1 + 2 * DAY))


def test_samples_of_today_stay_whatever_their_size(store, reader):
    fill(store, 2)
    store.retain(NOV_1 + DAY + 23 * HOUR, RetentionSettings(max_bytes=1))
    assert {row[1] // DAY for row in stored_rows(reader.snapshot()) if row[1] >= NOV_1 + DAY} == {NOV_1 // DAY + 1}
    assert len([row for row in stored_rows(reader.snapshot()) if row[1] >= NOV_1 + DAY]) == 72


def test_edits_of_what_goes_go_too(store, reader):
    fill(store, 3, tags=(1,))
    store.edit(1, NOV_1 + HOUR, 5.0, who="test", why="test", time_us=NOV_1)
    store.remove(1, NOV_1 + 23 * HOUR, NOV_1 + DAY, who="test", why="test", time_us=NOV_1)
    store.edit(1, NOV_1 + 2 * DAY, 5.0, who="test", why="test", time_us=NOV_1)
    store.retain(NOV_1 + 3 * DAY, RetentionSettings(keep_us=2 * DAY))
    snapshot = reader.snapshot()
    assert len(snapshot.edits) == 1
    assert stored_rows(snapshot)[0] == (1, NOV_1 + 22 * HOUR, 22.0, 0), "the last that was not removed"
    assert len(stored_rows(snapshot)) == 49


def test_compaction_leaves_the_kept_samples_alone(store, reader):
    rows = fill(store, 40)
    store.compact(NOV_1 + 40 * DAY, CompactionSettings())
    store.retain(NOV_1 + 40 * DAY, RetentionSettings(keep_us=9 * DAY))
    expected = keeping(rows, dict.fromkeys((1, 2, 3), NOV_1 + 31 * DAY))
    # The month of November has 30 days: its file goes as a whole, the first of December is not a quarter of anything.
    assert stored_rows(reader.snapshot()) == expected
    store.compact(NOV_1 + 41 * DAY, CompactionSettings(), everything=True)
    assert stored_rows(reader.snapshot()) == expected


def test_what_went_is_gone_from_the_disk_later(store, store_path, reader):
    fill(store, 5)
    store.retain(NOV_1 + 5 * DAY, RetentionSettings(keep_us=2 * DAY))
    store.compact(NOV_1 + 6 * DAY, CompactionSettings(enabled=False))
    on_disk = {str(path) for path in (store_path / names.ARCHIVE / names.SAMPLES).rglob("*.parquet")}
    assert on_disk == {file.path for file in reader.snapshot().files}


def test_a_renamed_tag_keeps_its_history_and_its_new_name_decides(store, reader):
    store.register_tags([Tag("FIC1.PV", "boiler", "hr:1", "fast")], NOV_1, "test")
    put(store, hours(4, 0))
    put(store, hours(4, 1))
    short = RetentionSettings(groups=(RetentionGroup("short", ("FIC*",), DAY),))
    assert store.retain(NOV_1 + 3 * DAY, short, dry_run=True).samples == 47
    store._connection.execute("update tag_version set name = 'LIC1.PV' where tag_id = 4")
    store._connection.execute("delete from tag_table")
    assert store.retain(NOV_1 + 3 * DAY, short).samples == 0
