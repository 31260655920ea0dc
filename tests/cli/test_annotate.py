"""``historian annotate``: a note at a time or over one, the list of notes, and what is refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.annotate import annotate
from historian.errors import UsageError
from support.sample_store import GOOD, make_store

AT = ["--at", "2026-11-22T06:00:00Z", "--text", "probe cleaned"]


@pytest.fixture
def store(store_path):
    make_store(store_path, [("FIC101.PV", 0, 1.5, GOOD), ("FIC102.PV", 0, 1.5, GOOD)], final=True)
    return store_path


def run(store, *arguments: str) -> str:
    result = CliRunner().invoke(annotate, [*arguments, "--store", str(store)], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_notes_are_added_listed_and_removed(store):
    assert run(store, "FIC101.PV", *AT, "--who", "ann") == "FIC101.PV: note 1 added\n"
    span = ["--start", "2026-11-22 07:00", "--end", "2026-11-22 08:00", "--tz", "Europe/Berlin"]
    assert run(store, "FIC102.PV", *span, "--text", "calibration") == "FIC102.PV: note 2 added\n"
    listed = run(store, "--list")
    assert "probe cleaned" in listed
    assert "2026-11-22 07:00:00.000Z" in listed  # the end of the second, in UTC
    assert "calibration" not in run(store, "FIC101.PV", "--list")
    assert run(store, "--remove", "1") == "FIC101.PV: note 1 removed, kept in the audit\n"
    assert run(store, "FIC101.PV", "--list") == "there are no notes on FIC101.PV\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["FIC101.PV"], "wanted a TAG, --text"),
        (["FIC101.PV", "--text", "x"], "either --at, or --start and --end"),
        (["FIC101.PV", "--text", "x", "--start", "-8h"], "either --at, or --start and --end"),
        (["FIC101.PV", "--text", "x", "--start", "now", "--end", "-8h"], "is after"),
        (["FIC101.PV", "--text", "x", "--at", "soon"], "cannot use --at"),
        (["FIC10.PV", *AT], "the nearest is 'FIC10[12].PV'"),
        (["--remove", "7"], "none of this number"),
    ],
)
def test_what_is_refused(store, arguments, said):
    with pytest.raises(UsageError, match=said):
        run(store, *arguments)
