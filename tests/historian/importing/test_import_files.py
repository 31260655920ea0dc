"""Whole files into stores: against the file's own rows, twice, in small chunks, interrupted, through a request box."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import historian
from historian.errors import UsageError
from historian.importing import remote
from historian.importing.options import ImportOptions
from historian.importing.rejects import RejectsFile
from historian.importing.report import FileReport
from historian.importing.run import Setting, import_file
from historian.importing.tag_book import TagBook
from historian.importing.target import DryTarget, StoreTarget, TagFinder, tags_of
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, Tag, ValueType
from storage.reader import StoreReader
from storage.store import Store

NOW_US = 1_800_000_000_000_000
T0 = np.datetime64("2026-11-22T00:00:00", "us")


@contextmanager
def target_of(store: Path, how: str) -> Iterator[object]:
    if how == "dry":
        yield DryTarget(store if store.exists() else None)
        return
    with Store.open(store, create=True) as opened:
        if how == "own":
            yield StoreTarget(opened, "test", NOW_US)
            return

        def ask(payload, attach):
            data = store.parent / "data"
            if attach is not None:
                attach(data)
            return json.loads(json.dumps(remote.answer(opened, json.loads(json.dumps(payload)), data)))

        yield remote.RemoteTarget(ask, "test", NOW_US)


def run(
    path: Path, store: Path, *, how: str = "own", tags: tuple[Tag, ...] = (), chunk: int = 1_000_000,
    again: bool = False, rejects: RejectsFile | None = None, **options,
) -> FileReport:  # fmt: skip
    with target_of(store, how) as target:
        finder = TagFinder(tags, tags_of(store) if store.exists() else None)
        setting = Setting(
            ImportOptions(**options), target, TagBook(finder.find), "test", NOW_US, NOW_US + 600_000_000, again=again,
            rejects=rejects, chunk_samples=chunk,
        )  # fmt: skip
        return import_file(path, setting)


def stored(store: Path, columns: str = "tag, epoch_us(time), value") -> list[tuple]:
    with historian.open(store) as opened:
        table = opened.sql(f"select {columns} from samples order by tag, time")  # noqa: S608 - columns of this file
    return [tuple(row.values()) for row in table.to_pylist()]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def plant(tmp_path) -> Path:
    """400 rows of three tags in no order, with a repeat, two conflicts, a bad time, a bad value and a missing one."""
    seconds = random.Random(7).sample(range(1000), 400)
    lines = ["tag,time,value"]
    lines += [f"T{second % 3},{T0 + np.timedelta64(second, 's')},{second / 4}" for second in seconds]
    early, earlier = T0 - np.timedelta64(1, "us"), T0 - np.timedelta64(2, "us")
    lines += [lines[1], f"{lines[2]}9", f"{lines[350]}9", "T1,soon,5", f"T1,{early},much", f"T1,{earlier},"]
    return write(tmp_path / "plant.csv", "\n".join(lines) + "\n")


def wanted(plant: Path) -> list[tuple]:
    """What a reader of the file by hand keeps: the first of each tag and time that can be read."""
    kept: dict[tuple[str, int], float] = {}
    with plant.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                key = (row["tag"], int(np.datetime64(row["time"], "us").astype(np.int64)))
                kept.setdefault(key, float(row["value"]))
            except ValueError:
                continue
    return sorted((*key, value) for key, value in kept.items())


@pytest.mark.parametrize("how", ["own", "remote"])
@pytest.mark.parametrize("chunk", [1_000_000, 37])
def test_every_row_is_stored_or_told(tmp_path, plant, chunk, how):
    report = run(plant, tmp_path / "store", chunk=chunk, how=how)
    assert stored(tmp_path / "store") == wanted(plant)
    figures = report.figures
    assert (figures.rows, figures.imported, figures.new_tags) == (406, 400, 3)
    repeats = figures.already + figures.notes["repeats of the same sample in the file"]
    assert (repeats, figures.notes["cells without a value"]) == (1, 1)
    by_kind = {"another" if "another" in reason else reason: 0 for reason in figures.refused}
    for reason, count in figures.refused.items():
        by_kind["another" if "another" in reason else reason] += count
    assert by_kind == {
        "another": 2, "time that cannot be read": 1, "value that the tag's type does not allow": 1,
    }  # fmt: skip
    with StoreReader.open(tmp_path / "store") as reader:
        kept = reader.quarantine()
    assert sorted(each.value for each in kept)[-2:] == ["much", "soon"]
    assert len(kept) == figures.quarantined == 4


def test_twice_is_once(tmp_path, plant):
    run(plant, tmp_path / "store")
    before = stored(tmp_path / "store", "*")
    assert run(plant, tmp_path / "store").finished_before_us == NOW_US
    copy = write(tmp_path / "renamed.csv", plant.read_text(encoding="utf-8"))
    assert run(copy, tmp_path / "store").finished_before_us == NOW_US
    again = run(plant, tmp_path / "store", again=True).figures
    assert (again.imported, again.already, again.new_tags, again.known_tags) == (0, 400, 0, 3)
    assert stored(tmp_path / "store", "*") == before
    with StoreReader.open(tmp_path / "store") as reader:
        assert len(reader.quarantine()) == 4


@pytest.mark.parametrize("how", ["own", "remote"])
def test_an_interrupted_import_goes_on_where_it_was(tmp_path, plant, monkeypatch, how):
    store = tmp_path / "store"
    monkeypatch.setattr("historian.importing.csv_file.BLOCK_BYTES", 1024)
    written: list[int] = []
    write_chunk = Store.insert_chunk

    def fail_at_fourth(self, samples, *args, **kwargs):
        written.append(len(samples))
        if len(written) == 4:
            raise KeyboardInterrupt
        return write_chunk(self, samples, *args, **kwargs)

    monkeypatch.setattr(Store, "insert_chunk", fail_at_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(plant, store, chunk=50, how=how)
    assert 0 < len(stored(store)) < 400
    report = run(plant, store, chunk=50, how=how)
    assert report.resumed_at > 0
    assert report.figures.imported == 400
    assert report.figures.new_tags + report.figures.known_tags == 3
    assert sum(report.figures.refused.values()) == 4
    assert stored(store) == wanted(plant)
    with StoreReader.open(store) as reader:
        assert len(reader.quarantine()) == 4


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path, plant):
    dry = run(plant, tmp_path / "store", how="dry")
    assert not (tmp_path / "store").exists()
    real = run(plant, tmp_path / "store")
    assert dry.figures == real.figures or {**dry.figures.as_mapping(), "quarantined": 4} == real.figures.as_mapping()
    second = run(plant, tmp_path / "store", how="dry").figures
    assert (second.imported, second.already, second.new_tags) == (0, 400, 0)


def test_replace_puts_the_new_in_the_place_of_the_old(tmp_path):
    store = tmp_path / "store"
    run(write(tmp_path / "a.csv", "time,T\n2026-01-01,1\n2026-01-02,2\n"), store)
    new = write(tmp_path / "b.csv", "time,T\n2026-01-02,20\n2026-01-02,21\n2026-01-03,30\n")
    kept = run(new, store).figures
    assert (kept.imported, kept.refused["another value for the same tag and time in the store"]) == (1, 1)
    report = run(new, store, on_duplicate="replace").figures
    assert (report.imported, report.replaced, report.already) == (0, 1, 1)
    assert [row[2] for row in stored(store)] == [1, 21, 30]
    assert run(new, store, on_duplicate="replace", again=True).figures.replaced == 0
    with historian.open(store) as opened:
        (line,) = opened.sql("select action, old from audit where action like 'sample%'").to_pylist()
    assert line["action"] == "sample replaced"
    assert json.loads(line["old"])["value"] == 2


def test_large_chunks_go_straight_to_the_archive(tmp_path):
    count = 250_000
    time = pa.array(T0.astype(np.int64) + 1_000_000 * np.arange(count)).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(
        pa.table({"time": time, "A": np.arange(count) / 8, "B": np.arange(count)}), tmp_path / "wide.parquet"
    )
    report = run(tmp_path / "wide.parquet", tmp_path / "store")
    assert report.figures.imported == 2 * count
    with StoreReader.open(tmp_path / "store") as reader:
        snapshot = reader.snapshot()
    assert [file.rows for file in snapshot.files] == [2 * count]
    assert len(snapshot.recent) == 0
    newest = dict(
        zip(snapshot.current.column("tag_id").to_pylist(), snapshot.current.column("value").to_pylist(), strict=True)
    )
    assert sorted(newest.values()) == [(count - 1) / 8, count - 1]


def test_what_export_writes_can_be_imported(tmp_path):
    store = tmp_path / "store"
    lines = ["tag,time,value,value_int,value_text,quality,status,units"]
    lines += [
        "F,2026-01-01T00:00:00Z,1.5,,,Good,Good,m3/h",
        "F,2026-01-01T00:00:01Z,,,,Bad,BadNoCommunication,m3/h",
        "N,2026-01-01T00:00:00Z,9007199254740992,9007199254740993,,Good,Good,",
        "B,2026-01-01T00:00:00Z,,,Batch 7,Uncertain,UncertainLastUsableValue,",
    ]
    run(write(tmp_path / "export.csv", "\n".join(lines)), store)
    assert stored(store, "tag, value, value_int::varchar, value_text, status") == [
        ("B", None, None, "Batch 7", "UncertainLastUsableValue"),
        ("F", 1.5, None, None, "Good"),
        ("F", None, None, None, "BadNoCommunication"),
        ("N", 2.0**53, str(2**53 + 1), None, "Good"),
    ]


def test_what_is_called_parquet_and_is_none(tmp_path):
    path = tmp_path / "plant.parquet"
    path.write_bytes(b"time,tag,value\n")
    with pytest.raises(UsageError, match="it is no Parquet file, whatever its name says"):
        run(path, tmp_path / "store")


def test_bad_infinite_and_missing_values(tmp_path):
    text = "tag,time,value,quality\nT,2026-01-01,5,bad\nT,2026-01-02,,bad\nT,2026-01-03,inf,good\nT,2026-01-04,,good\n"
    figures = run(write(tmp_path / "q.csv", text + "T,2026-01-05,5,who knows\n"), tmp_path / "store").figures
    assert stored(tmp_path / "store", "value, status") == [(None, "Bad"), (None, "Bad"), (None, "BadOutOfRange")]
    assert figures.notes == {
        "values of Bad samples, which have none": 1, "infinite values, stored as BadOutOfRange": 1,
        "cells without a value": 1,
    }  # fmt: skip
    assert figures.refused == {"status that cannot be read": 1}


def test_times_of_no_plant(tmp_path):
    text = "time,T\n1899-12-31,1\n2026-01-01,2\n2199-01-01,3\n"
    figures = run(write(tmp_path / "t.csv", text), tmp_path / "store").figures
    assert figures.refused == {"time before 1900": 1, "time in the future": 1}
    assert [row[2] for row in stored(tmp_path / "store")] == [2]


def test_limits_count_only_when_asked(tmp_path):
    tag = Tag("T", "boiler", "hr:1", "fast", ValueType.FLOAT64, low=-40, high=60, units="degC")
    path = write(tmp_path / "t.csv", "time,T\n2026-01-01,-273.2\n2026-01-02,20\n")
    assert run(path, tmp_path / "a", tags=(tag,)).figures.imported == 2
    figures = run(path, tmp_path / "b", tags=(tag,), reject_out_of_range=True).figures
    assert (figures.imported, dict(figures.refused)) == (1, {"value outside of the tag's low and high": 1})
    assert (figures.new_tags, figures.known_tags) == (0, 1)
    assert tags_of(tmp_path / "b").column("units").to_pylist() == ["degC"]


def test_compression_keeps_its_promise_and_ends(tmp_path):
    tag = Tag("T", "boiler", "hr:1", "fast", ValueType.FLOAT64, compression=CompressionSettings(ErrorBound(0.5)))
    values = np.round(20 * np.sin(np.arange(3000) / 200), 3)
    time = pa.array(T0.astype(np.int64) + 1_000_000 * np.arange(3000)).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"time": time, "T": values, "U": values}), tmp_path / "sine.parquet")
    report = run(tmp_path / "sine.parquet", tmp_path / "store", tags=(tag,), compress=True, chunk=2500)
    kept = [(time_us, value) for name, time_us, value in stored(tmp_path / "store") if name == "T"]
    assert len(kept) < 200
    assert report.figures.imported == len(kept) + 3000  # U has no settings
    line = np.interp(np.array(time.cast(pa.int64()).to_pylist()), *np.array(kept).T)
    assert np.abs(line - values).max() <= 0.5 * (1 + 1e-9)
    assert (kept[0][1], kept[-1][1]) == (values[0], values[-1])


def test_whole_numbers_become_wider_with_the_first_fraction(tmp_path, monkeypatch):
    monkeypatch.setattr("historian.importing.csv_file.BLOCK_BYTES", 256)
    rows = [f"2026-01-01T00:00:{second:02}Z,{second if second < 50 else second + 0.5}" for second in range(60)]
    run(write(tmp_path / "t.csv", "\n".join(["time,T", *rows])), tmp_path / "store", chunk=10)
    assert stored(tmp_path / "store")[-1][2] == 59.5
    assert tags_of(tmp_path / "store").column("value_type").to_pylist() == ["float64"]


def test_refused_values_in_a_file(tmp_path, plant):
    with RejectsFile(tmp_path / "rejects.csv") as rejects:
        run(plant, tmp_path / "store", rejects=rejects)
        assert rejects.written == 4
    with (tmp_path / "rejects.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {(line["row"], line["value"]) for line in lines} >= {("404", "soon"), ("405", "much")}
    with StoreReader.open(tmp_path / "store") as reader:
        assert reader.quarantine() == []


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("semicolons.csv", "sep=;\r\nZeit;T\r\n22.11.2026 12:00;1,5\r\n", {"time_format": "%d.%m.%Y %H:%M"}),
        ("comments.csv", '# from the DCS\n\n"Time"\t"T"\n2026-11-22 12:00\t1.5\n', {}),
        ("mark.csv", "\ufefftime,T\n2026-11-22 12:00Z,1.5\n", {}),
        ("mapped.csv", "when,F,C\n2026-11-22 12:00,1.5,x\n", {"columns": {"time": "when", "T": "F"}, "skip": ("C",)}),
        ("tag.csv", "time,value\n2026-11-22 12:00,1.5\n", {"tag": "T"}),
        ("T.csv", "time,value\n2026-11-22 12:00,1.5\n", {"tag": "{file}"}),
        ("zone.csv", "time,T\n2026-11-22 12:00+00:00,1.5\n", {}),
    ],
)
def test_dialects(tmp_path, name, text, options):
    path = tmp_path / name
    path.write_bytes(text.encode())
    run(path, tmp_path / "store", **options)
    noon = int(np.datetime64("2026-11-22T12:00", "us").astype(np.int64))
    assert stored(tmp_path / "store") == [("T", noon, 1.5)]


def test_rows_of_another_width_are_told(tmp_path):
    path = write(tmp_path / "t.csv", "time,A,B\n2026-01-01,1,2\n2026-01-02,1\n2026-01-03,5,6\n")
    figures = run(path, tmp_path / "store").figures
    assert figures.refused == {"row that has more or fewer cells than the header": 1}
    assert figures.imported == 4


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("", {}, "empty"),
        ("a,b\n1,2\n", {}, "--time-column"),
        ("time,value\n2026-01-01,1\n", {}, "--tag"),
        ("time,a,a\n", {}, "twice"),
        ("time,a\n2026-01-01,1\n", {"columns": {"time": "tme"}}, "did you mean"),
        ("time,a\nfoo,1\nbar,2\n", {}, "--time-format"),
        ("time,a\n2026-01-01,1\n", {"form": "long"}, "--map value"),
    ],
)
def test_files_that_cannot_be_understood(tmp_path, text, options, wanted):
    with pytest.raises(UsageError, match=wanted):
        run(write(tmp_path / "t.csv", text), tmp_path / "store", **options)


def test_groups_and_prefixes(tmp_path):
    text = "machine,time,P\nM1,2026-01-01,1\nM2,2026-01-01,2\n"
    run(write(tmp_path / "t.csv", text), tmp_path / "store", columns={"group": "machine"}, tag_prefix="north.")
    assert [row[0] for row in stored(tmp_path / "store")] == ["north.M1.P", "north.M2.P"]


def test_the_duckdb_reading_of_the_same_file_agrees(tmp_path):
    """A reader of CSV that is not Arrow's, over local times of a whole year."""
    rows = [f"{T0 - np.timedelta64(hour, 'h')},{hour}" for hour in range(9000)][::-1]
    path = write(tmp_path / "year.csv", "\n".join(["time,T", *[row.replace("T", " ", 1) for row in rows]]))
    run(path, tmp_path / "store")
    query = f"select epoch_us(\"time\"), T::double from '{path}' order by 1"  # noqa: S608 - a file of this test
    there = duckdb.sql(query).fetchall()
    assert [row[1:] for row in stored(tmp_path / "store")] == there
