"""A disk without room, and a folder that cannot be written: nothing half-written, and the same commit works later."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import stored_rows
from crash.store_process import environment
from historian.config.settings import StoreSettings
from historian.errors import StoreError, StoreFullError
from historian.model.commit import Commit
from historian.model.samples import Samples
from storage import names
from storage.reader import StoreReader
from storage.store import Store

MEBIBYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine allows no mounts")
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(folder, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def noise(second: int, count: int = 20_000) -> Commit:
    """A commit that no compression makes small."""
    rng = np.random.default_rng(second)
    times = T0 + second * SECOND + np.arange(count)
    samples = Samples(np.ones(count, np.int32), times, rng.normal(size=count), np.zeros(count, np.uint32))
    return Commit(T0 + second * SECOND, samples)


def fill(store: Store) -> tuple[list[Commit], Commit]:
    """Commit until there is no room; what was taken, and the one that was not."""
    taken: list[Commit] = []
    while True:
        commit = noise(len(taken))
        try:
            store.commit(commit)
        except StoreFullError:
            return taken, commit
        taken.append(commit)
        assert len(taken) < 100


def count(path) -> int:
    with StoreReader.open(path) as reader:
        return len(stored_rows(reader.snapshot()))


def test_a_full_disk_and_room_again(small_disk):
    path = small_disk / "store"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MEBIBYTE))
    with Store.open(path, create=True) as store:
        store.register_tags(make_tags(1), T0, "test")
        taken, refused = fill(store)
        assert taken
        assert count(path) == 20_000 * len(taken)
        with pytest.raises(StoreFullError, match="make room there"):
            store.commit(refused)
        ballast.unlink()
        store.commit(refused)
        assert count(path) == 20_000 * (len(taken) + 1)


def test_a_full_disk_while_flushing(small_disk):
    path = small_disk / "store"
    ballast = small_disk / "ballast"
    settings = StoreSettings(path, flush_rows=1)
    with Store.open(path, create=True, settings=settings) as store:
        store.register_tags(make_tags(1), T0, "test")
        for second in range(5):
            store.commit(noise(second))
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(bytes(free - 200_000))
        with pytest.raises(StoreFullError, match="write a file of the archive"):
            store.flush()
        assert [file for file in (path / names.ARCHIVE).rglob("*") if file.is_file()] == []
        assert count(path) == 100_000
        # It is tried again only later, by the time of the commits.
        ballast.unlink()
        assert store.flush() is None
        store.commit(noise(60))
        assert store.flush().rows == 120_000
        assert count(path) == 120_000


def test_a_store_cannot_be_made_on_a_full_disk(small_disk):
    (small_disk / "ballast").write_bytes(bytes(4 * MEBIBYTE - 8192))
    with pytest.raises(StoreFullError):
        Store.open(small_disk / "store", create=True)
    (small_disk / "ballast").unlink()
    Store.open(small_disk / "store", create=True).close()


def test_a_folder_that_is_read_only(small_disk):
    path = small_disk / "store"
    with Store.open(path, create=True) as store:
        store.register_tags(make_tags(1), T0, "test")
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
        store.flush(force=True)
        store.commit(Commit(T0, make_samples([good(1, 1, 2.0)])))
    remount(small_disk, "ro")
    try:
        with StoreReader.open(path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0), good(1, 1, 2.0)]
            assert reader.statistics().samples == 2
        with pytest.raises(StoreError, match=r"(?i)read-only"):
            Store.open(path)
    finally:
        remount(small_disk, "rw")


def test_a_reader_without_lock_files_notices_the_next_writer(small_disk):
    path = small_disk / "store"
    with Store.open(path, create=True) as store:
        store.register_tags(make_tags(1), T0, "test")
        store.commit(Commit(T0, make_samples([good(1, 0, 1.0)])))
    remount(small_disk, "ro")
    try:
        reader = StoreReader.open(path)
        assert len(stored_rows(reader.snapshot())) == 1
    finally:
        remount(small_disk, "rw")
    with reader, Store.open(path) as store:
        store.commit(Commit(T0, make_samples([good(1, 1, 2.0)])))
        assert len(stored_rows(reader.snapshot())) == 2
        store.close()
        assert len(stored_rows(reader.snapshot())) == 2


def test_a_crashed_store_in_a_read_only_folder(small_disk):
    """Its log is read where it lies: without the last commits a reader would show the past as the present."""
    path = small_disk / "store"
    script = (
        "import sys, os; from pathlib import Path; from conformance.store_data import *;"
        "from storage.store import Store; from historian.model.commit import Commit;"
        "store = Store.open(Path(sys.argv[1]), create=True); store.register_tags(make_tags(1), T0, 'test');"
        "store.commit(Commit(T0, make_samples([good(1, 0, 1.0)]))); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True, env=environment())
    remount(small_disk, "ro")
    try:
        with StoreReader.open(path) as reader:
            assert stored_rows(reader.snapshot()) == [good(1, 0, 1.0)]
    finally:
        remount(small_disk, "rw")
