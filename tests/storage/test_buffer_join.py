"""Small batches of the buffer become one: the samples stay what and where they are, whoever looks meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.config.settings import StoreSettings
from historian.errors import StoreFullError
from historian.model.commit import Commit
from historian.model.samples import Samples
from storage import buffer
from storage.buffer_join import JOIN_BATCHES, JOIN_ROWS
from storage.reader import StoreReader
from storage.store import Store


@pytest.fixture
def store(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(3), T0, "test")
        yield store


@pytest.fixture
def reader(store):
    with StoreReader.open(store.folder) as reader:
        yield reader


def commit(store: Store, second: int, value: float | str | None = 1.5) -> None:
    store.commit(Commit(T0 + second * SECOND, make_samples([good(1 + second % 3, second, value)])))


def batches(reader: StoreReader) -> list[buffer.BatchSize]:
    return reader.inspect(lambda link: buffer.sizes(link, after=0))


def test_many_commits_leave_few_batches(store, reader):
    """300 commits as between two flushes: a large batch for each 32, and the rest."""
    for second in range(300):
        commit(store, second)
        assert store.flush() is None
    found = batches(reader)
    assert [each.rows for each in found] == [32] * 9 + [1] * 12
    assert stored_rows(reader.snapshot()) == sorted(good(1 + second % 3, second, 1.5) for second in range(300))


def test_a_joined_batch_says_what_is_in_it_and_is_as_old_as_its_oldest(store, reader):
    for second in range(JOIN_BATCHES - 1):
        commit(store, second)
    store.flush()
    assert len(batches(reader)) == JOIN_BATCHES - 1
    commit(store, JOIN_BATCHES - 1)
    before = {each.number for each in batches(reader)}
    store.flush()
    (found,) = batches(reader)
    assert found.number not in before
    assert found[1:] == (T0, JOIN_BATCHES, T0, T0 + (JOIN_BATCHES - 1) * SECOND)


def test_whole_numbers_texts_and_missing_values_survive(store, reader):
    values = [2**63 + 1, "on", None, 0.1]
    for second in range(JOIN_BATCHES):
        commit(store, second, values[second % 4])
    expected = stored_rows(reader.snapshot())
    store.flush()
    assert len(batches(reader)) == 1
    assert stored_rows(reader.snapshot()) == expected
    with StoreReader.open(reader.folder) as fresh:
        assert stored_rows(fresh.snapshot()) == expected


def test_batches_without_texts_get_no_column_for_them(store, reader):
    for second in range(JOIN_BATCHES):
        commit(store, second)
    store.flush()
    (found,) = batches(reader)
    blob = reader.inspect(lambda link: buffer.fetch(link, [found.number]))[0][1]
    assert buffer.decode(blob, "the batch").column_names == ["tag_id", "time", "value", "status"]


def test_large_batches_are_left_alone(store, reader):
    rows = JOIN_ROWS // JOIN_BATCHES + 1
    for second in range(JOIN_BATCHES + 1):
        times = T0 + second * SECOND + np.arange(rows)
        samples = Samples(np.ones(rows, np.int32), times, np.zeros(rows), np.zeros(rows, np.uint32))
        store.commit(Commit(T0 + second * SECOND, samples))
    store.flush()
    assert len(batches(reader)) == JOIN_BATCHES + 1
    for second in range(JOIN_BATCHES):
        commit(store, 100 + second)
    store.flush()
    assert [each.rows for each in batches(reader)] == [rows] * (JOIN_BATCHES + 1) + [JOIN_BATCHES]


def test_joining_does_not_put_the_flush_off(store_path):
    settings = StoreSettings(store_path, flush_rows=10**6, flush_us=100 * SECOND)
    with Store.open(store_path, create=True, settings=settings) as store, StoreReader.open(store_path) as reader:
        store.register_tags(make_tags(3), T0, "test")
        for second in range(99):
            commit(store, second)
            assert store.flush() is None
        assert len(batches(reader)) == 3 + 3
        commit(store, 100)
        assert store.flush().rows == 100
        assert batches(reader) == []
        assert [file.rows for file in reader.snapshot().files] == [100]


def test_a_commit_that_comes_while_batches_are_joined_is_kept(store, reader, monkeypatch):
    for second in range(JOIN_BATCHES):
        commit(store, second)
    encode = buffer.encode

    def commit_first(batch):
        monkeypatch.setattr(buffer, "encode", encode)
        commit(store, JOIN_BATCHES)
        return encode(batch)

    monkeypatch.setattr(buffer, "encode", commit_first)
    store.flush()
    assert [each.rows for each in batches(reader)] == [1, JOIN_BATCHES]
    expected = sorted(good(1 + second % 3, second, 1.5) for second in range(JOIN_BATCHES + 1))
    assert stored_rows(reader.snapshot()) == expected
    store.flush(force=True)
    assert stored_rows(reader.snapshot()) == expected


def test_what_cannot_be_joined_stays_and_is_tried_again_later(store, reader, monkeypatch):
    tries = []

    def refuse(*_):
        tries.append(1)
        raise OSError(28, "No space left on device")

    for second in range(JOIN_BATCHES):
        commit(store, second)
    with monkeypatch.context() as patch:
        patch.setattr(buffer, "delete", refuse)
        with pytest.raises(StoreFullError, match="cannot join batches of the buffer"):
            store.flush()
        assert store.flush() is None
        commit(store, JOIN_BATCHES + 8)
        assert store.flush() is None
    assert tries == [1]
    assert len(batches(reader)) == JOIN_BATCHES + 1
    commit(store, JOIN_BATCHES + 12)
    store.flush()
    assert len(batches(reader)) == 1
    assert len(stored_rows(reader.snapshot())) == JOIN_BATCHES + 2
