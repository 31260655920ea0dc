"""SQL that means harm: it reads nothing but the store, writes nothing, and ends at its limits.

Each attack must be refused, or answer without what it was after; whatever it says, no file may change.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest

from historian.errors import QueryError, StoreNotFoundError
from historian.retrieval.connection import connect
from historian.retrieval.functions.bind import Answered
from historian.retrieval.query import ask
from historian.retrieval.sandbox import Limits, ask_sandboxed
from storage.reader import StoreReader
from support.sample_store import make_store, plant_rows

CANARY = "canary-7f3a"

READS_FILES = [
    "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from read_csv('{secret}')",
    "select * from read_csv('{folder}/*')",
    "select * from read_json('{secret}')",
    "select * from read_parquet('{parquet}')",
    "select * from '{secret}'",
    "from '{parquet}'",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{secret}')",
    "select * from parquet_metadata('{parquet}')",
    "select * from parquet_schema('{parquet}')",
    "select * from parquet_kv_metadata('{parquet}')",
    "select * from read_text('file://{secret}')",
    "select * from read_text('http://127.0.0.1:9/x')",
    "select * from read_csv('https://127.0.0.1:9/x')",
    "select * from read_text('/proc/self/environ')",
    "select * from read_text(getvariable('files'))",
    "select * from query('from read_text(''{secret}'')')",
    "select * from query_table('{secret}')",
    "select * from json_execute_serialized_sql(json_serialize_sql('from read_text(''{secret}'')'))",
    "select (select content from read_text('{secret}'))",
    "with x as (from read_text('{secret}')) from x",
    "select * from samples, lateral (from read_text('{secret}'))",
    "select * from sqlite_scan('{store}/historian.sqlite', 'state')",
    "select * from read_text('{store}/historian.sqlite')",
    "select * from duckdb_secrets()",
    "from test_all_types() t, read_csv('{secret}')",
    "select getenv('HOME')",
    "from pragma_database_list() where file like '%historian.sqlite'",
]

WRITES = [
    "copy (select 1) to '{folder}/out.csv'",
    "copy samples to '{store}/archive/out.parquet'",
    "copy (select 1) to '{archived}' (format csv, use_tmp_file false)",
    "with x as (copy (select 1) to '{archived}' (format csv, use_tmp_file false)) select 1",
    "with x as materialized (copy (select 1) to '{folder}/out.csv') select * from x",
    "explain analyze copy (select 1) to '{archived}' (format csv, use_tmp_file false)",
    "select 1) q; copy (select 1) to '{folder}/out.csv'; select * from (select 1",
    "select 1 /* ) q; */ ) q; drop view samples; --",
    "select 1; drop view samples",
    "select 1 -- \n; attach '{folder}/new.db'",
    "attach '{folder}/new.db'",
    "attach '{store}/historian.sqlite' as s (type sqlite)",
    "export database '{folder}/all'",
    "import database '{folder}'",
    "create table t as select 1",
    "create or replace view samples as select 1",
    "create macro history(a) as 1",
    "create secret s (type s3)",
    "insert into _tags select * from _tags",
    "delete from _tags",
    "update _tags set tag = 'x'",
    "drop table _tag_numbers",
    "alter table _tag_numbers rename to x",
    "truncate _tag_numbers",
    "install httpfs",
    "load httpfs",
    "load '{secret}'",
    "force install spatial from 'http://127.0.0.1:9'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set memory_limit = '100GB'",
    "reset memory_limit",
    "pragma enable_profiling",
    "pragma database_size",
    "call enable_logging()",
    "call pragma_version()",
    "checkpoint",
    "vacuum",
    "begin transaction",
    "prepare p as copy (select 1) to '{folder}/out.csv'",
    "execute p",
    "use memory",
    "detach memory",
    "pivot (copy (select 1) to '{folder}/out.csv') on x using sum(x)",
    "merge into _tags using _tags t on true when matched then delete",
]

BOMBS = [
    "select count(*) from range(100000000) a, range(100000000) b where hash(a.range + b.range) % 7 = 3",
    "with recursive r as (select 1 as n union all select n + 1 from r) select max(n) from r",
    "select * from range(100000000000)",
    "select list(i) from range(500000000) t(i)",
    "select range(1000000000)",
    "select repeat('x', 3000000000)",
    "select hex(repeat('x', 900000000))",
    "select printf('%1000000000d', 1)",
    "select * from range(1000000000) order by hash(range)",
    "with recursive r as (select repeat('x', 10) as n union all select n || n from r) select count(*) from r",
]


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """What attacks are after: a secret, a Parquet file that is not the store's, the store's own files."""
    folder = tmp_path_factory.mktemp("attacked")
    store = folder / "store"
    make_store(store, plant_rows(), archived_before_s=30)
    (archived,) = (store / "archive" / "samples").rglob("*.parquet")
    (folder / "secret.csv").write_text(f"{CANARY}\n{CANARY}\n", encoding="utf-8")
    (folder / "other.parquet").write_bytes(archived.read_bytes())
    return {
        "folder": str(folder), "store": str(store), "archived": str(archived), "secret": str(folder / "secret.csv"),
        "parquet": str(folder / "other.parquet"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def asking(places):
    """``ask`` as every command uses it, with narrowing."""
    with StoreReader.open(Path(places["store"])) as reader:
        answered = Answered(reader.snapshot(), "UTC")
        link = connect(answered.snapshot, answered=answered)
        yield partial(ask, link, read=answered.read)
        link.close()


@pytest.fixture
def nothing_changes(places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = contents(places)
    yield
    assert contents(places) == before
    assert list(tmp_path.iterdir()) == []


def contents(places) -> dict[Path, str]:
    """The files that matter; SQLite's own beside the database come and go with readers."""
    files = [path for path in Path(places["folder"]).rglob("*") if path.is_file()]
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(("-shm", "-wal"))
    }


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("sql", READS_FILES)
def test_nothing_but_the_store_is_read(asking, places, sql):
    try:
        answer = asking(sql.format(**places)).table().to_pylist()
    except QueryError:
        return
    assert answer == []


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written_or_set(asking, places, sql):
    with pytest.raises(QueryError):
        asking(sql.format(**places)).table()
    assert asking("select count(*) > 0 as some from samples").table().to_pylist() == [{"some": True}]


