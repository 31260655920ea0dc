"""Samples read by tag and time, and those next to an instant, against a plain dict of all samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.errors import CorruptionError
from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag, ValueType
from storage import archive
from storage.pieces import Pieces
from storage.ranges import RangeReader
from storage.reader import StoreReader
from storage.store import Store
from support.examples import examples
from support.sample_store import T0_US

HOUR = 3_600_000_000
BAD, UNCERTAIN, SUBSTITUTED = 0x80310000, 0x40900000, 0x0408
DAYS_LATER = T0_US + 90 * 24 * HOUR
BY = {"who": "test", "why": "wrong"}

TAGS = [
    *(Tag(f"T{number}", "plant", "hr:0", "fast", ValueType.FLOAT64) for number in range(1, 5)),
    Tag("COUNT", "plant", "hr:0", "fast", ValueType.UINT64),
    Tag("BATCH", "plant", "hr:0", "fast", ValueType.TEXT),
    Tag("SPARE", "plant", "hr:0", "fast", ValueType.FLOAT64),
]
WHOLE, TEXT = 5, 6

Key = tuple[int, int]
Value = float | int | str | None
Model = dict[Key, tuple[Value, int]]
"""Tag and hours after T0_US; value and status."""


def value_of(tag: int, number: int) -> Value:
    """A value of the tag's type, none now and then."""
    if number % 4 == 0:
        return None
    return {WHOLE: 2**63 + 2 * number + 1, TEXT: f"B-{number}"}.get(tag, number / 8)


def status_of(value: Value, number: int) -> int:
    if value is None:
        return BAD
    return UNCERTAIN if number % 3 == 0 else 0


def as_samples(rows: Model) -> Samples:
    values = [rows[key][0] for key in rows]
    return Samples(
        np.array([tag for tag, _ in rows], np.int32),
        np.array([T0_US + at * HOUR for _, at in rows], np.int64),
        np.array([math.nan if value is None or isinstance(value, str) else float(value) for value in values]),
        np.array([rows[key][1] for key in rows], np.uint32),
        {row: value for row, value in enumerate(values) if isinstance(value, int)},
        {row: value for row, value in enumerate(values) if isinstance(value, str)},
    )


def as_rows(samples: Samples) -> list[tuple[Key, tuple[Value, int]]]:
    """In their order."""
    found = []
    for row in range(len(samples)):
        number = float(samples.value[row])
        value = samples.text.get(row, samples.exact.get(row, None if math.isnan(number) else number))
        key = int(samples.tag_id[row]), (int(samples.time_us[row]) - T0_US) // HOUR
        found.append((key, (value, int(samples.status[row]))))
    return found


def expected_between(model: Model, tags: list[int], start: int, end: int) -> list[tuple[Key, tuple[Value, int]]]:
    return in_order((key for key in model if key[0] in tags and start <= key[1] < end), model, tags)


def in_order(keys: Iterable[Key], model: Model, tags: list[int]) -> list[tuple[Key, tuple[Value, int]]]:
    """By tag as asked for, and time."""
    return [(key, model[key]) for key in sorted(keys, key=lambda key: (tags.index(key[0]), key[1]))]


