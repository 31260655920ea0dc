"""The newest samples at or before an instant against a plain search of everything."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage.reader import StoreReader
from storage.seek import Piece, Seeker
from storage.store import Store
from support.sample_store import SECOND, T0_US

TAGS = [Tag(f"T{number}", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(1, 6)]


def samples(rows: dict[tuple[int, int], float]) -> Samples:
    keys = sorted(rows)
    return Samples(
        np.array([tag for tag, _ in keys], np.int32),
        np.array([T0_US + at * SECOND for _, at in keys], np.int64),
        np.array([rows[key] for key in keys], np.float64),
        np.zeros(len(keys), np.uint32),
    )


PARTS = st.lists(
    st.dictionaries(st.tuples(st.integers(1, 5), st.integers(0, 30)), st.floats(-1e6, 1e6), min_size=1, max_size=20),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(parts=PARTS, removed=st.sets(st.tuples(st.integers(1, 5), st.integers(0, 30)), max_size=10), small=st.booleans())
def test_every_tag_at_every_instant(tmp_path_factory, parts, removed, small):
    folder = tmp_path_factory.mktemp("seek") / "store"
    expected: dict[tuple[int, int], float] = {}
    with Store.open(folder, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        for part in parts:
            fresh = {key: value for key, value in part.items() if key not in expected}
            expected |= fresh
            if fresh:
                store.commit(Commit(T0_US, samples(fresh)))
            if part is not parts[-1]:
                store.flush(force=True)
        for tag, at in removed & set(expected):
            store.remove(tag, T0_US + at * SECOND, T0_US + at * SECOND + 1, who="test", why="wrong")
            del expected[tag, at]
    seeker = Seeker(kept_bytes=1 if small else 1 << 20)
    with StoreReader.open(folder) as reader:
        for at in (-1, 0, 3, 17, 30, 99):
            found = seeker.at_or_before(reader.snapshot(), np.array([1, 2, 4, 5], np.int32), T0_US + at * SECOND)
            got = {(int(t), (int(u) - T0_US) // SECOND): float(v) for t, u, v in zip(found.tag_id, found.time_us, found.value, strict=True)}  # fmt: skip # noqa: E501 - a row a line
            newest = {tag: max((s for t, s in expected if t == tag and s <= at), default=None) for tag in (1, 2, 4, 5)}
            assert got == {(tag, s): expected[tag, s] for tag, s in newest.items() if s is not None}


def test_exact_numbers_and_texts_are_found_in_files(store_path):
    rows = Samples(
        np.array([1, 1, 2], np.int32), T0_US + np.array([0, 1, 0]) * SECOND, np.array([1.0, 2.0**63, math.nan]),
        np.zeros(3, np.uint32), {1: 2**63 + 1}, {2: "B-1"},
    )  # fmt: skip
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        store.commit(Commit(T0_US, rows))
        store.flush(force=True)
    seeker = Seeker()
    with StoreReader.open(store_path) as reader:
        for _ in range(2):
            found = seeker.at_or_before(reader.snapshot(), np.array([1, 2], np.int32), T0_US + 5 * SECOND)
            assert (found.exact, found.text) == ({0: 2**63 + 1}, {1: "B-1"})


def test_an_edit_is_what_is_seen(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        store.commit(Commit(T0_US, samples({(1, 0): 1.0, (1, 1): 2.0})))
        store.flush(force=True)
        store.edit(1, T0_US + SECOND, 7.0, who="test", why="calibrated")
    with StoreReader.open(store_path) as reader:
        assert Seeker().at_or_before(reader.snapshot(), np.array([1], np.int32), T0_US + SECOND).value.tolist() == [7.0]


def test_memory_stays_within_its_limit(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        for hour in range(4):
            rows = {(tag, hour * 10 + at): float(at) for tag in range(1, 6) for at in range(10)}
            store.commit(Commit(T0_US, samples(rows)))
            store.flush(force=True)
    size = Piece.of(samples({(tag, at): 0.0 for tag in range(1, 6) for at in range(10)})).bytes
    seeker = Seeker(kept_bytes=2 * size)
    with StoreReader.open(store_path) as reader:
        for at in (5, 15, 25, 35, 5):
            found = seeker.at_or_before(reader.snapshot(), np.arange(1, 6, dtype=np.int32), T0_US + at * SECOND)
            assert found.value.tolist() == [5.0] * 5
            assert seeker.bytes <= 2 * size


@pytest.mark.parametrize("at", [0, 1])
def test_nothing_stored(store_path, at):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
    with StoreReader.open(store_path) as reader:
        assert len(Seeker().at_or_before(reader.snapshot(), np.array([1], np.int32), T0_US + at)) == 0
