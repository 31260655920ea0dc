"""Table functions in SQL and Python: what arguments may be, what comes back, what is said of mistakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import historian
from historian.errors import HistorianError, QueryError, UsageError
from historian.retrieval.functions.catalogue import FUNCTIONS
from historian.retrieval.functions.columns import TIME
from storage.annotation import Annotation
from storage.store import Store
from support.sample_store import BAD, GOOD, SECOND, T0_US, UNCERTAIN, make_store, plant_rows

T0 = datetime(2026, 11, 22, tzinfo=UTC)
ALL = "'2026-11-22', '2026-11-22 00:01'"


@pytest.fixture
def opened(store_path: Path):
    make_store(store_path, plant_rows(), archived_before_s=30)
    with historian.open(store_path) as found:
        yield found


def rows(opened, sql: str, *names: str) -> list:
    found = opened.sql(sql).to_pylist()
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in found]


# Arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [
        "'2026-11-22 00:00:05'",
        "'2026-11-22T01:00:05+01:00'",
        "timestamptz '2026-11-22 00:00:05+00'",
        "timestamp '2026-11-22 00:00:05'",
        "date '2026-11-22' + interval 5 second",
        "['2026-11-22 00:00:05']",
        "(select min(time) + interval 5 second from samples)",
        "(select list(time) from (select distinct time from samples where epoch(time) % 60 = 5))",
    ],
)
def test_a_time_may_be_anything_that_is_one(opened, at):
    assert rows(opened, f"from value_at('FIC101.PV', {at})", "at", "value") == [(T0 + timedelta(seconds=5), 55.0)]


@pytest.mark.parametrize("tags", ["'FIC*'", "['FIC101.PV', 'FIC102.PV']", "['FIC101.PV', 'FIC*']"])
def test_tags_are_names_patterns_or_lists(opened, tags):
    assert rows(opened, f"from value_at({tags}, '2026-11-22 00:00:05')", "tag") == ["FIC101.PV", "FIC102.PV"]


@pytest.mark.parametrize("step", ["'20s'", "interval 20 second", "interval '00:00:20'", "'20 seconds'"])
def test_a_step_is_a_text_or_an_interval(opened, step):
    assert len(rows(opened, f"from interpolated('FIC101.PV', {ALL}, {step})", "tag")) == 3


def test_local_times_are_those_of_the_session(store_path):
    make_store(store_path, plant_rows())
    with historian.open(store_path, time_zone="Europe/Berlin") as found:
        sql = "from value_at('FIC101.PV', '2026-11-22 01:00:05')"
        assert rows(found, sql, "value") == [55.0]
        table = found.value_at("FIC101.PV", "2026-11-22 01:00:05")
        assert str(table.schema.field("at").type) == "timestamp[us, tz=Europe/Berlin]"
        assert table.column("value").to_pylist() == [55.0]


def test_columns_of_a_join_are_arguments(opened):
    sql = """
        with moments as (select 'FIC10' || i || '.PV' as name, timestamptz '2026-11-22 00:00:05.5+00' as at
                         from range(1, 3) t(i))
        select m.name, v.value from moments m, value_at(m.name, m.at, mode := 'interpolated') v order by 1"""
    assert rows(opened, sql, "name", "value") == [("FIC101.PV", 55.5), ("FIC102.PV", 10.0)]


def test_parameters_of_a_statement_are_arguments(opened):
    found = opened.sql("select value from value_at($tag, $at)", {"tag": "FIC101.PV", "at": "2026-11-22 00:00:05"})
    assert found.to_pylist() == [{"value": 55.0}]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("value_at('FIC11.PV', 'now')", "the nearest is 'FIC101.PV'"),
        ("value_at(7, 'now')", "cannot read tags: got 7"),
        ("value_at('FIC101.PV', 'soon')", "cannot read times: got 'soon', wanted a time"),
        ("value_at('FIC101.PV', 7)", "cannot read times: got 7, wanted a time"),
        ("value_at('FIC101.PV', 'now', mode := 'near')", "cannot read mode: got 'near', wanted at_or_before, before"),
        (f"interpolated('FIC101.PV', {ALL}, '5 parsecs')", "cannot read step: got '5 parsecs'"),
        (f"interpolated('FIC101.PV', {ALL}, 5)", "cannot read step: got 5, wanted a length of time"),
        ("interpolated('FIC101.PV', 'today', 'today', '5s')", "start and end are both"),
        (f"plot('FIC101.PV', {ALL}, pixels := 0)", "cannot read pixels: got 0, wanted a whole number"),
        (f"history('FIC101.PV', {ALL}, boundary := 'around')", "cannot read boundary: got 'around'"),
        (f"history('FIC101.PV', {ALL}, max_rows := 1.5)", "cannot read max_rows: got 1.5"),
        (f"aggregate('FIC101.PV', {ALL}, '1m', 'Mean')", "cannot aggregate: got 'Mean'"),
        (f"aggregate('FIC101.PV', {ALL}, '1m', percent_good := 'all')", "cannot read percent_good: got 'all'"),
        (f"aggregate('FIC101.PV', {ALL}, '1m', stepped := 1)", "cannot read stepped: got 1, wanted true or false"),
        (f"totalize('FIC101.PV', {ALL}, '1m')", "cannot total: got no unit"),
        (f"totalize('FIC101.PV', {ALL}, '1m', unit := 'hours')", "wanted the time unit of a rate"),
        (f"counter('FQ101.TOTAL', {ALL}, '1m', rollover := -1)", "cannot count"),
        (f"deviation('FIC101.PV', {ALL}, while_tag := 'FIC*', while_value := 1)", "means 2 tags, wanted one"),
        (f"deviation('FIC101.PV', {ALL}, while_tag := 'XV101.OPEN')", "cannot read while_value: got None"),
        ("deviation('FIC101.PV', during := [1, 2])", "cannot read during: got 1"),
        ("deviation('FIC101.PV', during := [{'start': 'now', 'end': '-1h'}])", "there is no interval"),
        (f"percentile('FIC101.PV', {ALL}, percents := [101])", "wanted a percentage"),
        ("stale('a while')", "cannot read older_than"),
        ("stale('1 month')", "wanted a length of time such as 10m"),
        ("explain('FIC*', 'now')", "means 2 tags, wanted one"),
    ],
)
def test_what_was_wrong_is_said(opened, call, said):
    with pytest.raises(QueryError, match="cannot") as wrong:
        opened.sql(f"select * from {call}")  # noqa: S608 - the calls above
    assert said in str(wrong.value)
    assert opened.sql("select 1 as one").to_pylist() == [{"one": 1}]


# Answers -------------------------------------------------------------------------------------------------------------

CALLS = {
    "history": {"tags": "*", "start": T0},
    "interpolated": {"tags": "*", "start": T0, "end": T0 + timedelta(minutes=1), "step": "7s"},
    "value_at": {"tags": "*", "times": [T0, T0 + timedelta(seconds=30.5)], "mode": "interpolated"},
    "plot": {"tags": "FIC*", "start": T0, "end": T0 + timedelta(minutes=1), "pixels": 10},
    "stale": {"older_than": "1h"},
    "gaps": {"tags": "*", "start": T0, "end": T0 + timedelta(minutes=2)},
    "state_changes": {"tags": "XV101.OPEN", "start": T0, "end": T0 + timedelta(minutes=1)},
    "explain": {"tag": "FIC101.PV", "time": T0 + timedelta(seconds=5.5)},
    "totalize": {"tags": "FIC*", "start": T0, "end": T0 + timedelta(minutes=1), "step": "20s", "unit": "hour"},
}
OVER = {"tags": "XV101.OPEN", "start": T0, "end": T0 + timedelta(minutes=1), "step": "40s"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_sql_and_python_give_the_same_columns_as_declared(opened, function):
    arguments = CALLS.get(function.name, OVER)
    table = opened.ask(function.name, **arguments)
    assert len(table) > 0
    assert table.schema.names == function.columns.names
    assert [field.type for field in table.schema] == [
        TIME if pa.types.is_timestamp(field.type) else field.type for field in function.columns
    ]
    named = ", ".join(f'"{name}" := ${name}' for name in arguments if name in _defaulted(function))
    placed = ", ".join(f"${name}" for name in arguments if name not in _defaulted(function))
    sql = f"select * from {function.name}({', '.join(part for part in (placed, named) if part)})"  # noqa: S608 - our names
    by_sql = opened.sql(sql, {name: _plain(value) for name, value in arguments.items()})
    ignored = {"seconds"} if function.name == "stale" else set()  # counted from now
    assert [_without(row, ignored) for row in by_sql.to_pylist()] == [
        _without(row, ignored) for row in table.to_pylist()
    ]


def _defaulted(function) -> set[str]:
    return {parameter.name for parameter in function.parameters if parameter.default is not None}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _without(row: dict, names: set[str]) -> dict:
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_tags_without_samples_are_answered(store_path, function):
    make_store(store_path, [])
    with historian.open(store_path) as found:
        table = found.ask(function.name, **CALLS.get(function.name, OVER))
        assert table.schema.names == function.columns.names
        if "value" in table.schema.names:
            assert set(table.column("value").to_pylist()) <= {None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"function": "graph", "tags": "*"}, "there is no such function; there are: history, interpolated"),
        ({"function": "gaps", "tag": "*"}, "it has no 'tag'; its parameters are: tags, start, end"),
        ({"function": "gaps", "tags": "*"}, "got no 'start'"),
    ],
)
def test_what_python_cannot_ask(opened, arguments, said):
    with pytest.raises(UsageError) as wrong:
        opened.ask(**arguments)
    assert said in str(wrong.value)


def test_history_with_its_bounds(opened):
    sql = "from history('FIC101.PV', '2026-11-22 00:00:10.5', '2026-11-22 00:00:12', boundary := '{}')"
    assert rows(opened, sql.format("inside"), "value", "kind") == [(61.0, "sample")]
    assert rows(opened, sql.format("outside"), "value", "kind") == [
        (60.0, "bound"), (61.0, "sample"), (62.0, "bound"),
    ]  # fmt: skip
    assert rows(opened, sql.format("interpolated"), "value", "kind") == [
        (60.5, "interpolated"), (61.0, "sample"), (62.0, "bound"),
    ]  # fmt: skip


def test_history_backwards_and_cut(opened):
    sql = "from history('FIC101.PV', '2026-11-22 00:00:12', '2026-11-22 00:00:08', max_rows := 3)"
    assert rows(opened, sql, "value", "kind") == [(62.0, "sample"), (61.0, "sample"), (60.0, "sample")]


def test_notes_are_beside_the_samples_and_are_counted(store_path):
    make_store(store_path, [("FIC101.PV", second, 1.0, GOOD) for second in range(60)], final=True)
    with Store.open(store_path) as store:
        for start, end, text in ((2, 4, "probe cleaned"), (4, 4, "seen"), (20, 30, "later")):
            store.annotate(Annotation(1, T0_US + start * SECOND, T0_US + end * SECOND, text), who="ann")
    with historian.open(store_path) as found:
        tag = found.tags().filter(pa.compute.field("tag_id") == 1).column("tag").to_pylist()[0]
        assert tag == "FIC101.PV"
        assert rows(found, "from history('FIC101.PV', '2026-11-22', '2026-11-22 00:00:06')", "note") == [
            None, None, "probe cleaned", "probe cleaned", "probe cleaned; seen", None,
        ]  # fmt: skip
        sql = "from aggregate('FIC101.PV', '2026-11-22', '2026-11-22 00:00:40', '10s', 'AnnotationCount')"
        assert rows(found, sql, "value") == [2.0, 0.0, 1.0, 0.0]
        texts = rows(found, "from explain('FIC101.PV', '2026-11-22 00:00:03') where what = 'note'", "text")
        assert [text.partition(" (")[0] for text in texts] == ["probe cleaned"]


def test_averages_weigh_by_time(store_path):
    """The published example of GE Historian: 30 at 0 s, 40 at 60, 50 at 70, 20 and Bad at 75, 25 at 105."""
    rows_ = [(0, 30.0, GOOD), (60, 40.0, GOOD), (70, 50.0, GOOD), (75, None, BAD), (105, 25.0, GOOD)]
    make_store(store_path, [("FIC101.PV", *row) for row in rows_], last_scan_s={"FIC101.PV": 120})
    with historian.open(store_path) as found:
        ask = "from aggregate('FIC101.PV', '2026-11-22', '2026-11-22 00:02', NULL, 'TimeAverage2', stepped := true)"
        ((value, percent),) = rows(found, ask, "value", "percent_good")
    assert value == pytest.approx((30 * 60 + 40 * 10 + 50 * 5 + 25 * 15) / 90)
    assert value == pytest.approx(31.38, abs=0.01)
    assert percent == pytest.approx(75.0)


def test_uncertain_samples_beside_the_range_are_looked_past_where_they_are_taken_for_bad(store_path):
    rows_ = [(-40, 0.0, GOOD), (-20, 20.0, UNCERTAIN), (-10, 30.0, UNCERTAIN), (10, 99.0, UNCERTAIN), (40, 80.0, GOOD)]
    make_store(store_path, [("FIC101.PV", *row) for row in rows_])
    with historian.open(store_path) as found:
        ask = "from aggregate('FIC101.PV', '2026-11-22', '2026-11-22 00:00:05', NULL, 'Interpolative'{})"
        assert rows(found, ask.format(""), "value", "quality") == [(40.0, "Uncertain")]
        as_they_are = ask.format(", treat_uncertain_as_bad := false")
        assert rows(found, as_they_are, "value", "quality") == [(64.5, "Uncertain")]


def test_only_while_another_tag_is_so(opened):
    condition = "while_tag := 'XV101.OPEN', while_value := {}"
    sql = f"from aggregate('FIC102.PV', {ALL}, NULL, ['DurationGood'], {condition})"
    # The valve is open from 10 to 20 s, 30 to 40 and 50 until its last sample at 59.
    for value in ("'open'", "1", "true", "'= 1'", "['open', 'ajar']", "'> 0.5'", "'<> closed'"):
        assert rows(opened, sql.format(value), "value") == [29_000.0], value
    # Closed for 30 s, but the flow is Uncertain for the one from 5 s on.
    assert rows(opened, sql.format("'closed'"), "value") == [29_000.0]


def test_a_batch_is_a_row(opened):
    sql = """
        with batches as (select 'B' || i as name, timestamptz '2026-11-22 00:00:00+00' + i * interval 20 second as begin
                         from range(3) t(i))
        select label, value from aggregate('FIC101.PV', aggregates := 'Maximum',
            during := (select list({'start': begin, 'end': begin + interval 10 second, 'name': name}) from batches))"""
    assert rows(opened, sql, "label", "value") == [("B0", 59.0), ("B1", None), ("B2", 99.0)]


def test_batches_are_a_condition_where_there_is_a_step(opened):
    during = "[{'start': '2026-11-22 00:00:05', 'end': '2026-11-22 00:00:15'}]"
    sql = f"from aggregate('FQ101.TOTAL', {ALL}, '10s', 'DurationGood', during := {during})"
    assert rows(opened, sql, "value")[:3] == [5000.0, 5000.0, None]


def test_shifts_have_names(opened):
    sql = f"from aggregate('FQ101.TOTAL', {ALL}, 'night 22:00, day 06:00', 'Count')"
    assert rows(opened, sql, "label", "value") == [("night", 60.0)]


def test_days_are_as_long_as_the_calendar_has_them(store_path):
    # Berlin put its clocks back on 25 October 2026: a day of 25 hours.
    make_store(store_path, [("XV101.OPEN", -40 * 86400, 1, GOOD)], last_scan_s={"XV101.OPEN": 0})
    with historian.open(store_path, time_zone="Europe/Berlin") as found:
        days = found.aggregate("XV101.OPEN", "2026-10-24", "2026-10-27", "1 day", "DurationInStateNonZero")
    assert [value / 3_600_000 for value in days.column("value").to_pylist()] == [24.0, 25.0, 24.0]


def test_bucket_rounds_down_also_before_1970(opened):
    sql = "select bucket(timestamptz '{}', '{}') as b"
    for time, step, wanted in (
        ("2026-11-22 06:12:34.5+00", "5m", "2026-11-22 06:10:00"),
        ("2026-11-22 06:12:34.5+00", "1h", "2026-11-22 06:00:00"),
        ("1960-11-22 06:12:34.5+00", "1h", "1960-11-22 06:00:00"),
    ):
        assert rows(opened, sql.format(time, step), "b") == [datetime.fromisoformat(wanted).replace(tzinfo=UTC)]


def test_a_function_of_a_closed_store(store_path):
    make_store(store_path, [])
    found = historian.open(store_path)
    found.close()
    with pytest.raises(HistorianError, match="it was closed"):
        found.aggregate("FIC101.PV", "-1h")


def test_functions_see_what_was_committed_meanwhile(opened, store_path):
    count = "select count(*) as n from history('FIC101.PV', '2026-11-22 00:10')"
    assert rows(opened, count, "n") == [0]
    with Store.open(store_path) as store:
        store.edit(1, T0_US + 1000 * SECOND, 5.0, who="test", why="test", insert=True)
    assert rows(opened, count, "n") == [1]
