from __future__ import annotations

import csv

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.export import export
from historian.errors import UnusableValueError, UsageError
from support.sample_store import GOOD, make_store, plant_rows


@pytest.fixture
def run(store_path, tmp_path):
    make_store(store_path, plant_rows(), archived_before_s=30)

    def export_(*arguments, name="out.parquet"):
        everything = [*arguments, "--store", str(store_path), "--output", str(tmp_path / name)]
        result = CliRunner().invoke(export, everything, catch_exceptions=False)
        assert result.stdout == ""
        return tmp_path / name

    return export_


RANGE = ("--start", "2026-11-22 00:00:10", "--end", "2026-11-22 00:00:12")


def test_long_parquet(run):
    table = pq.read_table(run("--tags", "FIC101.PV", "--tags", "FQ*", *RANGE))
    assert table.column_names == ["tag", "time", "value", "value_int", "value_text", "quality", "status", "units"]
    assert table.column("tag").to_pylist() == ["FIC101.PV"] * 2 + ["FQ101.TOTAL"] * 2
    assert table.column("units").to_pylist() == ["m3/h"] * 2 + ["m3"] * 2
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert [int(value) for value in table.column("value_int").to_pylist()[2:]] == [2**53 + 21, 2**53 + 23]


def test_long_csv(run):
    with run("--tags", "BATCH.ID", *RANGE, name="out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["tag"], row["time"], row["value_text"]) for row in rows] == [
        ("BATCH.ID", "2026-11-22T00:00:10.000000Z", "B-0"),
        ("BATCH.ID", "2026-11-22T00:00:11.000000Z", "B-0"),
    ]


def test_wide_parquet(run):
    path = run("--tags", "*", "--wide", "--every", "500ms", *RANGE)
    frame = pd.read_parquet(path)
    assert frame["FIC101.PV"].tolist() == [60.0, 60.5, 61.0, 61.5]
    assert frame["XV101.OPEN"].tolist() == [True] * 4
    assert frame["FQ101.TOTAL"].tolist() == [2**53 + 21] * 2 + [2**53 + 23] * 2
    assert pq.read_schema(path).field("FIC101.PV").metadata[b"description"] == b"feed flow"


def test_wide_csv(run):
    text = run("--tags", "FIC101.PV", "--wide", "--every", "1s", "--end", "2027-01-01", name="out.csv").read_text()
    lines = text.splitlines()
    assert lines[0] == '"time","FIC101.PV"'
    assert lines[1].endswith(",50")
    assert lines[21:31] == [f'"2026-11-22T00:00:{second}.000000Z",' for second in range(20, 30)]
    assert len(lines) == 61


def test_local_times_are_read_in_their_zone_and_written_in_utc(run):
    start = ("--start", "2026-11-22 01:00:10", "--end", "2026-11-22 01:00:11", "--tz", "Europe/Berlin")
    assert "2026-11-22T00:00:10.000000Z" in run("--tags", "FIC101.PV", *start, name="out.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--tags", "FIC999.PV"], "the nearest is"),
        (["--tags", "NO*"], "no tag matches"),
        (["--tags", "*", "--start", "now", "--end", "-1h"], "not before its end"),
        (["--tags", "*", "--start", "gestern"], "cannot use --start"),
        (["--tags", "*", "--end", "2020-01-01"], "no samples"),
        (["--tags", "*", "--wide"], "without a step"),
        (["--tags", "*", "--every", "1s"], "without --wide"),
        (["--tags", "*", "--wide", "--every", "1 parsec"], "cannot use --every"),
        (["--tags", "*", "--wide", "--every", "0"], "longer than 0"),
        (["--tags", "*", "--wide", "--every", "1s", "--end", "2020-01-01"], "no samples"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(run, tmp_path, arguments, text):
    with pytest.raises((UsageError, UnusableValueError)) as refused:
        run(*arguments)
    assert text in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_name_without_a_format(run):
    with pytest.raises(UsageError, match=r"\.parquet or \.csv"):
        run("--tags", "*", name="out.xlsx")
    assert run("--tags", "*", "--format", "csv", name="out.txt").read_text().startswith('"tag"')


def test_an_existing_file_survives_a_full_disk(run, tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cli.output_file.os.fsync", full)
    with pytest.raises(Exception, match="the disk is full"):
        run("--tags", "*", name="out.csv")
    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.csv", "store"]


def test_times_of_one_tag_are_in_order(store_path, tmp_path):
    rows = [("FIC101.PV", second, float(second), GOOD) for second in range(1000)]
    make_store(store_path, rows, archived_before_s=700)
    arguments = ["--tags", "FIC101.PV", "--store", str(store_path), "--output", str(tmp_path / "o.parquet")]
    assert CliRunner().invoke(export, arguments).exit_code == 0
    assert pq.read_table(tmp_path / "o.parquet").column("value").to_pylist() == [row[2] for row in rows]
