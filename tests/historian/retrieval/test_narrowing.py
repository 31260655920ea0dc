"""A query over what it can touch of ``samples`` gives the same as over all of it, and does touch less."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.errors import QueryError
from historian.model.commit import Commit
from historian.model.tag import Tag, ValueType
from historian.retrieval.connection import connect
from historian.retrieval.functions.reading import Reading, Readings
from historian.retrieval.history import FIRST_US, LAST_US
from historian.retrieval.narrowing import source
from historian.retrieval.narrowing.conditions import understood
from historian.retrieval.narrowing.extent import Evaluator, Extent
from historian.retrieval.narrowing.narrow import narrowed
from historian.retrieval.narrowing.references import find_references
from historian.retrieval.narrowing.syntax import parse
from historian.retrieval.query import ask
from storage.reader import StoreReader
from storage.store import Store
from support.examples import examples
from support.sample_store import SECOND, T0_US, TAGS, make_store, plant_rows, samples_of
from support.samples_queries import NARROWED, NOT_NARROWED

Asked = tuple[duckdb.DuckDBPyConnection, Reading]
START = datetime(2026, 11, 22, tzinfo=UTC)
BY = {"who": "test", "why": "wrong"}
MORE = (*TAGS, Tag('AI "1"s', "boiler", "hr:8", "fast", ValueType.INT16), Tag("fic101.pv", "boiler", "hr:9", "fast"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Three files, a buffer, edits, an enumeration that changed."""
    path = tmp_path_factory.mktemp("narrowing") / "store"
    rows = [*plant_rows(60), *[(tag.name, second, second, 0) for tag in MORE[5:] for second in range(0, 60, 7)]]
    make_store(path, [row for row in rows if row[1] < 20], tags=MORE, archived_before_s=20)
    with Store.open(path) as store:
        ids = store.register_tags([replace(MORE[2], enumeration={0: "shut", 1: "wide"})], T0_US + 15 * SECOND, "test")
        assert ids
    for start, archived in ((20, 30), (30, 40), (40, 0)):
        add(path, [row for row in rows if start <= row[1] < start + (20 if start == 40 else 10)], flush=bool(archived))
    with Store.open(path) as store:
        store.edit(1, T0_US + 3 * SECOND, 7.25, **BY)
        store.remove(2, T0_US + 25 * SECOND, T0_US + 28 * SECOND, **BY)
    return path


def add(path, rows, *, flush: bool) -> None:
    with Store.open(path) as store, StoreReader.open(path) as reader:
        tags = reader.snapshot().tags
        ids = dict(zip(tags.column("tag").to_pylist(), tags.column("tag_id").to_pylist(), strict=True))
        store.commit(Commit(T0_US, samples_of(rows, ids)))
        if flush:
            store.flush(force=True)


@pytest.fixture(scope="module")
def asked(folder):
    """A connection, and what narrowing reads from."""
    with StoreReader.open(folder) as reader:
        snapshot = reader.snapshot()
        connection = connect(snapshot)
        yield connection, Readings("UTC").of(snapshot)
        connection.close()


