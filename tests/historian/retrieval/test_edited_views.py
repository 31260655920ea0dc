"""The views over a store with edits: one version of each sample, marked, whatever the query asks for."""

from __future__ import annotations

import pytest

from historian.api import open_historian
from storage.store import Store
from support.sample_store import GOOD, SECOND, T0_US, make_store

ROWS = [("FIC101.PV", second, float(second), GOOD) for second in range(40)] + [("FIC102.PV", 1, 5.0, GOOD)]
CAUSE = {"who": "kim", "why": "test"}


@pytest.fixture
def plant(store_path):
    """A replaced sample in the archive, one in the buffer, a removed range across both, one inserted."""
    make_store(store_path, ROWS, archived_before_s=20, final=True)
    with Store.open(store_path) as store:
        store.edit(1, T0_US + 5 * SECOND, -5.0, **CAUSE)
        store.edit(1, T0_US + 30 * SECOND, -30.0, **CAUSE)
        store.edit(1, T0_US + 30 * SECOND + 1, 30.5, insert=True, **CAUSE)
        store.remove(1, T0_US + 18 * SECOND, T0_US + 22 * SECOND, **CAUSE)
    with open_historian(store_path) as plant:
        yield plant


def values(table) -> list[float]:
    return table.column("value").to_pylist()


EXPECTED = [
    *(float(second) for second in range(5)), -5.0, *(float(second) for second in range(6, 18)),
    *(float(second) for second in range(22, 30)), -30.0, 30.5, *(float(second) for second in range(31, 40)),
]  # fmt: skip


def test_every_sample_once(plant):
    assert values(plant.sql("select value from samples where tag = 'FIC101.PV' order by time")) == EXPECTED
    assert plant.sql("select count(*) as n from samples").column("n").to_pylist() == [len(EXPECTED) + 1]


def test_history(plant):
    assert values(plant.history("FIC101.PV")) == EXPECTED
    assert values(plant.history("FIC102.PV")) == [5.0]
    assert values(plant.history("FIC101.PV", "2026-11-22T00:00:05Z", "2026-11-22T00:00:07Z")) == [-5.0, 6.0]


def test_they_are_marked(plant):
    found = plant.sql("select value, status, status_code from samples where substituted order by time")
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (-5.0, "Good", 0x408), (-30.0, "Good", 0x408), (30.5, "Good", 0x408),
    ]  # fmt: skip


def test_without_edits_the_view_does_not_ask_for_them(store_path):
    make_store(store_path, ROWS, archived_before_s=20)
    with open_historian(store_path) as plant:
        plan = "\n".join(plant.sql("explain select * from samples").column("explain_value").to_pylist())
    assert "ANTI" not in plan.upper()
