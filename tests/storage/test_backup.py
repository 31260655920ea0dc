"""Backup and restore: a generation is the store at one instant, whatever happens before, meanwhile and afterwards."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import audit_rows, stored_rows
from historian.errors import (
    CorruptionError,
    StoreForeignError,
    StoreFullError,
    StoreLockedError,
    StoreNotFoundError,
    UsageError,
)
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.status import BAD_SHUTDOWN
from storage import names
from storage.backup import backup
from storage.lock import WriterLock
from storage.reader import StoreReader
from storage.restore import MARKER, restore
from storage.store import Store
from storage.verify import verify
from support.small_disk import small_disk


def commit(store: Store, second: int) -> None:
    held = make_current([good(2, second, second * 2.0)], newest=[True], pending=[True])
    store.commit(Commit(T0 + second * SECOND, make_samples([good(1, second, float(second))]), {0: held}))


@pytest.fixture
def store(store_path: Path):
    """A store that is being written to: one file, one batch, one held sample."""
    with Store.open(store_path, create=True) as opened:
        opened.register_tags(make_tags(2), T0, "test")
        commit(opened, 1)
        opened.flush(force=True)
        commit(opened, 2)
        yield opened


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def rows(path: Path) -> list:
    with StoreReader.open(path) as reader:
        return stored_rows(reader.snapshot())


def parquet(folder: Path) -> list[Path]:
    return sorted((folder / names.ARCHIVE / names.SAMPLES).rglob("*.parquet"))


def test_what_is_restored_is_the_store_at_the_time_of_the_backup(store, dest, tmp_path):
    expected = rows(store.folder)
    report = backup(store.folder, dest, time_us=T0)
    assert report.generation.samples == 2
    assert report.generation.last_commit_us == T0 + 2 * SECOND
    commit(store, 3)
    done = restore(dest, tmp_path / "restored", time_us=T0)
    assert (done.files, done.lacking) == (1, {})
    assert rows(tmp_path / "restored") == expected
    assert verify(tmp_path / "restored").is_clean
    assert not (tmp_path / "restored" / MARKER).exists()


def test_the_next_start_marks_the_time_since_the_backup_as_a_gap(store, dest, tmp_path):
    backup(store.folder, dest, time_us=T0)
    restore(dest, tmp_path / "restored", time_us=T0)
    with Store.open(tmp_path / "restored") as again:
        recovery = again.recover(T0 + 100 * SECOND)
        assert recovery is not None
        assert (recovery.crashed, recovery.last_commit_us) == (True, T0 + 2 * SECOND)
        commit(again, 200)
        again.flush(force=True)
    ends = [row for row in rows(tmp_path / "restored") if row[3] == BAD_SHUTDOWN]
    assert ends == [(2, T0 + 2 * SECOND + 1, None, BAD_SHUTDOWN)]
    with StoreReader.open(tmp_path / "restored") as reader:
        assert ("restored", "store") in audit_rows(reader.snapshot())


def test_a_file_is_copied_once(store, dest):
    assert backup(store.folder, dest, time_us=T0).copied == 1
    stamp = parquet(dest)[0].stat().st_mtime_ns
    store.flush(force=True)
    report = backup(store.folder, dest, time_us=T0 + SECOND)
    assert (report.copied, len(report.generation.files)) == (1, 2)
    assert min(path.stat().st_mtime_ns for path in parquet(dest)) == stamp


def test_generations_are_kept_and_old_ones_go_with_their_files(store, dest, tmp_path):
    for second in range(4):
        backup(store.folder, dest, time_us=T0 + second * SECOND, keep=2)
    manifest = json.loads((dest / "manifest.json").read_text())
    kept = [each["name"] for each in manifest["generations"]]
    assert kept == sorted(path.name for path in (dest / "generations").iterdir())
    assert len(kept) == 2
    # A file that no kept generation has is removed; the store has set it aside.
    (path,) = parquet(store.folder)
    store.set_aside({path.relative_to(store.folder / names.ARCHIVE).as_posix(): "test"}, T0, "test")
    (rewritten,) = parquet(store.folder)
    backup(store.folder, dest, time_us=T0 + 10 * SECOND, keep=2)
    assert len(parquet(dest)) == 2
    backup(store.folder, dest, time_us=T0 + 11 * SECOND, keep=2)
    assert [each.name for each in parquet(dest)] == [rewritten.name]
    assert restore(dest, tmp_path / "restored", time_us=T0).lacking == {}


def test_an_older_generation_can_be_restored(store, dest, tmp_path):
    expected = rows(store.folder)
    first = backup(store.folder, dest, time_us=T0).generation.name
    commit(store, 3)
    backup(store.folder, dest, time_us=T0 + 3600 * SECOND)
    restore(dest, tmp_path / "old", time_us=T0, at=first)
    assert rows(tmp_path / "old") == expected
    with pytest.raises(UsageError, match=first):
        restore(dest, tmp_path / "other", time_us=T0, at="1999")
    assert not (tmp_path / "other").exists()


def test_backups_while_a_run_commits_and_flushes(store, dest, tmp_path):
    """Each is one instant: the numbers from 1 on, none missing, none twice."""
    stop = threading.Event()

    def write() -> None:
        second = 3
        while not stop.is_set():
            commit(store, second)
            if second % 5 == 0:
                store.flush(force=True)
            second += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup(store.folder, dest, time_us=T0 + number * SECOND)
            folder = tmp_path / f"restored{number}"
            restore(dest, folder, time_us=T0)
            numbers = [row[2] for row in rows(folder) if row[0] == 1]
            assert numbers == [float(second) for second in range(1, len(numbers) + 1)]
            assert verify(folder).is_clean
    finally:
        stop.set()
        writer.join()


def test_a_file_damaged_in_the_store_is_told_and_the_good_copy_stays(store, dest, tmp_path):
    backup(store.folder, dest, time_us=T0)
    expected = rows(store.folder)
    (path,) = parquet(store.folder)
    path.write_bytes(path.read_bytes()[:-10])
    report = backup(store.folder, dest, time_us=T0 + SECOND)
    assert report.lacking == {}, "the backup has it from before"
    restore(dest, tmp_path / "restored", time_us=T0)
    assert rows(tmp_path / "restored") == expected


def test_a_file_damaged_before_its_first_backup_is_lacking(store, dest, tmp_path):
    (path,) = parquet(store.folder)
    path.write_bytes(path.read_bytes()[:-10])
    report = backup(store.folder, dest, time_us=T0)
    assert list(report.lacking) == [path.relative_to(store.folder / names.ARCHIVE).as_posix()]
    done = restore(dest, tmp_path / "restored", time_us=T0)
    assert len(done.lacking) == 1
    assert verify(tmp_path / "restored").is_clean
    assert rows(tmp_path / "restored") == [good(1, 2, 2.0), good(2, 2, 4.0)]


def test_a_copy_that_rots_is_found_and_mended(store, dest, tmp_path):
    backup(store.folder, dest, time_us=T0)
    (copy,) = parquet(dest)
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert backup(store.folder, dest, time_us=T0 + SECOND).copied == 0
    done = restore(dest, tmp_path / "rotten", time_us=T0)
    assert len(done.lacking) == 1
    assert verify(tmp_path / "rotten").is_clean
    assert backup(store.folder, dest, time_us=T0 + 2 * SECOND, check=True).copied == 1
    assert restore(dest, tmp_path / "mended", time_us=T0).lacking == {}


def test_a_rotten_database_is_no_store(store, dest, tmp_path):
    name = backup(store.folder, dest, time_us=T0).generation.name
    database = dest / "generations" / name / names.DATABASE
    content = bytearray(database.read_bytes())
    content[-100] ^= 1
    database.write_bytes(content)
    with pytest.raises(CorruptionError, match="--at"):
        restore(dest, tmp_path / "restored", time_us=T0)
    with pytest.raises(StoreForeignError):
        StoreReader.open(tmp_path / "restored")


def test_places_that_are_refused(store, dest, tmp_path):
    with pytest.raises(UsageError, match="inside the store"):
        backup(store.folder, store.folder / "backup", time_us=T0)
    assert not (store.folder / "backup").exists()
    others = tmp_path / "others"
    others.mkdir()
    (others / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="letter"):
        backup(store.folder, others, time_us=T0)
    backup(store.folder, dest, time_us=T0)
    with pytest.raises(UsageError, match="letter"):
        restore(dest, others, time_us=T0)
    assert [path.name for path in others.iterdir()] == ["letter.txt"]
    with Store.open(tmp_path / "second", create=True), pytest.raises(StoreForeignError, match="another store"):
        backup(tmp_path / "second", dest, time_us=T0)
    with pytest.raises(StoreNotFoundError):
        restore(tmp_path / "nothing", tmp_path / "restored", time_us=T0)
    (others / "manifest.json").write_text("[]")
    with pytest.raises(StoreForeignError):
        backup(store.folder, others, time_us=T0)


def test_one_backup_at_a_time(store, dest):
    dest.mkdir()
    lock = WriterLock.take(dest, "historian backup")
    try:
        with pytest.raises(StoreLockedError, match="another backup"):
            backup(store.folder, dest, time_us=T0)
    finally:
        lock.release()


def noise(store: Store, second: int) -> None:
    """About 400 kB that no compression makes small."""
    values = np.random.default_rng(second).normal(size=50_000)
    count = len(values)
    times = T0 + second * SECOND + np.arange(count)
    store.commit(Commit(T0, Samples(np.ones(count, np.int32), times, values, np.zeros(count, np.uint32))))


def test_a_full_disk_leaves_the_generation_before_as_it_was(store, tmp_path):
    with small_disk(tmp_path / "disk", "3m") as disk:
        dest = disk / "backup"
        expected = rows(store.folder)
        backup(store.folder, dest, time_us=T0)
        before = (dest / "manifest.json").read_bytes()
        for second in range(100, 110):
            noise(store, second)
        store.flush(force=True)
        with pytest.raises(StoreFullError):
            backup(store.folder, dest, time_us=T0 + SECOND)
        assert (dest / "manifest.json").read_bytes() == before
        assert list(dest.rglob("*.tmp")) == []
        restore(dest, tmp_path / "restored", time_us=T0)
        assert rows(tmp_path / "restored") == expected


def test_a_restore_that_found_no_room_goes_on(store, dest, tmp_path):
    for second in range(100, 110):
        noise(store, second)
    store.flush(force=True)
    backup(store.folder, dest, time_us=T0)
    expected = rows(store.folder)
    with small_disk(tmp_path / "disk", "8m") as disk:
        ballast = disk / "ballast"
        folder = disk / "store"
        ballast.write_bytes(bytes(6 << 20))
        with pytest.raises(StoreFullError):
            restore(dest, folder, time_us=T0)
        with pytest.raises(StoreForeignError):
            StoreReader.open(folder)
        ballast.unlink()
        restore(dest, folder, time_us=T0)
        assert rows(folder) == expected
        shutil.rmtree(folder)
