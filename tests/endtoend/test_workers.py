"""``historian collect --workers``: the same archive as from one process, through the death of a worker and of the main
process, and while the configuration changes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from endtoend.commandline import Collecting, eventually, health, historian, rows, status

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]


def workers(folder: Path) -> dict[str, dict[str, Any]]:
    return {name: row for name, row in health(folder).items() if name.startswith("worker/")}


def running(folder: Path) -> dict[str, dict[str, Any]]:
    """The workers, when all of them run."""
    found = workers(folder)
    return found if found and all(row["state"] == "running" for row in found.values()) else {}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # One that has ended, and that nobody has asked for its exit code, answers too.
        return "Z" not in Path(f"/proc/{pid}/stat").read_text("ascii").split()[2] if sys.platform == "linux" else True
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_two_workers_read_what_one_process_would_have_read(folder):
    with Collecting(folder, ["--workers", "2"]) as collecting:
        collecting.wait_until_connected()
        unread = "select 1 from snapshot where status = 'BadWaitingForInitialData'"
        eventually(lambda: not rows(unread, folder), "every tag was read, those of slow scan classes too")
        pids = {row["pid"] for row in eventually(lambda: running(folder), "the workers run").values()}
        assert len(pids) == 2
        assert collecting.process.pid not in pids
        placed = rows("select source, worker from sources order by worker", folder)
        assert [row["worker"] for row in placed] == [1, 2]
        assert {row["source"] for row in placed} == {"boiler", "mixer"}
        assert set(status(folder)["workers"]) == {"1", "2"}
        assert collecting.stop() == 0, collecting.said()
        assert "from 2 sources in 2 worker processes" in collecting.said()
        assert "Traceback" not in collecting.said()
        assert "Fatal" not in collecting.said()
    assert not any(map(is_alive, pids))
    figures = health(folder)
    read = sum(row["scans"] * row["points"] for name, row in figures.items() if name.startswith("source/"))
    assert read > 0
    # The boiler has two scan classes, so that scans times points is an upper bound; every tag has its last word.
    assert 0 < figures["process"]["samples_in"] <= read
    ends = rows("select count(distinct tag) as n from samples where status = 'BadShutdown'", folder)
    assert ends[0]["n"] == rows("select count(*) as n from tags", folder)[0]["n"]
    assert rows("select tag, time from samples group by all having count(*) > 1 limit 5", folder) == []


def test_a_dead_worker_is_replaced_and_only_its_sources_are_bad_meanwhile(folder):
    with Collecting(folder, ["--workers", "2"]) as collecting:
        collecting.wait_until_connected()
        before = eventually(lambda: running(folder), "the workers run")
        boiler = health(folder)["source/boiler"]
        dead, other = f"worker/{boiler['worker']}", f"worker/{3 - boiler['worker']}"
        os.kill(before[dead]["pid"], signal.SIGKILL)
        eventually(lambda: health(folder)["source/boiler"]["errors"], "the boiler is missed")
        eventually(lambda: health(folder)[dead]["restarts"] == 1 and running(folder), "it is replaced")
        collecting.wait_until_connected()
        after = health(folder)
        assert after["source/boiler"]["scans"] >= boiler["scans"], "counters go on"
        assert after["source/mixer"]["errors"] == 0
        assert [after[other][key] for key in ("pid", "restarts")] == [before[other]["pid"], 0]
        newest = rows("select max(time) as t from samples where tag like 'FIC101%'", folder)[0]["t"]
        eventually(
            lambda: rows("select max(time) as t from samples where tag like 'FIC101%'", folder)[0]["t"] > newest,
            "its samples go on",
        )
        assert collecting.stop() == 0, collecting.said()
        death = f"{dead.replace('/', ' ')} ended by SIGKILL"
        assert death in collecting.said()
    bad = rows("select distinct source from samples join tags using (tag) where status = 'BadInternalError'", folder)
    assert bad == [{"source": "boiler"}]
    marks = rows("select tag, count(*) as n from samples where status = 'BadInternalError' group by all", folder)
    assert {row["n"] for row in marks} == {1}, "the gap begins once in every tag"
    assert rows("select new from audit where action = 'worker lost'", folder) == [{"new": death}]
    assert rows("select tag, time from samples group by all having count(*) > 1 limit 5", folder) == []


def test_workers_end_with_the_main_process_however_that_ends(folder):
    with Collecting(folder, ["--workers", "2"]) as collecting:
        collecting.wait_until_connected()
        pids = [row["pid"] for row in eventually(lambda: running(folder), "the workers run").values()]
        collecting.kill()
        eventually(lambda: not any(map(is_alive, pids)), "the workers have ended")


def test_a_reload_reaches_the_workers(folder):
    with Collecting(folder, ["--workers", "2"]) as collecting:
        collecting.wait_until_connected()
        for worker in eventually(lambda: running(folder), "the workers run").values():
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                os.kill(worker["pid"], number)  # as who tells all processes of a service, not the main one alone
        lines = (folder / "tags.csv").read_text(encoding="utf-8").splitlines()
        [copied] = [line for line in lines if line.startswith("FIC101.PV,")]
        kept = [line for line in lines if not line.startswith("LIC102.SP,")]
        text = "\n".join([*kept, copied.replace("FIC101.PV", "NEW.PV", 1), ""])
        (folder / "tags.csv").write_text(text, encoding="utf-8")
        done = historian("reload", folder=folder)
        assert done.returncode == 0, done.stderr
        assert "1 tag added (NEW.PV), 1 tag removed (LIC102.SP)" in done.stdout
        is_read = "select 1 from snapshot where tag = 'NEW.PV' and quality = 'Good'"
        eventually(lambda: rows(is_read, folder), "it is read")
        ends = rows("select status from samples where tag = 'LIC102.SP' order by time desc limit 1", folder)
        assert ends == [{"status": "BadShutdown"}]
        assert {row["restarts"] for row in workers(folder).values()} == {0}
        assert collecting.stop() == 0, collecting.said()
        assert "error" not in collecting.said()


def test_auto_starts_none_for_a_small_plant(folder):
    with Collecting(folder, ["--workers", "auto"]) as collecting:
        collecting.wait_until_connected()
        assert workers(folder) == {}
        assert collecting.stop() == 0, collecting.said()
        assert "from 2 sources (" in collecting.said()


@pytest.mark.parametrize("wrong", ["many", "-1", "1.5"])
def test_what_is_no_number_of_workers_is_refused(tmp_path, wrong):
    done = historian("collect", "--workers", wrong, folder=tmp_path)
    assert done.returncode == 2
    assert f"got '{wrong}', wanted a whole number from 0 on, or auto" in done.stderr
