"""Raw samples kept as a proof: packed, let go, checked, and never part of what queries see."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import stored_rows
from historian.config.settings import ShadowSettings
from historian.errors import CorruptionError, UsageError
from historian.model.commit import Commit
from historian.model.samples import concatenate
from storage import names
from storage.reader import StoreReader
from storage.shadow import PACK_US
from storage.store import Store
from storage.verify import verify

KEEP = ShadowSettings(keep_us=3600 * SECOND)
MINUTE = 60 * SECOND


@pytest.fixture
def store(store_path):
    with closing(Store.open(store_path, create=True)) as store:
        store.register_tags(make_tags(3), T0, "test")
        yield store


def commit(store: Store, second: int) -> None:
    raw = make_samples([good(tag, second, float(second * tag)) for tag in (1, 2)])
    store.commit(Commit(T0 + second * SECOND, raw.take(np.array([0])), shadow=raw))


def kept(folder) -> list[tuple[int, int, float]]:
    with StoreReader.open(folder) as reader:
        raw = concatenate([reader.shadow_samples(row) for row in reader.shadow_rows()])
    return sorted(zip(raw.tag_id.tolist(), ((raw.time_us - T0) // SECOND).tolist(), raw.value.tolist(), strict=True))


def wanted(seconds) -> list[tuple[int, int, float]]:
    return sorted((tag, second, float(second * tag)) for second in seconds for tag in (1, 2))


def test_queries_never_see_them(store, store_path):
    commit(store, 1)
    with StoreReader.open(store_path) as reader:
        assert stored_rows(reader.snapshot()) == [good(1, 1, 1.0)]
        assert reader.statistics().samples == 1
        assert reader.statistics().shadow_rows == 2
        assert reader.statistics().shadow_bytes > 0
    assert kept(store_path) == wanted([1])


def test_commits_become_one_row_after_some_minutes(store, store_path):
    for second in range(1, 30):
        commit(store, second)
    store.tend_shadow(T0 + PACK_US - SECOND, KEEP)
    with StoreReader.open(store_path) as reader:
        assert len(reader.shadow_rows()) == 29
    store.tend_shadow(T0 + PACK_US + 2 * SECOND, KEEP)
    with StoreReader.open(store_path) as reader:
        (row,) = reader.shadow_rows()
        assert (row.rows, row.packed) == (58, 1)
        assert (row.first_us, row.last_us) == (T0 + SECOND, T0 + 29 * SECOND)
        assert reader.statistics().shadow_rows == 58
    assert kept(store_path) == wanted(range(1, 30))


def test_packed_rows_and_new_ones_side_by_side(store, store_path):
    for second in (1, 2, 700, 701):
        commit(store, second)
        store.tend_shadow(T0 + second * SECOND, KEEP)
    assert kept(store_path) == wanted([1, 2, 700, 701])
    with StoreReader.open(store_path) as reader:
        assert [row.packed for row in reader.shadow_rows()] == [1, 0]


def test_old_ones_go(store, store_path):
    for second in (1, 1800, 3600):
        commit(store, second)
        store.tend_shadow(T0 + second * SECOND + PACK_US, KEEP)
    store.tend_shadow(T0 + 3602 * SECOND, KEEP)
    assert kept(store_path) == wanted([1800, 3600])
    store.tend_shadow(T0 + 86_400 * SECOND, KEEP)
    assert kept(store_path) == []


def test_too_many_go_oldest_first(store, store_path):
    for second in range(1, 6):
        commit(store, second)
    with StoreReader.open(store_path) as reader:
        size = reader.statistics().shadow_bytes // 5
    store.tend_shadow(T0 + 6 * SECOND, ShadowSettings(max_bytes=3 * size))
    assert kept(store_path) == wanted([3, 4, 5])


def test_samples_of_unknown_tags_are_refused(store):
    with pytest.raises(UsageError, match="tag_id 9"):
        store.commit(Commit(T0, shadow=make_samples([good(9, 1, 1.0)])))


@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_found_with_its_row(store, store_path, packed):
    commit(store, 1)
    if packed:
        store.tend_shadow(T0 + PACK_US + 2 * SECOND, KEEP)
    store.close()
    with closing(sqlite3.connect(store_path / names.DATABASE)) as link:
        (blob,) = link.execute("select samples from shadow").fetchone()
        link.execute("update shadow set samples = ?", (blob[:40] + bytes([blob[40] ^ 255]) + blob[41:],))
        link.commit()
    (damage,) = verify(store_path).damages
    assert (damage.kind, damage.table) == ("row", "shadow")
    with StoreReader.open(store_path) as reader, pytest.raises(CorruptionError, match="of shadow"):
        reader.shadow_samples(reader.shadow_rows()[0])


def test_a_full_shadow_is_clean(store, store_path):
    for second in (1, 2, 700, 701):
        commit(store, second)
        store.tend_shadow(T0 + second * SECOND, KEEP)
    assert verify(store_path).is_clean