def expected_around(
    model: Model, tags: list[int], start: int, end: int, bad_from: int = 0x80000000
) -> list[tuple[Key, tuple[Value, int]]]:
    """By the definition: the last before, the last two not Bad before, the first after, the first not Bad after."""
    keys: set[Key] = {key for key, _ in expected_between(model, tags, start, end)}
    for tag in tags:
        mine = sorted(key for key in model if key[0] == tag)
        before, after = [key for key in mine if key[1] < start], [key for key in mine if key[1] >= end]
        keys |= {*before[-1:], *[key for key in before if model[key][1] < bad_from][-2:]}
        keys |= {*after[:1], *[key for key in after if model[key][1] < bad_from][:1]}
    return in_order(keys, model, tags)


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("commit"),
            st.dictionaries(st.tuples(st.integers(1, 6), st.integers(0, 60)), st.integers(0, 99), max_size=25),
        ),
        st.tuples(st.just("remove"), st.tuples(st.integers(1, 6), st.integers(0, 60), st.integers(1, 20))),
        st.tuples(st.just("edit"), st.tuples(st.integers(0, 999), st.integers(1, 99))),
        st.tuples(st.sampled_from(["flush", "compact"]), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(autouse=True, scope="module")
def small_row_groups() -> Iterator[None]:
    """So that few samples make many of them, with several tags in one and one tag in several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "MIN_GROUP_ROWS", 4)
        patch.setattr(archive, "MAX_GROUP_ROWS", 8)
        yield


def carried_out(store: Store, model: Model, action: str, what) -> None:
    if action == "commit":
        fresh: Model = {}
        for (tag, at), number in what.items():
            value = value_of(tag, number)
            if (tag, at) not in model:
                fresh[tag, at] = value, status_of(value, number)
        if fresh:
            store.insert(as_samples(fresh), mode="no-replace", time_us=DAYS_LATER, **BY)
            model |= fresh
    elif action == "remove":
        tag, at, hours = what
        store.remove(tag, T0_US + at * HOUR, T0_US + (at + hours) * HOUR, **BY)
        for key in [key for key in model if key[0] == tag and at <= key[1] < at + hours]:
            del model[key]
    elif action == "edit" and model:
        chosen, number = what
        key = sorted(model)[chosen % len(model)]
        value = value_of(key[0], number)
        store.edit(key[0], T0_US + key[1] * HOUR, value, status_of(value, number), **BY)
        model[key] = value, status_of(value, number) | SUBSTITUTED
    elif action == "flush":
        store.flush(force=True)
    elif action == "compact":
        store.compact(DAYS_LATER, everything=True)


@settings(max_examples=examples(40), deadline=None)
@given(actions=actions, small=st.booleans(), start=st.integers(-2, 62), hours=st.integers(1, 64))
def test_it_is_what_a_dict_of_all_samples_says(tmp_path_factory, actions, small, start, hours):
    folder = tmp_path_factory.mktemp("ranges") / "store"
    model: Model = {}
    reading = RangeReader(Pieces(kept_bytes=1 if small else 1 << 20))
    tags = [6, 1, 2, 7, 5, 4]
    tag_id = np.array(tags, np.int32)
    start_us, end_us = T0_US + start * HOUR, T0_US + (start + hours) * HOUR
    with Store.open(folder, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        with StoreReader.open(folder) as reader:
            for action, what in actions:
                carried_out(store, model, action, what)
                snapshot = reader.snapshot()
                between = reading.between(snapshot, tag_id, start_us, end_us)
                assert as_rows(between) == expected_between(model, tags, start, start + hours)
                for as_bad, bad_from in ((False, 0x80000000), (True, 0x40000000)):
                    around = reading.around(snapshot, tag_id, start_us, end_us, uncertain_as_bad=as_bad)
                    assert as_rows(around) == expected_around(model, tags, start, start + hours, bad_from)
                newest = {key[0]: (key, row) for key, row in expected_between(model, tags, -99, start + 1)}
                assert as_rows(reading.at_or_before(snapshot, tag_id, start_us)) == list(newest.values())


def test_bad_all_through_is_passed_over(store_path):
    """Ten files in which a tag is Bad: the last sample that is not Bad is found behind them."""
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        model: Model = {(1, at): (None, BAD) if at else (1.5, 0) for at in range(1000)}
        for first in range(0, 1000, 100):
            store.commit(
                Commit(T0_US, as_samples({key: row for key, row in model.items() if key[1] // 100 * 100 == first}))
            )
            store.flush(force=True)
    with StoreReader.open(store_path) as reader:
        found = RangeReader().around(reader.snapshot(), np.array([1], np.int32), T0_US + 990 * HOUR, T0_US + 992 * HOUR)
    assert as_rows(found) == expected_around(model, [1], 990, 992)
    assert [key[1] for key, _ in as_rows(found)] == [0, 989, 990, 991, 992]


def test_an_estimate_is_near_the_count(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        store.commit(Commit(T0_US, as_samples({(tag, at): (1.0, 0) for tag in (1, 2, 3) for at in range(100)})))
        store.flush(force=True)
        store.commit(Commit(T0_US, as_samples({(tag, at): (1.0, 0) for tag in (1, 4) for at in range(100, 110)})))
    with StoreReader.open(store_path) as reader:
        tag_id = np.array([1, 3, 4, 7], np.int32)
        found = RangeReader().estimate(reader.snapshot(), tag_id, T0_US + 50 * HOUR, T0_US + 200 * HOUR)
    assert found.tolist() == pytest.approx([60, 50, 10, 0], abs=3)


def test_memory_stays_within_its_limit(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        for day in range(4):
            rows: Model = {(tag, day * 10 + at): (float(at), 0) for tag in range(1, 6) for at in range(10)}
            store.commit(Commit(T0_US, as_samples(rows)))
            store.flush(force=True)
    reading = RangeReader(Pieces(kept_bytes=500))
    with StoreReader.open(store_path) as reader:
        for at in (5, 15, 25, 35, 5):
            found = reading.at_or_before(reader.snapshot(), np.arange(1, 6, dtype=np.int32), T0_US + at * HOUR)
            assert found.value.tolist() == [5.0] * 5
            assert 0 < reading.bytes <= 500


def test_a_damaged_file_is_named(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
        store.commit(Commit(T0_US, as_samples({(1, 0): (1.0, 0)})))
        store.flush(force=True)
    with StoreReader.open(store_path) as reader:
        (file,) = reader.snapshot().files
        with Path(file.path).open("r+b") as stream:
            stream.truncate(100)
        with pytest.raises(CorruptionError, match=file.path):
            RangeReader().between(reader.snapshot(), np.array([1], np.int32), T0_US, T0_US + HOUR)


def test_nothing_stored(store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(TAGS, T0_US, "test")
    with StoreReader.open(store_path) as reader:
        assert len(RangeReader().at_or_before(reader.snapshot(), np.array([1], np.int32), T0_US)) == 0
        assert len(RangeReader().around(reader.snapshot(), np.array([1], np.int32), T0_US, T0_US + 1)) == 0
        assert RangeReader().estimate(reader.snapshot(), np.array([1], np.int32), T0_US, T0_US + 1).tolist() == [0]