def rows_of(places, sql: str, limits: Limits | None = None) -> int:
    with ask_sandboxed(Path(places["store"]), sql, limits=limits) as answer:
        return sum(batch.num_rows for batch in answer.batches)


LIMITS = Limits(seconds=5, memory_bytes=300 << 20, spill_bytes=100 << 20)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_ends_at_its_limits(places, sql):
    with pytest.raises(QueryError, match=r"took longer than 5 s|memory"):
        rows_of(places, sql, LIMITS)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("sql", [READS_FILES[0], READS_FILES[16], WRITES[3], WRITES[6]])
def test_the_sandbox_refuses_the_same(places, sql):
    with pytest.raises(QueryError):
        rows_of(places, sql.format(**places))


def test_what_is_allowed_is_answered(places):
    sql = "select tag, count(*) as n, min(time) as first from samples where tag = ? group by tag"
    with ask_sandboxed(Path(places["store"]), sql, ["FIC101.PV"], time_zone="Europe/Berlin") as answer:
        (row,) = answer.table().to_pylist()
    assert (row["tag"], row["n"], str(row["first"].tzinfo)) == ("FIC101.PV", 60, "Europe/Berlin")


def test_its_errors_are_those_of_everywhere(places, tmp_path):
    with pytest.raises(QueryError, match="LINE 1: selec"), ask_sandboxed(Path(places["store"]), "selec 1"):
        pass
    with pytest.raises(StoreNotFoundError), ask_sandboxed(tmp_path / "none", "select 1"):
        pass


def test_it_ends_when_the_caller_has_seen_enough(places):
    with ask_sandboxed(Path(places["store"]), "select * from range(100000000000)", limits=LIMITS) as answer:
        table, more = answer.head(5)
    assert (len(table), more) == (5, True)
