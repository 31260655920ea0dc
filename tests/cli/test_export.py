from __future__ import annotations

import csv
import json
from dataclasses import replace
from urllib.parse import unquote

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.export import export
from historian.errors import UnusableValueError, UsageError
from support.sample_store import GOOD, TAGS, make_store, plant_rows


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
        (["--tags", "*", "--every", "1s"], "without --interpolated"),
        (["--tags", "*", "--interpolated"], "without a step"),
        (["--tags", "*", "--partition-by", "tag"], "such as --output out --format parquet"),
        (["--tags", "*", "--partition-by", "hour"], "wanted year, month, day or tag"),
        (["--tags", "*", "--partition-by", "month,day"], "wanted year, month, day or tag"),
        (["--tags", "*", "--wide", "--every", "1 parsec"], "cannot use --every"),
        (["--tags", "*", "--wide", "--every", "0"], "cannot use --every"),
        (["--tags", "*", "--wide", "--every", "1s", "--end", "2020-01-01"], "no samples"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(run, tmp_path, arguments, text):
    with pytest.raises((UsageError, UnusableValueError)) as refused:
        run(*arguments)
    assert text in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_name_without_a_format(run):
    with pytest.raises(UsageError, match=r"\.parquet, \.csv or \.arrow"):
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


def test_interpolated_rows(run):
    every = ("--interpolated", "--every", "500ms")
    table = pq.read_table(run("--tags", "FIC101.PV", "--tags", "BATCH.ID", *every, *RANGE))
    rows = [(row["tag"], row["value"], row["value_text"], row["interpolated"]) for row in table.to_pylist()]
    assert rows == [
        ("FIC101.PV", 60.0, None, False), ("FIC101.PV", 60.5, None, True),
        ("FIC101.PV", 61.0, None, False), ("FIC101.PV", 61.5, None, True),
        ("BATCH.ID", None, "B-0", False), ("BATCH.ID", None, "B-0", True),
        ("BATCH.ID", None, "B-0", False), ("BATCH.ID", None, "B-0", True),
    ]  # fmt: skip


def test_arrow_and_what_a_file_tells_of_itself(run):
    path = run("--tags", "FIC101.PV", *RANGE, name="out.arrow")
    with pa.ipc.open_file(path) as file:
        told = json.loads(file.schema.metadata[b"historian"])
        assert file.read_all().num_rows == 2
    assert told["tags"]["FIC101.PV"]["units"] == "m3/h"
    assert told["tags"]["FIC101.PV"]["between_samples"] == "interpolated"
    assert (told["start"], told["time_zone"]) == ("2026-11-22 00:00:10", "UTC")


DAYS = [("FIC101.PV", day * 86400 + 60, float(day), GOOD) for day in range(3)]
DAYS += [("FIC/102", day * 86400 + 120, 10.0 + day, GOOD) for day in (0, 2)]


@pytest.fixture
def lake(store_path, tmp_path):
    """Exports into a folder by day and tag; several times."""
    tags = [TAGS[0], replace(TAGS[0], name="FIC/102")]
    make_store(store_path, DAYS, archived_before_s=100_000, tags=tags)

    def export_(*arguments):
        everything = ["--tags", "*", *arguments, "--store", str(store_path), "--output", str(tmp_path / "lake")]
        result = CliRunner().invoke(export, everything, catch_exceptions=False)
        return result.stderr

    return export_


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))


def test_a_folder_that_others_read_as_one(lake, tmp_path):
    said = lake("--partition-by", "day,tag")
    folder = tmp_path / "lake"
    assert said == f"5 rows of 2 tags in {folder}\n"
    assert files_in(folder) == [
        "day=2026-11-22/tag=FIC%2F102/part.parquet", "day=2026-11-22/tag=FIC101.PV/part.parquet",
        "day=2026-11-23/tag=FIC101.PV/part.parquet",
        "day=2026-11-24/tag=FIC%2F102/part.parquet", "day=2026-11-24/tag=FIC101.PV/part.parquet",
    ]  # fmt: skip
    wanted = {("FIC101.PV", 0.0), ("FIC101.PV", 1.0), ("FIC101.PV", 2.0), ("FIC/102", 10.0), ("FIC/102", 12.0)}
    frame = pd.read_parquet(folder)
    by_pandas = {(unquote(tag), value) for tag, value in zip(frame["tag"].astype(str), frame["value"], strict=True)}
    by_duckdb = duckdb.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).select("tag", "value")
    by_polars = pl.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).select("tag", "value").collect()
    assert by_pandas == set(by_duckdb.fetchall()) == set(by_polars.rows()) == wanted


def test_an_export_of_a_folder_goes_on_where_it_was(lake, tmp_path):
    lake("--partition-by", "day,tag")
    folder = tmp_path / "lake"
    gone, kept = (folder / f"day=2026-11-{day}/tag=FIC101.PV/part.parquet" for day in (23, 22))
    before, as_it_was = gone.read_bytes(), kept.stat().st_ino
    gone.unlink()
    assert lake("--partition-by", "day,tag") == f"1 rows more, beside 4 files that were there, of 2 tags in {folder}\n"
    assert (gone.read_bytes(), kept.stat().st_ino) == (before, as_it_was)


def test_a_folder_holds_one_export(lake, tmp_path):
    lake("--partition-by", "day,tag")
    with pytest.raises(UsageError, match="another export is there"):
        lake("--partition-by", "day,tag", "--start", "2026-11-23")
    (tmp_path / "lake" / "_export.json").unlink()
    with pytest.raises(UsageError, match="not an empty folder"):
        lake("--partition-by", "day,tag")


def test_wide_rows_are_not_parted_by_tag(lake):
    with pytest.raises(UsageError, match="a wide row has all tags"):
        lake("--partition-by", "tag", "--wide", "--every", "1h")


def test_wide_rows_by_day(lake, tmp_path):
    lake("--partition-by", "day", "--wide", "--every", "12h", "--start", "2026-11-22")
    frame = pd.read_parquet(tmp_path / "lake").sort_values("time")
    assert frame["FIC101.PV"].round(4).tolist()[1:] == [0.4993, 0.9993, 1.4993, 1.9993]
    assert files_in(tmp_path / "lake")[0] == "day=2026-11-22/part.parquet"