@pytest.fixture(params=["rows", "files"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both things that can stand for ``samples``."""
    if request.param == "files":
        monkeypatch.setattr(source, "OWN_ROWS", -1)
    return str(request.param)


def rows_of(table: pa.Table) -> Counter:
    return Counter(map(repr, table.to_pylist()))


def check(asked: Asked, sql: str, parameters=None) -> str | None:
    """Ask both ways; the text that was run over less, None when it was not."""
    connection, reading = asked
    plain = ask(connection, sql, parameters).table()
    narrow = ask(connection, sql, parameters, lambda: reading).table()
    assert narrow.schema == plain.schema
    assert rows_of(narrow) == rows_of(plain)
    return narrowed(connection, f"select * from (\n{sql}\n) q", parameters, reading)  # noqa: S608 - as it is wrapped


PREPARED = [
    ("select count(*) from samples where tag = ? and time >= ?", ["FIC101.PV", START + timedelta(seconds=30)]),
    ("select value from samples where time >= ? and time < ? and tag = ?", [START, "2026-11-22 00:00:07", "BATCH.ID"]),
    (
        "select count(*) from samples where tag = $t and time between $a and $b",
        {"t": "FIC102.PV", "a": START, "b": START + timedelta(seconds=9)},
    ),
    ("select count(*) from samples where time < $a", {"a": START.replace(tzinfo=None) + timedelta(seconds=9)}),
    ("select count(*) from samples where time >= $a::date and tag like $t || '%'", {"a": "2026-11-22", "t": "FIC"}),
    ("select * from samples where tag = ?", [None]),
    ("select * from samples where tag = 'FIC101.PV' -- a comment", None),
]


@pytest.mark.parametrize(("sql", "parameters"), [*((sql, None) for sql in NARROWED), *PREPARED])
def test_a_query_over_less_gives_the_same(asked, way, sql, parameters):
    assert check(asked, sql, parameters) is not None


@pytest.mark.parametrize("sql", NOT_NARROWED)
def test_what_is_not_understood_reads_everything(asked, sql):
    try:
        text = check(asked, sql)
    except QueryError:  # what DuckDB does not let pass it refuses both ways
        with pytest.raises(QueryError):
            ask(asked[0], sql).table()
        return
    assert text is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_times_without_a_zone_are_those_of_the_session(folder, zone):
    with StoreReader.open(folder) as reader:
        snapshot = reader.snapshot()
        connection = connect(snapshot, time_zone=zone)
        asked = connection, Readings(zone).of(snapshot)
        hour = "2026-11-22 01" if zone == "Europe/Berlin" else "2026-11-21 19"
        times = f"time >= '{hour}:00:05' and time < timestamp '{hour}:00:09'"
        sql = f"select * from samples where {times} and tag = 'BATCH.ID'"  # noqa: S608 - a test's own
        assert check(asked, sql) is not None
        assert ask(*asked[:1], sql, None, lambda: asked[1]).table().num_rows == 4
        connection.close()


def test_a_mistake_is_told_in_the_persons_own_text(asked):
    connection, reading = asked
    with pytest.raises(QueryError, match=r"(?s)LINE 2: where tag = 'FIC101.PV' and nothing = 1") as met:
        ask(connection, "select *  from samples\nwhere tag = 'FIC101.PV' and nothing = 1", None, lambda: reading)
    assert "_touched" not in str(met.value)


def extent_of(asked, sql: str) -> Extent:
    connection, reading = asked
    return Evaluator(connection, reading.tags, {}).extent(
        [understood(each) for each in find_references(parse(connection, sql)) or ()]
    )


@pytest.mark.parametrize(
    ("condition", "tags", "start_s", "end_s"),
    [
        ("tag = 'BATCH.ID'", ["BATCH.ID"], None, None),
        ("time >= '2026-11-22 00:00:10Z' and time < '2026-11-22 00:00:20+00'", None, 9, 21),
        ("time > '2026-11-22 01:00:10+01:00' and time > '2026-11-22'", None, 9, None),
        ("time >= timestamptz '2026-11-22' + interval '1 minute' - interval 30 second", None, 29, None),
        ("time between date '2026-11-22' and '2026-11-22'::date + 1", None, -1, 86_401),
        ("tag like 'FIC%' and tag not in ('FIC102.PV')", ["FIC101.PV"], None, None),
        ("tag like 'FIC%' and value > 3 and lower(tag) = 'fic102.pv' or value = 1", None, None, None),
        ("time = '2026-11-22T00:00:05Z' and tag = 'FIC101.PV' and tag = 'FIC102.PV'", [], 4, 6),
        ("time < now()", None, None, None),
    ],
)
def test_what_conditions_leave(asked, condition, tags, start_s, end_s):
    found = extent_of(asked, f"select 1 from samples where {condition}")  # noqa: S608 - a test's own
    names = None if found.rows is None else [asked[1].tags.names[row] for row in found.rows]
    assert names == tags
    assert found.start_us == (FIRST_US if start_s is None else T0_US + start_s * SECOND)
    assert found.end_us == (LAST_US if end_s is None else T0_US + end_s * SECOND)


def test_several_places_are_taken_together(asked):
    found = extent_of(
        asked,
        "select 1 from samples where tag = 'FIC101.PV' and time < '2026-11-22 00:00:10Z' union all "
        "select 1 from samples where tag = 'FIC102.PV' and time < '2026-11-22 00:00:20Z'",
    )
    assert [asked[1].tags.names[row] for row in found.rows] == ["FIC101.PV", "FIC102.PV"]
    assert found.end_us == T0_US + 21 * SECOND


def test_rows_that_are_read_have_only_the_columns_in_use(asked):
    connection, reading = asked
    sql = "select * from (\nselect time, value from samples where tag = 'FIC101.PV'\n) q"
    assert "_touched_rows" in str(narrowed(connection, sql, None, reading))
    names = connection.sql("select * from _touched_rows").columns
    assert names == ["time", "value"]


atoms = st.sampled_from([
    "s.tag = 'FIC101.PV'", "s.tag in ('FIC101.PV', 'BATCH.ID')", "s.tag like 'FIC%'", "s.tag is null", "s.tag > 'FIC'",
    "s.time < '2026-11-22 00:00:12Z'", "s.time >= '2026-11-22 00:00:33Z'", "s.time is null", "s.value > 20",
    "s.time between '2026-11-22 00:00:12' and '2026-11-22 00:00:31'", "t.tag = 'FIC102.PV'", "t.units is null",
    "s.tag = t.tag", "coalesce(s.tag, 'x') <> 'FIC101.PV'", "s.tag <> t.tag",
])  # fmt: skip
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})"),
        inner.map(lambda each: f"not ({each})"),
    ),
    max_leaves=4,
)
kinds = st.sampled_from(["join", "left join", "right join", "full join", "cross join", "semi join", "anti join"])

joins = st.tuples(kinds, st.permutations(["samples s", "tags t"]))


@settings(max_examples=examples(60), deadline=None)
@given(where=conditions, on=conditions, join=joins, files=st.booleans())
def test_joins_and_conditions_of_all_kinds(asked, where, on, join, files):
    kind, sides = join
    joined = f" {kind} ".join(sides) + ("" if kind == "cross join" else f" on {on} and s.tag = t.tag")
    sql = f"select * from {joined} where {where}"  # noqa: S608 - a test's own
    with pytest.MonkeyPatch.context() as patch:
        if files:
            patch.setattr(source, "OWN_ROWS", -1)
        try:
            plain = ask(asked[0], sql).table()
        except QueryError:  # a semi join has no columns of the other side
            return
        narrow = ask(asked[0], sql, None, lambda: asked[1]).table()
    assert rows_of(narrow) == rows_of(plain)
