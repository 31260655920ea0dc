"""``historian edit`` as a person uses it, and what it says when something does not fit."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli.edit import edit
from cli.main import historian
from cli.typed_value import limits
from historian.errors import UsageError
from historian.model.status import SUBSTITUTED
from historian.model.tag import ValueType
from historian.retrieval.connection import connect
from storage.reader import StoreReader
from support.sample_store import BAD, GOOD, make_store

ROWS = [
    ("FIC101.PV", 0, 1.5, GOOD),
    ("FIC101.PV", 10, 2.5, GOOD),
    ("FIC101.PV", 20, None, BAD),
    ("XV101.OPEN", 0, 0.0, GOOD),
    ("FQ101.TOTAL", 0, 2**64 - 1, GOOD),
    ("BATCH.ID", 0, "A17", GOOD),
]
AT = "2026-11-22T00:00:00Z"


@pytest.fixture
def store(store_path):
    make_store(store_path, ROWS, archived_before_s=15, final=True)
    return store_path


@pytest.fixture
def run(store):
    def run(*arguments: str, reason: str = "lab sample") -> str:
        result = CliRunner().invoke(
            edit, [*arguments, "--reason", reason, "--store", str(store)], catch_exceptions=False
        )
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return run


def asked(store, query: str) -> list[tuple]:
    with StoreReader.open(store) as reader:
        connection = connect(reader.snapshot())
        try:
            return connection.sql(query).fetchall()
        finally:
            connection.close()


def sample(store, tag: str, second: int = 0) -> tuple:
    wanted = "select tag, epoch(time) % 60, value, value_int::varchar, value_text, status, status_code, substituted"
    (row,) = (row[2:] for row in asked(store, f"{wanted} from samples") if row[:2] == (tag, second))
    return row


def test_a_number(store, run):
    said = run("FIC101.PV", "--at", AT, "--value", "12.25")
    assert said == "FIC101.PV at 2026-11-22T00:00:00.000000Z: changed\n  was  1.5, Good\n  is   12.25, Good\n"
    assert sample(store, "FIC101.PV") == (12.25, None, None, "Good", SUBSTITUTED, True)
    assert asked(store, "select count(*) from samples") == [(6,)]


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("XV101.OPEN", "open", (1.0, None, "open")),
        ("XV101.OPEN", "TRUE", (1.0, None, "open")),
        ("FQ101.TOTAL", "18446744073709551613", (1.8446744073709552e19, "18446744073709551613", None)),
        ("BATCH.ID", "B 18", (None, None, "B 18")),
        ("BATCH.ID", "12", (None, None, "12")),
    ],
)
def test_values_of_each_type(store, run, tag, value, expected):
    run(tag, "--at", AT, "--value", value)
    assert sample(store, tag)[:3] == expected


def test_a_status_without_a_value(store, run):
    run("FIC101.PV", "--at", AT, "--status", "BadSensorFailure")
    assert sample(store, "FIC101.PV")[:4] == (None, None, None, "BadSensorFailure")


def test_a_status_alone_leaves_the_value(store, run):
    run("FQ101.TOTAL", "--at", AT, "--status", "UncertainSubNormal")
    assert sample(store, "FQ101.TOTAL")[1:4] == (str(2**64 - 1), None, "UncertainSubNormal")
    run("XV101.OPEN", "--at", AT, "--status", "Uncertain")
    assert sample(store, "XV101.OPEN")[:1] == (0.0,)


def test_a_bad_sample_gets_a_value(store, run):
    run("FIC101.PV", "--at", "2026-11-22 01:00:20", "--tz", "Europe/Berlin", "--value", "3")
    assert sample(store, "FIC101.PV", 20)[0] == 3.0


def test_inserting(store, run):
    said = run("FIC101.PV", "--at", "2026-11-22T00:00:05Z", "--value", "2", "--insert")
    assert "inserted" in said
    assert asked(store, "select value from samples where tag = 'FIC101.PV' order by time") == [
        (1.5,), (2.0,), (2.5,), (None,),
    ]  # fmt: skip


def test_the_audit_says_who_and_why(store, run):
    run("FIC101.PV", "--at", AT, "--value", "12.25", "--who", "kim", reason=" lab sample 4711 ")
    ((who, action, tag, old, why),) = asked(
        store, "select who, action, object, old, why from audit where action like 'sample%'"
    )
    assert (who, action, tag, why) == ("kim", "sample edited", "FIC101.PV", "lab sample 4711")
    assert json.loads(old)["value"] == 1.5


def test_the_same_again(run):
    run("FIC101.PV", "--at", AT, "--value", "12.25")
    assert "nothing to change" in run("FIC101.PV", "--at", AT, "--value", "12.25")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("FIC101.VP", "--at", AT, "--value", "1"), "the nearest is 'FIC101.PV'"),
        (
            ("FIC101.PV", "--at", "2026-11-22T00:00:04Z", "--value", "1"),
            "nearest samples are at 2026-11-22T00:00:00Z and 2026-11-22T00:00:10Z",
        ),
        (("FIC101.PV", "--at", AT, "--value", "high"), "got 'high', wanted a number (the tag is float32)"),
        (("FIC101.PV", "--at", AT, "--value", "nan"), "a number that is finite"),
        (("XV101.OPEN", "--at", AT, "--value", "ajar"), "wanted true or false, or a state: closed or open"),
        (("FQ101.TOTAL", "--at", AT, "--value", "1.5"), "a whole number"),
        (("FQ101.TOTAL", "--at", AT, "--value", "-1"), "0 to 18446744073709551615"),
        (("FIC101.PV", "--at", AT), "neither a value nor a status"),
        (("FIC101.PV", "--at", AT, "--status", "BadSensorFailur"), "did you mean 'BadSensorFailure'?"),
        (("FIC101.PV", "--at", AT, "--value", "1", "--status", "BadTimeout"), "leave one of them out"),
        (("FIC101.PV", "--at", "2026-11-22T00:00:20Z", "--status", "Uncertain"), "no value that could stay"),
        (("FIC101.PV", "--at", "2999-01-01", "--value", "1", "--insert"), "in the future"),
        (("FIC101.PV", "--at", "noon", "--value", "1"), "cannot use --at"),
    ],
)
def test_what_does_not_fit(store, arguments, text):
    with pytest.raises(UsageError) as error:
        CliRunner().invoke(edit, [*arguments, "--reason", "x", "--store", str(store)], catch_exceptions=False)
    assert text in str(error.value)
    assert asked(store, "select count(*) from audit where action like 'sample%'") == [(0,)]


@pytest.mark.parametrize("reason", [[], ["--reason", "  "]])
def test_a_reason_is_needed(store, reason):
    arguments = ["edit", "FIC101.PV", "--at", AT, "--value", "1", "--store", str(store), *reason]
    result = CliRunner().invoke(historian, arguments)
    assert result.exit_code == 2
    assert "--reason" in result.stderr


def test_limits_of_whole_numbers():
    assert limits(ValueType.INT16) == (-32768, 32767)
    assert limits(ValueType.UINT64) == (0, 18446744073709551615)
