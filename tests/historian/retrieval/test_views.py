"""The views: every sample once, with its names, from archive and buffer alike."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from historian.model.status_codes import NAMES
from historian.model.tag import Tag, ValueType
from historian.retrieval.connection import connect
from historian.retrieval.query import ask
from storage.reader import StoreReader
from support.sample_store import BAD, GOOD, SECOND, T0_US, UNCERTAIN, make_store, plant_rows

Sql = Callable[[str], list[dict[str, object]]]


@pytest.fixture
def sql(store_path: Path) -> Iterator[Sql]:
    """Ask the store that the test has made by then."""

    def run(query: str) -> list[dict[str, object]]:
        with StoreReader.open(store_path) as reader:
            connection = connect(reader.snapshot())
        try:
            return ask(connection, query).table().to_pylist()
        finally:
            connection.close()

    return run


@pytest.mark.parametrize("archived", [0, 30, 1000], ids=["buffer", "both", "archive"])
def test_samples_are_the_same_wherever_they_are(store_path, sql, archived):
    rows = plant_rows()
    make_store(store_path, rows, archived_before_s=archived)
    found = sql("select tag, epoch_us(time) as t, value, value_text, status_code from samples")
    expected = {
        (tag, T0_US + second * SECOND, float(value) if isinstance(value, int | float) else None,
         value if isinstance(value, str) else {0: "closed", 1: "open"}[value] if tag == "XV101.OPEN" else None, status)
        for tag, second, value, status in rows
    }  # fmt: skip
    assert len(found) == len(rows)
    assert {tuple(row.values()) for row in found} == expected


def test_columns_of_samples(store_path, sql):
    make_store(store_path, plant_rows())
    assert [(row["column_name"], row["column_type"]) for row in sql("describe samples")] == [
        ("tag", "VARCHAR"),
        ("time", "TIMESTAMP WITH TIME ZONE"),
        ("value", "DOUBLE"),
        ("value_int", "DECIMAL(20,0)"),
        ("value_text", "VARCHAR"),
        ("quality", "VARCHAR"),
        ("status", "VARCHAR"),
        ("status_code", "UINTEGER"),
        ("substituted", "BOOLEAN"),
    ]


def test_whole_numbers_are_exact(store_path, sql):
    small, huge = 7, 2**64 - 1
    make_store(
        store_path, [("FQ101.TOTAL", 0, small, GOOD), ("FQ101.TOTAL", 1, huge, GOOD), ("FIC101.PV", 0, 7.0, GOOD)]
    )
    assert sql("select value_int from samples where tag = 'FQ101.TOTAL' order by time") == [
        {"value_int": Decimal(small)},
        {"value_int": Decimal(huge)},
    ]
    assert sql("select value_int from samples where tag = 'FIC101.PV'") == [{"value_int": None}]


def test_a_scaled_whole_number_is_no_whole_number(store_path, sql):
    tag = Tag("SCALED", "boiler", "hr:0", "fast", ValueType.INT16, scale=0.1)
    make_store(store_path, [("SCALED", 0, 7.0, GOOD), ("SCALED", 1, 7.3, GOOD)], tags=[tag])
    assert sql("select value, value_int from samples order by time") == [
        {"value": 7.0, "value_int": None},
        {"value": 7.3, "value_int": None},
    ]


def test_every_status_has_its_name_and_quality(store_path, sql):
    codes = [*NAMES, 0x8FFF0000, 0x4FFF1234, 0xC0000000, BAD | 0x0400]
    make_store(store_path, [("FIC101.PV", second, None, code) for second, code in enumerate(codes)])
    found = sql("select status_code, status, quality from samples order by time")
    for code, row in zip(codes, found, strict=True):
        quality = ("Good", "Uncertain", "Bad", "Bad")[code >> 30]
        assert row == {
            "status_code": code,
            "status": NAMES.get(code & 0xFFFF0000, f"{quality}(0x{code:08X})"),
            "quality": quality,
        }


def health(updated_us: int) -> dict[str, dict[str, object]]:
    return {"process": {"updated_us": updated_us}}


@pytest.mark.parametrize(
    ("silent_s", "expected"),
    [(None, "Good"), (0, "Good"), (60, "UncertainLastUsableValue")],
    ids=["never collected", "collecting", "gone"],
)
def test_the_snapshot_vouches_only_for_a_process_that_lives(store_path, sql, silent_s, expected):
    figures = {} if silent_s is None else health(time.time_ns() // 1000 - silent_s * SECOND)
    make_store(store_path, [("FIC101.PV", 0, 1.0, GOOD), ("FIC101.PV", 9, 2.0, GOOD)], health=figures)
    assert sql("select tag, value, status from snapshot") == [{"tag": "FIC101.PV", "value": 2.0, "status": expected}]


def test_the_snapshot_keeps_what_is_bad_as_it_is(store_path, sql):
    rows = [("FIC101.PV", 0, None, BAD), ("FIC102.PV", 0, 1.0, UNCERTAIN)]
    make_store(store_path, rows, health=health(1))
    assert sql("select status from snapshot order by tag") == [
        {"status": "BadNoCommunication"},
        {"status": "Uncertain"},
    ]


def test_sources(store_path, sql):
    figures = {"protocol": "modbus", "state": "connected", "scans": 7, "last_good_us": T0_US, "updated_us": 0}
    make_store(store_path, [], health={"source/boiler": figures})
    (row,) = sql("select * exclude (last_good, updated), epoch_us(last_good) as t, updated from sources")
    assert (row["source"], row["protocol"], row["scans"], row["t"], row["updated"]) == (
        "boiler",
        "modbus",
        7,
        T0_US,
        None,
    )


def test_errors_of_sources_by_kind(store_path, sql):
    figures = {"errors_by_kind": {"BadTimeout": 3, "BadNoCommunication": 1}}
    make_store(store_path, [], health={"source/boiler": figures, "source/mixer": {}, "process": {}})
    assert sql("from source_errors") == [
        {"source": "boiler", "kind": "BadNoCommunication", "errors": 1},
        {"source": "boiler", "kind": "BadTimeout", "errors": 3},
    ]


def test_the_lateness_of_all_scans(store_path, sql):
    figures = {"lateness_counts": {"more": 1, "20": 3, "5": 600}}
    make_store(store_path, [], health={"source/boiler": figures, "source/mixer": {}})
    assert sql("from source_lateness") == [
        {"source": "boiler", "up_to_ms": 5, "scans": 600},
        {"source": "boiler", "up_to_ms": 20, "scans": 3},
        {"source": "boiler", "up_to_ms": float("inf"), "scans": 1},
    ]


def test_the_process(store_path, sql):
    make_store(store_path, [], health={"process": {"pid": 7, "started_us": T0_US, "commit_p99_ms": 1.5}})
    assert sql("select pid, epoch_us(started) as t, commit_p99_ms, memory_bytes from process") == [
        {"pid": 7, "t": T0_US, "commit_p99_ms": 1.5, "memory_bytes": None}
    ]


def test_a_store_that_nobody_collected_into_has_no_process(store_path, sql):
    make_store(store_path, [])
    assert sql("from process") == []


def test_tags_and_audit(store_path, sql):
    make_store(store_path, plant_rows(1))
    (tag,) = sql("select units, description, is_step from tags where tag = 'FIC101.PV'")
    assert tag == {"units": "m3/h", "description": "feed flow", "is_step": False}
    assert {row["action"] for row in sql("select action from audit")} >= {"tag created", "store made"}


def test_an_empty_store(store_path, sql):
    make_store(store_path, [])
    assert sql("select count(*) as n from samples") == [{"n": 0}]
    assert sql("select count(*) as n from snapshot") == [{"n": 0}]


@pytest.mark.parametrize(
    "condition",
    ["tag = 'FIC102.PV'", "tag in ('FIC102.PV', 'FQ101.TOTAL')", "tag like 'BATCH%'", "starts_with(tag, 'X')"],
)
def test_conditions_on_the_tag_find_all_of_it(store_path, sql, condition):
    make_store(store_path, plant_rows(), archived_before_s=30)
    found = sql(f"select tag, count(*) as n from samples where {condition} group by tag")  # noqa: S608 - conditions of the test
    assert found
    assert all(row["n"] == 60 for row in found)


def row_groups_read(plan: str) -> tuple[int, int]:
    found = re.findall(r"Row Groups Scanned: (\d+) / (\d+)", plan)
    if not found and duckdb.__version__.startswith("1."):
        pytest.skip("this DuckDB does not say how many row groups it read")
    # The plan tells it of the small table of tags as well, which stands beside the archive's.
    read, there = max(((int(read), int(there)) for read, there in found), key=lambda each: each[1])
    return read, there


@pytest.mark.parametrize("condition", ["tag = 'TAG007'", "tag = 'TAG007' and time < '2026-11-22 00:10'"])
def test_conditions_reach_the_row_groups(store_path, sql, condition):
    tags = [Tag(f"TAG{number:03}", "boiler", "hr:0", "fast", ValueType.FLOAT64) for number in range(40)]
    rows = [(tag.name, second, float(second), GOOD) for tag in tags for second in range(3000)]
    make_store(store_path, rows, tags=tags, archived_before_s=1e9)
    plan = sql(f"explain analyze select avg(value) from samples where {condition}")[0]["explain_value"]  # noqa: S608 - conditions of the test
    read, all_groups = row_groups_read(str(plan))
    assert all_groups > 4
    assert read <= all_groups // 4
