"""Every kind of damage is found where it is, and what is whole is not blamed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.errors import CorruptionError, StoreForeignError, StoreNotFoundError
from historian.model.commit import Commit
from historian.model.samples import Samples
from storage import names
from storage.reader import StoreReader
from storage.store import Store
from storage.verify import verify

COLUMNS = ("tag_id", "time", "value", "value_int", "value_text", "status")


def many(tag_id: int, count: int, first: int = 0) -> Samples:
    seconds = np.arange(first, first + count)
    values = np.random.default_rng(tag_id).normal(size=count)
    return Samples(np.full(count, tag_id, np.int32), T0 + seconds * SECOND, values, np.zeros(count, np.uint32))


@pytest.fixture
def store(store_path: Path) -> Path:
    """Two files (the first with two row groups) and two batches in the buffer."""
    with Store.open(store_path, create=True) as opened:
        opened.register_tags(make_tags(3), T0, "test")
        for part in (many(1, 20_000), many(2, 20_000)):
            opened.commit(Commit(T0, part))
        opened.flush(force=True)
        opened.commit(Commit(T0, many(3, 100, 50_000)))
        opened.flush(force=True)
        for second in (1, 2):
            opened.commit(Commit(T0, make_samples([good(3, second, 1.0)])))
    return store_path


def files(store: Path) -> list[Path]:
    return sorted((store / names.ARCHIVE / names.SAMPLES).rglob("*.parquet"), key=lambda path: path.name.split("-")[1])


def places(store: Path, **options: bool) -> list[tuple]:
    found = verify(store, **options).damages
    return [(each.kind, each.file or each.table, each.row_group, each.column, each.row) for each in found]


def below(store: Path, path: Path) -> str:
    return path.relative_to(store / names.ARCHIVE).as_posix()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)


def test_a_sound_store_is_clean_and_untouched(store):
    before = {path: path.read_bytes() for path in store.rglob("*.parquet")}
    report = verify(store)
    assert report.is_clean
    assert (report.files, report.archive_rows, report.batches) == (2, 40_100, 2)
    assert verify(store, fast=True).is_clean
    assert {path: path.read_bytes() for path in store.rglob("*.parquet")} == before


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("column", ["tag_id", "time", "value", "status"])
def test_one_flipped_bit_is_found_in_its_row_group_and_column(store, group, column):
    path = files(store)[0]
    chunk = pq.read_metadata(path).row_group(group).column(COLUMNS.index(column))
    flip(path, chunk.data_page_offset + chunk.total_compressed_size // 2)
    found = places(store)
    assert ("unreadable", below(store, path), group, column, None) in found
    assert {(kind, file) for kind, file, *_ in found} <= {
        ("checksum", below(store, path)), ("unreadable", below(store, path)),
    }  # fmt: skip
    assert {place[2] for place in found if place[0] == "unreadable"} == {group}


def test_a_missing_file(store):
    path = files(store)[1]
    path.unlink()
    for fast in (False, True):
        assert places(store, fast=fast) == [("missing", below(store, path), None, None, None)]


def test_a_file_cut_short(store):
    path = files(store)[0]
    path.write_bytes(path.read_bytes()[:-1000])
    for fast in (False, True):
        assert {place[:2] for place in places(store, fast=fast)} == {
            ("checksum", below(store, path)), ("unreadable", below(store, path)),
        }  # fmt: skip


def test_a_file_nobody_knows(store):
    stranger = files(store)[0].with_name("20200101T000000Z-000099-abcdef.parquet")
    shutil.copy(files(store)[0], stranger)
    assert places(store) == [("unknown file", below(store, stranger), None, None, None)]


def change(store: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(store / names.DATABASE)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("column", ["rows", "first_us", "last_us", "first_tag", "last_tag", "bytes", "sha256"])
def test_a_catalogue_that_says_something_else(store, column):
    change(store, f"update file set {column} = {column} || '1' where number = 2")  # noqa: S608 - of the list above
    found = places(store)
    assert found
    assert {place[1] for place in found} == {below(store, files(store)[1])}


def test_a_damaged_batch_is_named(store):
    (blob,) = sqlite3.connect(store / names.DATABASE).execute("select samples from batch where number = 5").fetchone()
    change(store, "update batch set samples = ? where number = 5", blob[:40] + b"\xff" + blob[41:])
    assert places(store) == [("row", "batch", None, None, "5")]


def test_samples_that_are_there_twice(store):
    """The same samples again, in a file of their own and in the buffer."""
    with Store.open(store) as opened:
        opened.commit(Commit(T0, many(1, 10, 19_995)))
        opened.flush(force=True)
        opened.commit(Commit(T0, many(2, 3, 7)))
    report = verify(store)
    assert {damage.kind for damage in report.damages} == {"duplicate"}
    counts = sorted(int(damage.reason.split()[0]) for damage in report.damages)
    assert counts == [3, 5]
    assert report.files_to_set_aside() == {}, "nothing is lost by reading them"


def test_tags_that_nobody_knows(store):
    change(store, "delete from tag_version where tag_id = 3")
    change(store, "update state set tags_version = tags_version + 1")
    found = places(store)
    assert ("tags", below(store, files(store)[1]), 0, "tag_id", None) in found
    assert {place[0] for place in found} == {"tags"}


def test_a_tags_file_that_does_not_hold_the_tags(store):
    change(store, "update tag_version set units = 'bar' where tag_id = 1")
    assert [place[:2] for place in places(store)] == [("tags", names.TAG_VERSIONS)]


def test_lines_missing_from_the_audit(store):
    change(store, "drop trigger audit_loses_no_lines")
    change(store, "delete from audit where number = 2")
    assert places(store) == [("row", "audit", None, None, None)]


def test_a_missing_table_and_column(store):
    change(store, "drop table quarantine")
    change(store, "alter table health rename column figures to numbers")
    assert sorted(place[:2] for place in places(store)) == [("schema", "health"), ("schema", "quarantine")]


def test_a_damaged_page_of_the_database(store):
    database = store / names.DATABASE
    connection = sqlite3.connect(database)
    (root,) = connection.execute("select rootpage from sqlite_schema where name = 'audit'").fetchone()
    connection.close()
    content = bytearray(database.read_bytes())
    content[(root - 1) * 8192 : (root - 1) * 8192 + 100] = b"\xaa" * 100
    database.write_bytes(content)
    assert "audit" in {damage.table for damage in verify(store).damages if damage.kind == "database"}
    with Store.open(store) as opened:
        opened.statistics()


def test_a_database_that_is_none_any_more(store):
    database = store / names.DATABASE
    database.write_bytes(b"\x00" * 8192 + database.read_bytes()[8192:])
    assert [damage.kind for damage in verify(store).damages] == ["database"]


def test_what_is_no_store_is_an_error(tmp_path):
    with pytest.raises(StoreNotFoundError):
        verify(tmp_path / "nothing")
    (tmp_path / names.DATABASE).write_bytes(b"")
    connection = sqlite3.connect(tmp_path / names.DATABASE)
    connection.execute("create table other (id integer)")
    connection.close()
    with pytest.raises(StoreForeignError):
        verify(tmp_path)


def set_aside(store: Path) -> list:
    with Store.open(store) as opened:
        return list(opened.set_aside(verify(store).files_to_set_aside(), T0, "tester"))


def test_setting_aside_keeps_the_row_groups_that_can_be_read(store):
    with StoreReader.open(store) as reader:
        rows = stored_rows(reader.snapshot())
    path = files(store)[0]
    chunk = pq.read_metadata(path).row_group(1).column(COLUMNS.index("value"))
    flip(path, chunk.data_page_offset + 500)
    damaged = path.read_bytes()
    (done,) = set_aside(store)
    assert (done.rows, done.kept_rows, done.lost_rows) == (40_000, 20_000, 20_000)
    assert (store / names.DAMAGED / path.name).read_bytes() == damaged
    assert verify(store).is_clean
    with StoreReader.open(store) as reader:
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == [row for row in rows if row[0] != 2]
        line = snapshot.audit.to_pylist()[-1]
    assert (line["action"], line["object"], line["who"]) == ("file set aside", below(store, path), "tester")
    assert "row group 1, column value" in line["why"] or "SHA-256" in line["why"]


def test_setting_a_missing_file_aside_lets_the_others_be_read(store):
    path = files(store)[0]
    path.unlink()
    with pytest.raises(FileNotFoundError), StoreReader.open(store) as reader:
        stored_rows(reader.snapshot())
    (done,) = set_aside(store)
    assert (done.moved_to, done.lost_rows) == (None, 40_000)
    assert verify(store).is_clean
    with StoreReader.open(store) as reader:
        assert len(stored_rows(reader.snapshot())) == 102


def test_setting_aside_what_is_sound_is_not_done_by_mistake(store):
    with Store.open(store) as opened:
        assert opened.set_aside({"samples/2020/01/20200101T000000Z-000099-abcdef.parquet": "?"}, T0, "tester") == ()
    assert verify(store).is_clean


def test_the_error_of_a_reader_names_the_file(store):
    import historian

    path = files(store)[0]
    path.unlink()
    with historian.open(store) as opened, pytest.raises(CorruptionError, match="--set-aside") as caught:
        opened.sql("select sum(value) from samples")
    assert path.name in str(caught.value)
