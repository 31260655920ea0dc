from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.sql import sql
from historian.errors import QueryError, UsageError
from support.sample_store import make_store, plant_rows

COMMAND = [sys.executable, "-c", "from cli.main import main; main()", "sql"]


@pytest.fixture
def store(store_path):
    make_store(store_path, plant_rows(), archived_before_s=30)
    return store_path


@pytest.fixture
def ask(store):
    def run(*arguments, text=None):
        return CliRunner().invoke(sql, ["--store", str(store), *arguments], input=text, catch_exceptions=False)

    return run


def process(store, *arguments, **options):
    return subprocess.run(
        [*COMMAND, "--store", str(store), *arguments], check=False, capture_output=True, timeout=50, **options
    )


ONE_ROW = "select tag, time, value, value_int, quality from samples where tag = 'FQ101.TOTAL' order by time limit 1"


def test_a_table_for_people(ask):
    names, rule, row = ask(ONE_ROW).stdout.splitlines()
    assert names.split() == ["tag", "time", "value", "value_int", "quality"]
    assert set(rule) == {"-", " "}
    assert row.split("  ") == [
        "FQ101.TOTAL",
        "2026-11-22 00:00:00.000Z",
        "9007199254740992.0",
        "9007199254740993",
        "Good",
    ]
    # Numbers end where their column's rule ends, texts begin where it begins.
    assert rule.startswith("-" * len("FQ101.TOTAL") + "  -")
    assert row.index("9007199254740993") + 16 == names.index("value_int") + len("value_int")


def test_csv(ask):
    (row,) = csv.DictReader(io.StringIO(ask("--format", "csv", ONE_ROW).stdout))
    assert (row["tag"], row["time"], row["value_int"]) == (
        "FQ101.TOTAL",
        "2026-11-22T00:00:00.000000Z",
        "9007199254740993",
    )


def test_json(ask):
    (row,) = json.loads(ask("--format", "json", ONE_ROW).stdout)
    assert (row["time"], row["value_int"]) == ("2026-11-22T00:00:00.000000Z", 2**53 + 1)


def test_json_of_no_rows_and_of_what_json_has_no_word_for(ask):
    assert json.loads(ask("--format", "json", "select 1 as x where false").stdout) == []
    odd = "select 'nan'::double as n, [1, 2] as l, {'a': null} as s, interval 1 day as i, 'ü' as t"
    (row,) = json.loads(ask("--format", "json", odd).stdout)
    assert (row["n"], row["l"], row["s"], row["t"]) == (None, [1, 2], {"a": None}, "ü")


def test_csv_of_unusual_types(ask):
    text = ask("--format", "csv", "select [1, 2] as l, interval 90 minutes as i, 'a,\"b' as t, null as n").stdout
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["l"], row["t"], row["n"]) == ("[1, 2]", 'a,"b', "")


def test_dates_and_differences_of_times_as_people_write_them(ask):
    query = (
        "select date '2026-11-22' as day, time '06:00:00.5' as clock, interval '26 hours 3.25 seconds' as took, "
        "interval '-14 months' as age, timestamp '2026-01-02' - timestamp '2026-01-01' as between_, true as open"
    )
    header, row = csv.reader(io.StringIO(ask("--format", "csv", query).stdout))
    assert row == ["2026-11-22", "06:00:00.500000", "26:00:03.25", "-1 year -2 months", "1 day", "true"], header
    (found,) = json.loads(ask("--format", "json", query).stdout)
    assert (found["day"], found["took"], found["between_"]) == ("2026-11-22", "26:00:03.25", "1 day")
    shown = ask(query).stdout.splitlines()[2].split("  ")
    assert [cell.strip() for cell in shown if cell] == [
        "2026-11-22", "06:00:00.500000", "26:00:03.25", "-1 year -2 months", "1 day", "true",
    ]  # fmt: skip


def test_a_query_may_begin_with_a_comment(ask):
    assert ask("--format", "csv", "-- what is it?\nselect 42 as x").stdout == '"x"\n42\n'


def test_a_name_whose_format_there_is_not(ask, tmp_path):
    with pytest.raises(UsageError, match=r"x\.xlsx.*\.csv.*--format"):
        ask("--output", str(tmp_path / "x.xlsx"), "select 1")
    assert not list(tmp_path.glob("*xlsx*"))
    ask("--output", str(tmp_path / "x.txt"), "select 1 as a")
    assert (tmp_path / "x.txt").read_text() == "a\n-\n1\n"


