"""``history`` from arrays, compared with the same question in SQL, which is another way through other code."""

from __future__ import annotations

from dataclasses import replace

import pytest

import historian
from historian.model.tag import Tag, ValueType
from historian.retrieval.history import open_scope, samples_in
from historian.retrieval.time_range import TimeRange
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import BAD, GOOD, SECOND, T0_US, TAGS, UNCERTAIN, make_store, plant_rows

STEP = Tag(
    "BATCH.STEP", "boiler", "hr:9", "fast", ValueType.INT64, enumeration={0: "idle", 1: "fill", 2**62 + 1: "huge"}
)
BOILER = (*TAGS, STEP, Tag("FT.COUNT", "boiler", "hr:9", "fast", ValueType.INT32, units="l"))
ROWS = [
    *plant_rows(40),
    *[("BATCH.STEP", second, second % 4 if second % 5 else 2**62 + 1, GOOD) for second in range(40)],
    *[("FT.COUNT", second, 3 * second - 2**53 - 1, GOOD) for second in range(8)],
    ("FT.COUNT", 8, None, BAD),
    ("FT.COUNT", 9, 2.5, 0x8FFF0000 - 0x40000000),
    ("FT.COUNT", 10, -1, UNCERTAIN),
]  # fmt: skip


@pytest.fixture
def folder(store_path):
    """A store with files, a buffer, edits, and tags whose units and states changed."""
    make_store(store_path, ROWS, tags=BOILER, archived_before_s=25)
    by = {"who": "test", "why": "calibrated"}
    with Store.open(store_path) as store:
        changed = [replace(BOILER[0], units="l/min"), replace(STEP, enumeration={1: "charge", 2: "heat"})]
        store.register_tags(changed, T0_US + 15 * SECOND, "test")
        store.register_tags([replace(BOILER[0], units="l/h")], T0_US + 30 * SECOND, "test")
        store.edit(1, T0_US + 3 * SECOND, 7.25, **by)
        store.edit(5, T0_US + 3 * SECOND, "B-9", **by)
        store.remove(2, T0_US + 20 * SECOND, T0_US + 30 * SECOND, **by)
    return store_path


@pytest.mark.parametrize("tags", [["*"], ["XV*", "BATCH.STEP", "FIC101.PV"], ["BATCH.ID"], ["FT.COUNT"], ["FIC102.PV"]])
@pytest.mark.parametrize(("start_s", "end_s"), [(0, 60), (14, 16), (24, 26), (3, 4), (100, 101)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_it_is_what_sql_says(folder, tags, start_s, end_s, zone):
    span = TimeRange(T0_US + start_s * SECOND, T0_US + end_s * SECOND)
    with StoreReader.open(folder) as reader, open_scope(reader, tags, span, time_zone=zone) as scope:
        wanted = samples_in(scope).table()
    with historian.open(folder, time_zone=zone) as h:
        found = h.history(tags, *(historian_time(s) for s in (start_s, end_s)))
    # Beyond what is stored, every row says what it is and what people noted.
    assert set(found.column("kind").to_pylist()) <= {"sample"}
    assert found.column("note").null_count == len(found)
    found = found.drop_columns(["kind", "note"])
    assert found.schema == wanted.schema
    assert found.to_pylist() == wanted.to_pylist()


def historian_time(second: int) -> str:
    return f"2026-11-22T00:{second // 60:02}:{second % 60:02}Z"
