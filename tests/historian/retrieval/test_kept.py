"""A kept connection shows what the store holds now, like one made anew."""

from __future__ import annotations

import pytest

from historian.errors import QueryError
from historian.model.commit import Commit
from historian.retrieval.functions.reading import Readings
from historian.retrieval.kept import KeptConnection
from historian.retrieval.query import ask
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import GOOD, SECOND, T0_US, TAGS, current_of, make_store, plant_rows, samples_of


@pytest.fixture
def kept():
    found = KeptConnection("UTC", Readings("UTC"))
    yield found
    found.close()


def count(kept, reader):
    with kept.lend(reader.snapshot()) as connection:
        return ask(connection, "select count(*) as n from samples").table().column("n")[0].as_py()


def test_it_is_the_same_while_nothing_changes(store_path, kept):
    make_store(store_path, plant_rows(10), archived_before_s=5)
    with StoreReader.open(store_path) as reader:
        assert reader.snapshot() is reader.snapshot()
        with kept.lend(reader.snapshot()) as first:
            pass
        with kept.lend(reader.snapshot()) as second:
            assert first is second


def test_commits_flushes_edits_and_the_newest_are_seen(store_path, kept):
    make_store(store_path, plant_rows(10), archived_before_s=5)
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        ids = store.register_tags(TAGS, T0_US, "test")
        store.recover(T0_US)
        before = count(kept, reader)
        row = ("FIC101.PV", 20.0, 5.0, GOOD)
        store.commit(Commit(T0_US, samples_of([row], ids), {0: current_of([row], ids, {})}))
        assert count(kept, reader) == before + 1
        with kept.lend(reader.snapshot()) as connection:
            newest = ask(connection, "select value from snapshot where tag = 'FIC101.PV'").table()
            assert newest.column("value").to_pylist() == [5.0]
        store.flush(force=True)
        assert count(kept, reader) == before + 1
        store.remove(ids["FIC101.PV"], T0_US + 20 * SECOND, T0_US + 21 * SECOND, who="test", why="wrong")
        assert count(kept, reader) == before


def test_who_comes_while_another_asks_gets_one_of_its_own(store_path, kept):
    make_store(store_path, plant_rows(3))
    with StoreReader.open(store_path) as reader, kept.lend(reader.snapshot()) as first:
        with kept.lend(reader.snapshot()) as second:
            assert first is not second
            assert ask(second, "select 1 as one").table().to_pylist() == [{"one": 1}]
        assert ask(first, "select 1 as one").table().to_pylist() == [{"one": 1}]


def test_a_wrong_query_does_no_harm_and_a_failure_makes_a_new_one(store_path, kept):
    make_store(store_path, plant_rows(3))
    with StoreReader.open(store_path) as reader:
        with kept.lend(reader.snapshot()) as first:
            pass
        with pytest.raises(QueryError):
            lent(kept, reader, first, "select nothing from samples")
        with pytest.raises(AssertionError):
            lent(kept, reader, None, "select 1")
        with kept.lend(reader.snapshot()) as anew:
            assert anew is not first


def lent(kept, reader, expected, sql):
    with kept.lend(reader.snapshot()) as connection:
        assert connection is expected
        ask(connection, sql)