def test_a_link_stays_a_link(ask, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(folder / "real.csv")
    ask("--output", str(tmp_path / "link.csv"), "select 42 as x")
    assert (folder / "real.csv").read_text() == '"x"\n42\n'
    assert (tmp_path / "link.csv").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["real.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(store, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    arguments = ["--store", str(store), "--format", "csv", "--output", str(pipe), "select 42 as x"]
    with subprocess.Popen([*COMMAND, *arguments]) as writing:
        assert pipe.read_bytes() == b'"x"\n42\n'
    assert writing.returncode == 0
    assert pipe.is_fifo()


def test_another_time_zone(ask):
    text = ask("--tz", "Europe/Berlin", "--format", "csv", "select time from snapshot where tag = 'FIC101.PV'").stdout
    assert "2026-11-22T01:00:59.000000+01:00" in text


@pytest.mark.parametrize(
    ("name", "read"), [("o.parquet", pq.read_table), ("o.arrow", lambda path: pa.ipc.open_file(path).read_all())]
)
def test_files_for_other_tools(ask, tmp_path, name, read):
    ask("--output", str(tmp_path / name), "from samples")
    assert read(tmp_path / name).num_rows == 300
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failed_query_leaves_the_old_file(ask, tmp_path):
    target = tmp_path / "o.csv"
    target.write_text("old")
    with pytest.raises(QueryError):
        ask("--output", str(target), "select (case when i = 250000 then 'x' else '1' end)::int from range(300000) t(i)")
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "store"]


def test_a_result_for_no_folder_or_a_folder(ask, tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        ask("--output", str(tmp_path / "no" / "o.csv"), "select 1")
    with pytest.raises(UsageError, match="it is a folder"):
        ask("--format", "csv", "--output", str(tmp_path), "select 1")


def test_rows_of_a_table_are_limited_and_it_says_so(ask):
    result = ask("--max-rows", "3", "from samples")
    assert len(result.stdout.splitlines()) == 5
    assert "--max-rows 0" in result.stderr
    assert len(ask("--max-rows", "0", "from samples").stdout.splitlines()) == 302


def test_the_query_from_stdin_or_a_file(ask, tmp_path):
    assert ask("-", text="select 40 + 2 as x").stdout.split()[-1] == "42"
    assert ask(text="select 40 + 2 as x").stdout.split()[-1] == "42"
    (tmp_path / "q.sql").write_text("select 40 + 2 as x;")
    assert ask("--file", str(tmp_path / "q.sql")).stdout.split()[-1] == "42"
    with pytest.raises(UsageError, match="cannot read the query"):
        ask("--file", str(tmp_path / "none.sql"))


def test_a_tag_that_does_not_exist_is_pointed_out(ask):
    result = ask("select count(*) as n from samples where tag = 'FIC999.PV' or tag in ('FIC101.PV', 'TIC1')")
    assert result.exit_code == 0
    assert "no tag 'FIC999.PV'; the nearest is 'FIC1" in result.stderr
    assert "'TIC1'" in result.stderr
    assert "'FIC101.PV';" not in result.stderr


def test_a_mistake_ends_with_its_place_and_exit_code_2(store):
    done = process(store, "select vale\nfrom samples")
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"LINE 1: select vale" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--store", "nowhere", "select 1"], 1, "there is none"),
        (["--config", "none.toml", "select 1"], 2, "--store"),
        (["--tz", "Mars/Base", "select 1"], 2, "time zone"),
    ],
)
def test_what_cannot_be_opened(tmp_path, monkeypatch, capsys, arguments, code, text):  # noqa: PLR0917 - fixtures
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["historian", "sql", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert text in capsys.readouterr().err


def test_the_configuration_names_the_store(store, tmp_path):
    (tmp_path / "historian.toml").write_text('[store]\npath = "store"\n')
    done = CliRunner().invoke(sql, ["--config", str(tmp_path / "historian.toml"), "select 42 as x"])
    assert done.stdout.split()[-1] == "42"


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_a_reader_that_goes_away_is_no_error(store):
    query = "select i, i::text as t from range(5000000) t(i)"
    with subprocess.Popen(
        [*COMMAND, "--store", str(store), "--format", "csv", query], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 1


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_ends_a_query_at_once_and_leaves_nothing(store, tmp_path):
    target = tmp_path / "o.csv"
    query = "select sin(i * j) as s from range(100000) t(i), range(100000) u(j) where sin(i * j) > 2"
    with subprocess.Popen(
        [*COMMAND, "--store", str(store), "--output", str(target), query], stderr=subprocess.PIPE
    ) as running:
        _until_busy(running.pid)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert running.stderr.read().strip() == b"historian: interrupted"
        assert running.wait(20) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def _until_busy(pid: int) -> None:
    """Wait until the query computes: a second of processor time is more than starting takes."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        if (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 1.5:
            return
        time.sleep(0.02)
    pytest.fail("the query never ran")


def test_in_the_sandbox_the_answer_is_the_same(ask):
    assert ask("--sandbox", ONE_ROW).stdout == ask(ONE_ROW).stdout


def test_the_sandbox_ends_what_takes_too_long(ask):
    with pytest.raises(QueryError, match=r"took longer than 1\.5 s and was ended"):
        ask("--sandbox", "--timeout", "1500ms", "--format", "csv", "select * from range(100000000000)")


def test_limits_are_those_of_the_sandbox(ask):
    with pytest.raises(UsageError, match="go with --sandbox"):
        ask("--memory", "100", ONE_ROW)
    with pytest.raises(UsageError, match="cannot use --timeout"):
        ask("--sandbox", "--timeout", "soon", ONE_ROW)
