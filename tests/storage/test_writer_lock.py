"""One writer at a time, between processes too, and no lock outlives its holder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from historian.errors import StoreLockedError
from storage.lock import WriterLock, read_owner
from storage.store import Store

HOLDER = """
import sys
from pathlib import Path
from storage.store import Store
store = Store.open(Path(sys.argv[1]), create=True, command="historian collect")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(store_path):
    """Another process that holds the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named(holder, store_path):
    with pytest.raises(StoreLockedError, match=rf"process {holder.pid} on .+ \(historian collect\), since \d+"):
        Store.open(store_path)


def test_a_killed_holder_is_no_obstacle(holder, store_path):
    holder.kill()
    holder.wait()
    assert read_owner(store_path).pid == holder.pid
    with Store.open(store_path):
        assert read_owner(store_path).pid == os.getpid()
    assert read_owner(store_path) is None


def test_an_orderly_end_frees_the_store(holder, store_path):
    holder.communicate("")
    Store.open(store_path).close()


def test_a_second_store_of_the_same_process_is_refused(store_path):
    with Store.open(store_path, create=True, command="first"):
        with pytest.raises(StoreLockedError, match="first"):
            Store.open(store_path)
        with pytest.raises(StoreLockedError, match="first"):
            Store.open(store_path)


def test_an_unreadable_record_still_locks(tmp_path):
    lock = WriterLock.take(tmp_path, "first")
    (tmp_path / "historian.lock").write_text("{")
    with pytest.raises(StoreLockedError, match="another process"):
        WriterLock.take(tmp_path, "second")
    lock.release()
    lock.release()
    WriterLock.take(tmp_path, "second").release()
