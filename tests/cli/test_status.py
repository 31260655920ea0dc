from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from cli.status import status
from cli.status_screen import age, in_bytes
from historian.model.commit import Commit
from storage.store import Store
from support.sample_store import SECOND, make_store, plant_rows


def figures(age_s: float):
    heard_us = time.time_ns() // 1000 - round(age_s * SECOND)
    return {
        "process": {
            "pid": 4711, "started_us": heard_us - 60 * SECOND, "updated_us": heard_us, "samples_in": 3000,
            "samples_stored": 300, "rate_per_s": 5.0, "last_error": "",
        },
        "source/boiler": {
            "protocol": "modbus", "state": "connected", "points": 4, "good": 4, "bad": 0, "scans": 60, "overruns": 1,
            "errors": 2, "latency_ms": 1.5, "last_good_us": heard_us, "last_error": "timed out", "updated_us": heard_us,
        },
    }  # fmt: skip


@pytest.fixture
def report(store_path):
    def run(*arguments, health=None, final=False):
        make_store(store_path, plant_rows(), archived_before_s=30, health=health, final=final)
        result = CliRunner().invoke(status, ["--store", str(store_path), *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return run


def test_json_while_collecting(report):
    found = json.loads(report("--format", "json", health=figures(1)))
    assert found["collecting"]["state"] == "yes"
    assert found["process"]["pid"] == 4711
    assert found["sources"]["boiler"]["scans"] == 60
    assert found["sources"]["boiler"]["last_good"].endswith("Z")
    store = found["store"]
    assert (store["samples"], store["archive_rows"], store["buffer_rows"], store["files"]) == (300, 150, 150, 1)
    assert store["compression_ratio"] == 10.0
    assert store["bytes_per_sample"] == store["archive_bytes"] / 150


def test_a_table_while_collecting(report):
    text = report(health=figures(1))
    assert "Collecting: process 4711" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("boiler "))
    assert row.split()[1] == "connected"
    assert "last error: timed out" in text
    assert "300 of 5 tags" in text


@pytest.mark.parametrize(
    ("health", "final", "state", "words"),
    [
        (figures(3600), False, "lost", "ended without a word"),
        (figures(3600), True, "no", "stopped in order"),
    ],
)
def test_it_is_honest_when_nothing_collects(report, health, final, state, words):
    text = report(health=health, final=final)
    assert text.startswith("Not collecting")
    assert words in " ".join(text.split())
    assert "was connected" in text
    assert state


def test_a_process_that_does_not_exist_any_more_is_lost_before_its_word_is_old(report, store_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    record = {"pid": dead.pid, "host": platform.node(), "command": "historian collect", "since": "2026-11-22T00:00:00Z"}

    def state(age_s: float, **changes: object) -> str:
        report(health=figures(age_s))
        (store_path / "historian.lock").write_text(json.dumps({**record, **changes}))
        found = CliRunner().invoke(status, ["--store", str(store_path), "--format", "json"]).stdout
        shutil.rmtree(store_path)
        return json.loads(found)["collecting"]["state"]

    assert state(15) == ("yes" if sys.platform == "win32" else "lost")
    assert state(1) == "yes"
    assert state(15, host="another machine") == "yes"
    assert state(15, pid=os.getpid()) == "yes"


def test_the_table_fits_into_80_columns(report, monkeypatch):
    monkeypatch.setattr("cli.status_screen.PIPE_WIDTH", 80)
    health = figures(1)
    health["source/boiler"] |= {"bad": 3, "scans": 1_234_567, "overruns": 12}
    lines = report(health=health).splitlines()
    (row,) = (line for line in lines if line.startswith("boiler "))
    cells = row.split()
    assert [*cells[:2], *cells[-7:]] == ["boiler", "connected", "4", "3", "1,234,567", "12", "2", "1.5", "ms"]
    assert any("where quality = 'Bad'" in line for line in lines)


def test_what_was_found_out_about_a_device_is_shown(report, store_path):
    report(health=figures(1))
    note = {"device": "tcp://plc unit 1", "limits": {"hr": 32}, "walls": {"hr": [[30, 35]]}, "since_us": 1}
    with Store.open(store_path) as store:
        store.commit(Commit(1, notes={("boiler", "modbus refused"): json.dumps(note), ("x", "modbus refused"): "{"}))
    result = CliRunner().invoke(status, ["--store", str(store_path)], catch_exceptions=False)
    words = "boiler: found out about the device: hr: at most 32 in one request; hr:30 to hr:34 cannot be read"
    assert words in " ".join(result.stdout.split())
    result = CliRunner().invoke(status, ["--store", str(store_path), "--format", "json"], catch_exceptions=False)
    assert json.loads(result.stdout)["sources"]["boiler"]["found_out"].startswith("hr: at most 32")


def test_what_a_server_revised_and_what_was_lost_is_shown(report, store_path):
    report(health={**figures(1), "source/mixer": {"state": "connected", "lost": 1234}})
    note = json.dumps({"fast": "sampled every 50 ms instead of 10 ms: T1", "slow": "no deadband for T2"})
    with Store.open(store_path) as store:
        store.commit(Commit(1, notes={("mixer", "opcua revised"): note, ("boiler", "opcua revised"): "[]"}))
    result = CliRunner().invoke(status, ["--store", str(store_path)], catch_exceptions=False)
    words = " ".join(result.stdout.split())
    assert "mixer: found out about the device: sampled every 50 ms instead of 10 ms: T1; no deadband for T2" in words
    assert "mixer: values are missing 1,234 times, marked as BadDataLost" in words
    assert "boiler: found out" not in words


def test_a_store_nothing_was_collected_into(store_path):
    make_store(store_path, [])
    found = json.loads(CliRunner().invoke(status, ["--store", str(store_path), "--format", "json"]).stdout)
    assert found["sources"] == {}
    assert found["store"]["bytes_per_sample"] is None


def test_words_for_sizes_and_times():
    assert [age(seconds) for seconds in (0.04, 1.5, 90, 7200, 200_000)] == [
        "0.0 s",
        "1.5 s",
        "1.5 min",
        "2.0 h",
        "2.3 d",
    ]
    assert [in_bytes(size) for size in (12, 1500, 2_500_000)] == ["12 bytes", "1.5 kB", "2.5 MB"]
