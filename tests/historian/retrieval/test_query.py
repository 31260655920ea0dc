"""What SQL is let in, what it may reach, and how a mistake in it is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from historian.errors import CorruptionError, QueryError, UnusableValueError
from historian.retrieval.connection import connect
from historian.retrieval.query import ask
from storage.reader import StoreReader
from support.sample_store import make_store, plant_rows


@pytest.fixture
def archive_file(store_path: Path) -> Path:
    make_store(store_path, plant_rows(), archived_before_s=30)
    (file,) = (store_path / "archive" / "samples").rglob("*.parquet")
    return file


@pytest.fixture
def connection(store_path: Path, archive_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with StoreReader.open(store_path) as reader:
        link = connect(reader.snapshot())
    yield link
    link.close()


def rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters=None) -> list[dict[str, object]]:
    return ask(connection, sql, parameters).table().to_pylist()


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as x",
        "select 1 as x;",
        "  select 1 as x ;; -- a comment; with a semicolon",
        "from (values (1)) t(x)",
        "with y as (select 1 as x) select * from y",
        "select 1 as x -- no end",
        "/* ; */ select 1 as x",
    ],
)
def test_one_statement_that_reads(connection, sql):
    assert rows(connection, sql) == [{"x": 1}]


def test_a_semicolon_in_a_text_is_kept(connection):
    assert rows(connection, "select 'ü;' as x; ") == [{"x": "ü;"}]


@pytest.mark.parametrize("sql", ["describe samples", "summarize snapshot", "show tables", "explain from samples"])
def test_what_describes(connection, sql):
    assert rows(connection, sql)


def test_pivot(connection):
    (row,) = rows(
        connection,
        "pivot (from samples where epoch(time) % 60 = 3 and tag like 'FIC%') on tag using first(value) group by time",
    )
    assert (row["FIC101.PV"], row["FIC102.PV"]) == (53.0, 10.0)


def test_order_is_kept(connection):
    values = [
        row["value"] for row in rows(connection, "select value from samples where tag='FIC101.PV' order by time desc")
    ]
    assert values[:3] == [109.0, 108.0, 107.0]


def test_parameters(connection):
    by_place = rows(connection, "select count(*) as n from samples where tag = ?", ["FIC101.PV"])
    by_name = rows(connection, "select count(*) as n from samples where tag = $tag", {"tag": "FIC101.PV"})
    assert by_place == by_name == [{"n": 60}]


@pytest.mark.parametrize(
    "sql",
    [
        "create table t as select 1",
        "insert into samples values (1)",
        "delete from samples",
        "update samples set value = 0",
        "drop view samples",
        "attach 'other.db'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "pragma version",
        "call pragma_version()",
        "copy (select 1) to 'out.csv'",
        "copy (select 1) to '{file}' (format csv, use_tmp_file false)",
        "with x as (copy (select 1) to '{file}' (format csv, use_tmp_file false)) select 1",
        "with x as (copy (select 1) to 'out.csv') select 1",
        "explain analyze copy (select 1) to '{file}' (format csv, use_tmp_file false)",
        "export database 'here'",
        "select 1; drop view samples",
        "select 1) q; copy (select 1) to '{file}' (format csv, use_tmp_file false); select * from (select 1",
        "select * from query('copy (select 1) to ''{file}'' (format csv)')",
    ],
)
def test_what_writes_is_refused_and_writes_nothing(connection, archive_file, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(QueryError):
        rows(connection, sql.format(file=archive_file))
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from read_parquet('{file}')",
        "select * from read_json('{file}')",
        "select * from glob('{folder}/*')",
        "select * from '{file}'",
        "select * from sniff_csv('{file}')",
        "select getenv('HOME')",
        "select * from secret",
    ],
)
def test_nothing_else_of_the_machine_is_read(connection, tmp_path, sql):
    secret = [1, 2, 3]  # a variable that DuckDB could find by its name
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(QueryError):
        rows(connection, sql.format(file=tmp_path / "secret.csv", folder=tmp_path))
    assert secret


def test_a_plain_mistake_is_shown_at_its_place(connection):
    with pytest.raises(QueryError) as wrong:
        rows(connection, "select tag,\n  vale\nfrom samples")
    lines = str(wrong.value).splitlines()
    place = lines.index("LINE 2:   vale")
    assert lines[place + 1].index("^") == lines[place].index("vale")
    assert "value" in lines[1]


def test_a_mistake_of_grammar_is_shown_at_its_place(connection):
    with pytest.raises(QueryError) as wrong:
        rows(connection, "selec 1")
    assert "LINE 1: selec 1" in str(wrong.value)


def test_a_mistake_in_the_data_is_told_while_rows_stream(connection):
    with pytest.raises(QueryError, match="Could not convert string 'x'"):
        rows(connection, "select (case when i = 250000 then 'x' else '1' end)::int from range(300000) t(i)")


@pytest.mark.parametrize("sql", ["", "   ", "-- nothing", ";"])
def test_no_statement(connection, sql):
    with pytest.raises(QueryError):
        rows(connection, sql)


def test_a_damaged_file_is_named(store_path, archive_file):
    archive_file.write_bytes(b"PAR1 this is no Parquet file PAR1")
    with StoreReader.open(store_path) as reader, pytest.raises(CorruptionError, match=archive_file.name):
        connect(reader.snapshot())


def test_an_unknown_time_zone(store_path, archive_file):
    with StoreReader.open(store_path) as reader, pytest.raises(UnusableValueError, match="Atlantis"):
        connect(reader.snapshot(), time_zone="Atlantis/Here")


def test_a_query_that_needs_room_spills_and_tidies_up(connection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    ask(connection, "select i, hash(i) as h from range(300000) t(i) order by h").table()
    assert set(tmp_path.rglob("*")) == before
