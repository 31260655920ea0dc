"""Readers and the writer at the same time: nobody waits, nothing is missing, nothing is there twice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_current, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.config.settings import StoreSettings
from historian.model.commit import Commit
from historian.model.samples import Samples
from storage import buffer_join, steps
from storage.reader import StoreReader
from storage.store import Store

HAMMER_S = 2.0


@pytest.fixture
def store(store_path):
    settings = StoreSettings(store_path, flush_rows=1)
    with Store.open(store_path, create=True, settings=settings) as store:
        store.register_tags(make_tags(2), T0, "test")
        yield store


@pytest.mark.parametrize("joins", [False, True], ids=["flushes", "joins between flushes"])
def test_hammering_readers_see_every_sample_once(store, store_path, monkeypatch, joins):
    """Commits, flushes and three readers as fast as they can; sample n is stored by commit n + 1, held before."""
    monkeypatch.setattr(buffer_join, "JOIN_BATCHES", 3)
    store._schedule._settings = StoreSettings(store_path)  # nothing is due by itself
    done = threading.Event()
    acknowledged = [0]

    def write() -> None:
        number = 0
        deadline = time.monotonic() + HAMMER_S
        while time.monotonic() < deadline:
            number += 1
            stored = make_samples([good(1, number - 1, float(number - 1))] if number > 1 else [])
            held = make_current([good(1, number, float(number))], newest=[True], pending=[True])
            store.commit(Commit(T0 + number * SECOND, stored, {0: held}))
            acknowledged[0] = number
        done.set()

    def flush() -> int:
        flushed = 0
        while not done.is_set():
            for _ in range(10 * joins):
                store.flush()
            flushed += store.flush(force=True) is not None
        return flushed

    def read() -> int:
        snapshots = 0
        with StoreReader.open(store_path) as reader:
            while not done.is_set():
                before = acknowledged[0]
                rows = stored_rows(reader.snapshot())
                assert [row[2] for row in rows] == [float(number) for number in range(1, len(rows) + 1)]
                assert len(rows) >= before
                snapshots += 1
        return snapshots

    with ThreadPoolExecutor(5) as pool:
        writer, flusher = pool.submit(write), pool.submit(flush)
        readers = [pool.submit(read) for _ in range(3)]
        writer.result()
        assert flusher.result() > 3
        assert all(reader.result() > 3 for reader in readers)


def test_commits_go_on_while_a_file_is_written(store, store_path, monkeypatch):
    """A flush that hangs between two steps holds up no commit, and its snapshot stays whole."""
    inside, go_on = threading.Event(), threading.Event()

    def reached(step: str) -> None:
        if step == "flush: file written":
            inside.set()
            assert go_on.wait(30)

    store.commit(Commit(T0, make_samples([good(1, 1, 1.0)])))
    monkeypatch.setattr(steps, "reached", reached)
    with ThreadPoolExecutor(1) as pool, StoreReader.open(store_path) as reader:
        flushing = pool.submit(store.flush, force=True)
        assert inside.wait(30)
        store.commit(Commit(T0, make_samples([good(1, 2, 2.0)])))
        assert stored_rows(reader.snapshot()) == [good(1, 1, 1.0), good(1, 2, 2.0)]
        go_on.set()
        assert flushing.result().rows == 1
        snapshot = reader.snapshot()
        assert stored_rows(snapshot) == [good(1, 1, 1.0), good(1, 2, 2.0)]
        assert snapshot.recent.num_rows == 1


def test_a_reader_keeps_what_cannot_change(store, store_path):
    store.commit(Commit(T0, make_samples([good(1, 1, 1.0)])))
    with StoreReader.open(store_path) as reader:
        first, second = reader.snapshot(), reader.snapshot()
        assert first.tags is second.tags
        assert first.files is second.files
        store.register_tags(make_tags(3), T0, "test")
        store.flush(force=True)
        third = reader.snapshot()
        assert third.tags.num_rows == 3
        assert len(third.files) == 1


def test_a_reader_opened_before_a_restart_sees_what_comes_after(store, store_path):
    with StoreReader.open(store_path) as reader:
        store.commit(Commit(T0, make_samples([good(1, 1, 1.0)])))
        reader.snapshot()
        store.flush(force=True)
        store.close()
        with Store.open(store_path) as again:
            again.commit(Commit(T0, make_samples([good(1, 2, 2.0)])))
            assert stored_rows(reader.snapshot()) == [good(1, 1, 1.0), good(1, 2, 2.0)]


def test_a_large_buffer_becomes_several_files(store, store_path, monkeypatch):
    monkeypatch.setattr("storage.flush.MAX_FILE_ROWS", 5_000)
    for scan in range(6):
        times = np.full(2_000, T0 + scan * SECOND)
        tags = np.ones(2_000, np.int32)
        store.commit(Commit(T0, Samples(tags, times, np.arange(2_000.0), np.zeros(2_000, np.uint32))))
    report = store.flush(force=True)
    assert [file.rows for file in report.files] == [4_000, 4_000, 4_000]
    with StoreReader.open(store_path) as reader:
        assert len(stored_rows(reader.snapshot())) == 12_000
