"""The database anew: every sample of the files once, and of the old database what it still holds."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conformance.held_data import Door
from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import audit_rows, newest_rows, stored_rows
from historian.errors import StoreLockedError, StoreNotFoundError, StoreVersionError
from historian.model.commit import Commit
from historian.model.status import BAD_SHUTDOWN, SUBSTITUTED
from storage import archive, names
from storage.files import ArchiveFolder
from storage.reader import StoreReader
from storage.rebuild import rebuild
from storage.store import Store
from storage.verify import verify

LATER = T0 + 10**6 * SECOND


def commit(store: Store, second: int) -> None:
    held = make_current([good(2, second, second * 2.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + second * SECOND, make_samples([good(1, second, float(second))]), {0: held}))


@pytest.fixture
def store(store_path: Path) -> Path:
    """Two files, one batch, one held sample; the run was interrupted."""
    with Store.open(store_path, create=True) as opened:
        opened.register_tags(make_tags(3), T0, "test")
        for second in (1, 2):
            commit(opened, second)
            opened.flush(force=True)
        commit(opened, 3)
    return store_path


def rows(path: Path) -> list:
    with StoreReader.open(path) as reader:
        return stored_rows(reader.snapshot())


def parquet(folder: Path) -> list[Path]:
    found = (folder / names.ARCHIVE / names.SAMPLES).rglob("*.parquet")
    return sorted(found, key=lambda path: path.name.split("-")[1])


def lose_database(store: Path) -> None:
    for path in store.glob(f"{names.DATABASE}*"):
        path.unlink()


def make(store: Path):
    return rebuild(store, time_us=LATER, who="tester")


def test_with_the_old_database_nothing_is_lost(store):
    before = rows(store)
    with StoreReader.open(store) as reader:
        tags, audit = reader.snapshot().tags, audit_rows(reader.snapshot())
    report = make(store)
    assert (report.files, report.archive_rows, report.batches, report.lost, report.left) == (2, 2, 1, (), ())
    assert rows(store) == before
    assert verify(store).is_clean
    with StoreReader.open(store) as reader:
        assert (
            reader.snapshot()
            .tags.drop_columns(["states"] if "states" in tags.column_names else [])
            .equals(tags.drop_columns(["states"] if "states" in tags.column_names else []))
        )
        assert audit_rows(reader.snapshot()) == [*audit, ("rebuilt", "store")]
    assert report.kept is not None
    assert rows_of_database(report.kept, "batch") == 1


def rows_of_database(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - a test's own words
    connection.close()
    return count


def test_without_a_database_every_file_is_back(store):
    lose_database(store)
    report = make(store)
    assert rows(store) == [good(1, 1, 1.0), good(1, 2, 2.0)]
    assert (report.tags, report.kept) == (3, None)
    assert "everything that was in the database only" in report.lost[0]
    assert verify(store).is_clean
    with StoreReader.open(store) as reader:
        snapshot = reader.snapshot()
        assert newest_rows(snapshot) == {1: good(1, 2, 2.0)}
        assert snapshot.tags.column("tag").to_pylist() == [tag.name for tag in make_tags(3)]


def test_the_next_start_marks_the_gap_and_goes_on(store):
    lose_database(store)
    make(store)
    with Store.open(store) as opened:
        recovery = opened.recover(LATER)
        assert recovery is not None
        assert recovery.crashed
        assert opened.register_tags(make_tags(4), LATER, "test") == {f"T00{n}": n + 1 for n in range(4)}
        commit(opened, 2_000_000)
        opened.flush(force=True)
    assert verify(store).is_clean
    assert rows(store) == [
        good(1, 1, 1.0), good(1, 2, 2.0), (1, T0 + 2 * SECOND + 1, None, BAD_SHUTDOWN), good(1, 2_000_000, 2e6),
        good(2, 2_000_000, 4e6),
    ]  # fmt: skip


def test_without_the_tags_files_tags_are_numbers(store):
    lose_database(store)
    for name in (names.TAGS, names.TAG_VERSIONS):
        (store / names.ARCHIVE / name).write_bytes(b"rubbish")
    report = make(store)
    assert report.tags == 1
    with StoreReader.open(store) as reader:
        assert reader.snapshot().tags.column("tag").to_pylist() == ["tag_000001"]
    assert rows(store) == [good(1, 1, 1.0), good(1, 2, 2.0)]


def write_file(store: Path, number: int, samples: list, *, replaces: tuple[int, ...] = ()) -> Path:
    """A file as compaction writes it, that no catalogue knows."""
    said = pq.read_metadata(parquet(store)[0]).metadata[b"historian.store_id"].decode()
    from storage.columns import complete, to_batch

    table = archive.sort(complete(pa.Table.from_batches([to_batch(make_samples(samples))])))
    path = names.samples_path(samples[0][1], number, "abcdef")
    folder = ArchiveFolder(store / names.ARCHIVE)
    archive.write_groups(folder, path, [table], "PLAIN", store_id=said, level=3, step="flush", replaces=replaces)
    return store / names.ARCHIVE / path


def test_files_that_compaction_replaced_are_left_out(store):
    """Its file says that a sample was removed from what it replaces: it must not come back."""
    write_file(store, 50, [good(1, 2, 2.0)], replaces=(1, 2))
    numbers = [int(path.name.split("-")[1]) for path in parquet(store)]
    lose_database(store)
    report = make(store)
    assert numbers[:2] == [1, 2]
    assert rows(store) == [good(1, 2, 2.0)]
    assert [left.path.split("-")[-2] for left in report.left] == ["000001", "000002"]
    assert "compaction" in report.left[0].why


def test_what_was_removed_does_not_come_back(store):
    """The files that compaction merged are kept for ten minutes: with the removed sample, which the new one has not."""
    with Store.open(store) as opened:
        opened.remove(1, T0 + SECOND, T0 + SECOND + 1, who="test", why="test", time_us=LATER)
        opened.edit(1, T0 + 2 * SECOND, 7.0, who="test", why="test", time_us=LATER)
        opened.flush(force=True)
        assert opened.compact(LATER + 100 * 86_400 * SECOND, everything=True).errors == ()
        before = rows(store)
        assert before[0] == (1, T0 + 2 * SECOND, 7.0, SUBSTITUTED)
    assert len(parquet(store)) > 1
    lose_database(store)
    report = make(store)
    assert rows(store) == before
    assert all("compaction replaced it" in left.why for left in report.left)
    assert len(report.left) == len(parquet(store)) - 1


def test_samples_of_two_files_are_there_once(store):
    """A file of a flush that a crash left, beside the one that took its place; and one that is only partly known."""
    write_file(store, 60, [good(1, 1, 1.0), good(1, 5, 5.0)])
    write_file(store, 61, [good(1, 5, 5.0), good(1, 6, 6.0)])
    lose_database(store)
    report = make(store)
    assert rows(store) == [good(1, 1, 1.0), good(1, 2, 2.0), good(1, 5, 5.0), good(1, 6, 6.0)]
    assert [damage for damage in verify(store).damages if damage.kind != "unknown file"] == []
    assert len(report.left) == 2


def test_a_batch_that_is_in_a_file_already_is_not_doubled(store):
    """A crash between the file and the catalogue leaves the samples in both, and no intent in a damaged database."""
    write_file(store, 70, [good(1, 3, 3.0)])
    report = make(store)
    assert (report.files, report.batches) == (3, 0)
    assert [row for row in rows(store) if row[0] == 1] == [good(1, second, float(second)) for second in (1, 2, 3)]


def test_foreign_and_damaged_files_are_left_and_told(store, tmp_path):
    with Store.open(tmp_path / "other", create=True) as other:
        other.register_tags(make_tags(1), T0, "test")
        commit_one = Commit(T0, make_samples([good(1, 100, 1.0)]))
        other.commit(commit_one)
        other.flush(force=True)
    shutil.copy(parquet(tmp_path / "other")[0], parquet(store)[0].with_name("20251113T021320Z-000099-abcdef.parquet"))
    damaged = parquet(store)[1]
    damaged.write_bytes(damaged.read_bytes()[:-20])
    lose_database(store)
    report = make(store)
    assert rows(store) == [good(1, 1, 1.0)]
    assert sorted(left.why.split(":")[0].split("(")[0].strip() for left in report.left) == [
        "cannot be read", "it was written by another store",
    ]  # fmt: skip


def damage_pages(database: Path, table: str) -> None:
    connection = sqlite3.connect(database)
    (root,) = connection.execute("select rootpage from sqlite_schema where name = ?", (table,)).fetchone()
    connection.close()
    content = bytearray(database.read_bytes())
    content[(root - 1) * 8192 : (root - 1) * 8192 + 200] = b"\xaa" * 200
    database.write_bytes(content)


@pytest.mark.parametrize("table", ["file", "audit", "tag_version", "state", "current_group"])
def test_a_damaged_page_costs_what_was_on_it(store, table):
    before = rows(store)
    damage_pages(store / names.DATABASE, table)
    report = make(store)
    found = rows(store)
    # The held sample is in the damaged table itself.
    assert found == ([row for row in before if row[0] == 1] if table == "current_group" else before)
    assert verify(store).is_clean
    assert (table != "audit") or any("audit" in lost for lost in report.lost)


@pytest.mark.parametrize("table", ["state", "current_group", "held", "held_door"])
def test_what_a_door_held_is_stored_by_the_next_start_as_far_as_it_can_be_read(store, table):
    door = Door(3)
    scans = [good(3, second, 0.0) for second in range(20, 24)]
    door.push(scans)
    newest = make_current([good(3, 24, 0.0)], newest=[True], pending=[False])
    with Store.open(store) as opened:
        opened.commit(Commit(T0, door.settle(), {0: newest}, held={0: door.settled([good(3, 24, 0.0)])}))
    damage_pages(store / names.DATABASE, table)
    report = make(store)
    assert any("compression held" in lost for lost in report.lost) == (table == "held")
    with Store.open(store) as opened:
        opened.recover(T0 + 100 * SECOND)
    found = [row for row in rows(store) if row[0] == 3 and row[3] == 0]
    # Without what the door knew everything it held stays.
    between = {"held": [], "held_door": [scans[2], scans[3], good(3, 24, 0.0)]}.get(table, [good(3, 24, 0.0)])
    assert found == [scans[0], *between]
    assert verify(store).is_clean


def test_a_damaged_batch_costs_that_batch(store):
    connection = sqlite3.connect(store / names.DATABASE)
    (number, blob) = connection.execute("select number, samples from batch").fetchone()
    connection.execute("update batch set samples = ? where number = ?", (blob[:50] + b"\xff" + blob[51:], number))
    connection.commit()
    connection.close()
    report = make(store)
    assert any("samples that were not yet in a file" in lost for lost in report.lost)
    assert [row for row in rows(store) if row[0] == 1] == [good(1, 1, 1.0), good(1, 2, 2.0)]


def test_who_may_not(store, tmp_path):
    with Store.open(store), pytest.raises(StoreLockedError):
        make(store)
    with pytest.raises(StoreNotFoundError):
        make(tmp_path / "nothing")
    connection = sqlite3.connect(store / names.DATABASE)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(StoreVersionError):
        make(store)


def test_averages_of_a_lost_database_are_catalogued_again(store):
    """The newest file of a month, and no other; written as thinning writes it."""
    import numpy as np

    from storage import averages
    from storage.arrays import column

    said = pq.read_metadata(parquet(store)[0]).metadata
    for number, average in ((7, 1.0), (8, 2.0)):
        arrays = [np.array([1], np.int32), np.array([T0]), *(np.array([average]) for _ in range(4)), np.array([9])]
        pairs = zip(arrays, averages.SCHEMA, strict=True)
        table = pa.Table.from_arrays([column(values, field.type) for values, field in pairs], schema=averages.SCHEMA)
        path = store / names.ARCHIVE / averages.name_of(1_761_955_200_000_000)(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {b"historian.store_id": said[b"historian.store_id"], b"historian.every_us": b"60000000"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    lose_database(store)
    make(store)
    with StoreReader.open(store) as reader:
        (found,) = reader.inspect(averages.entries)
    assert (found.number, found.month_us, found.every_us, found.rows) == (8, 1_761_955_200_000_000, 60_000_000, 1)
    assert (found.first_us, found.last_us, found.final) == (T0, T0, True)
    assert verify(store).is_clean
    (store / names.ARCHIVE / found.path).unlink()
    assert [(damage.kind, damage.file) for damage in verify(store).damages] == [("missing", found.path)]
