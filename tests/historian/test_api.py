"""The store from Python, as the documentation promises it."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest

import historian
from historian.model.commit import Commit
from storage.store import Store
from support.sample_store import GOOD, SECOND, T0_US, TAGS, make_store, plant_rows, samples_of

START = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def opened(store_path):
    make_store(store_path, plant_rows(), archived_before_s=30)
    with historian.open(store_path) as found:
        yield found


def test_sql_gives_arrow(opened):
    table = opened.sql("select avg(value) as mean from samples where tag = ?", ["FIC102.PV"])
    assert table.to_pylist() == [{"mean": 10.0}]
    assert pl.from_arrow(table)["mean"].to_list() == [10.0]
    assert table.to_pandas()["mean"].tolist() == [10.0]


def test_history(opened):
    table = opened.history("FIC*", START + timedelta(seconds=58), START + timedelta(seconds=60))
    assert table.column_names == [
        "tag",
        "time",
        "value",
        "value_int",
        "value_text",
        "quality",
        "status",
        "units",
        "kind",
        "note",
    ]
    assert table.column("value").to_pylist() == [108.0, 109.0, 10.0, 10.0]
    assert opened.history(["BATCH.ID"], "2026-11-22 00:00:59").column("value_text").to_pylist() == ["B-1"]
    assert opened.history("FIC101.PV").num_rows == 60


def test_snapshot_and_tags(opened):
    assert opened.snapshot().column("tag").to_pylist() == sorted(tag.name for tag in TAGS)
    assert opened.tags().column("units").to_pylist() == ["", "m3/h", "m3/h", "m3", ""]


def test_snapshot_is_the_view(opened):
    assert opened.snapshot().to_pylist() == opened.sql("select * from snapshot order by tag").to_pylist()
    assert opened.snapshot().schema.equals(opened.sql("select * from snapshot").schema)


def test_value_at(opened):
    table = opened.value_at(["FQ101.TOTAL", "FIC101.PV", "BATCH.ID"], START + timedelta(seconds=40.5))
    at = "timestamp '2026-11-22 00:00:40.5+00'"
    for row in table.to_pylist():
        newest = f"select * from samples where tag = ? and time <= {at} order by time desc limit 1"  # noqa: S608 - a time
        (wanted,) = opened.sql(newest, [row["tag"]]).to_pylist()
        assert {name: row[name] for name in wanted} == wanted
        assert row["at"] == START + timedelta(seconds=40.5)
    assert table.column("tag").to_pylist() == ["FQ101.TOTAL", "FIC101.PV", "BATCH.ID"]


def test_value_at_before_the_first_sample(opened):
    (row,) = opened.value_at("FIC101.PV", START - timedelta(days=1)).to_pylist()
    assert (row["tag"], row["time"], row["value"], row["status"]) == ("FIC101.PV", None, None, "BadNoData")


def test_every_call_sees_what_was_committed_meanwhile(opened, store_path):
    with Store.open(store_path) as store:
        ids = store.register_tags(TAGS, T0_US, "test")
        for second in range(60, 65):
            store.commit(Commit(T0_US, samples_of([("FIC101.PV", second, 1.0, GOOD)], ids)))
            if second == 62:
                store.flush(force=True)
            newest = opened.sql("select max(epoch_us(time)) as t from samples").to_pylist()
            assert newest == [{"t": T0_US + second * SECOND}]
            assert opened.history("FIC101.PV", START + timedelta(seconds=60)).num_rows == second - 59


def test_times_without_a_zone_are_in_the_zone_asked_for(store_path):
    make_store(store_path, plant_rows(5))
    with historian.open(store_path, time_zone="Europe/Berlin") as found:
        assert found.history("FIC102.PV", "2026-11-22 01:00:03").num_rows == 2
        assert str(found.snapshot().schema.field("time").type) == "timestamp[us, tz=Europe/Berlin]"


def test_a_datetime_without_a_zone_is_refused(opened):
    with pytest.raises(historian.HistorianError, match="time zone"):
        opened.history("FIC101.PV", datetime(2026, 11, 22))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize(
    "ask",
    [
        lambda found: found.history("FIC999.PV"),
        lambda found: found.history("FIC101.PV", boundary="beside"),
        lambda found: found.aggregate("FIC101.PV", "-1h", "now", "1m", "TimeAvg"),
        lambda found: found.ask("graph", tags="FIC101.PV"),
        lambda found: found.ask("gaps", tag="FIC101.PV"),
        lambda found: found.sql("selec 1"),
        lambda found: found.sql("drop view samples"),
    ],
)
def test_mistakes_are_value_errors(opened, ask):
    with pytest.raises(ValueError, match="cannot") as wrong:
        ask(opened)
    assert isinstance(wrong.value, historian.HistorianError)


def test_no_store(tmp_path):
    with pytest.raises(FileNotFoundError):
        historian.open(tmp_path / "nowhere")


def test_several_threads_may_ask(opened):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(opened.sql("select count(*) as n from samples").to_pylist()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[{"n": 300}]] * 4


def test_close_twice(store_path):
    make_store(store_path, [])
    found = historian.open(store_path)
    found.close()
    found.close()
    with pytest.raises(historian.HistorianError, match="it was closed; open it again"):
        found.sql("select 1")


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, historian; print(sorted({'numpy', 'pyarrow', 'duckdb', 'pandas', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(duckdb.__version__.startswith("1."), reason="this DuckDB imports pandas itself")
def test_a_query_does_not_load_pandas(store_path):
    make_store(store_path, plant_rows(2), health={"source/boiler": {"state": "connected"}})
    code = f"import sys, historian; historian.open({str(store_path)!r}).snapshot(); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_public_names():
    assert historian.__version__
    assert set(historian.__all__) <= set(dir(historian))
    with pytest.raises(AttributeError):
        historian.nothing  # noqa: B018 - the access is the test


def test_an_intruder_with_a_sibling_s_name_is_named(tmp_path):
    intruder = tmp_path / "storage"
    intruder.mkdir()
    (intruder / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import historian"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"Python finds {intruder}" in done.stderr
