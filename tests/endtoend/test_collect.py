"""From real servers to SQL with the real command line: the main job, its end in order, and its end by force."""

import csv
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from collectors.simulator.plant import Plant
from endtoend.commandline import (
    Collecting,
    eventually,
    historian,
    pause,
    resume,
    rows,
    rows_by_command,
    rows_if_any,
    status,
)

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

DUPLICATES = "select tag, time, count(*) as n from samples group by all having n > 1"


@pytest.fixture(scope="module")
def plant():
    with Plant() as plant:
        yield plant


@pytest.fixture
def folder(plant: Plant, tmp_path: Path) -> Path:
    plant.write_configuration(tmp_path)
    return tmp_path


def samples(folder: Path) -> set[tuple]:
    found = rows("select tag, epoch_us(time) as time_us, value, value_text, status_code from samples", folder)
    return {tuple(row.values()) for row in found}


def with_repeats(folder: Path) -> set[str]:
    """The tags of which a sample that was seen may be left out later."""
    query = "select tag from tags where coalesce(comp_dev, exc_dev) is not null or is_step"
    return {row["tag"] for row in rows(query, folder)}


def test_the_configuration_of_the_plant_checks(folder):
    done = historian("check", folder=folder)
    assert done.returncode == 0, done.stderr


def test_samples_are_in_sql_within_two_seconds_while_collecting(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        query = (
            "select min(epoch(now()) - epoch(time)) as age_s, max(epoch(now()) - epoch(last_scan)) as scan_age_s"
            " from snapshot"
        )
        eventually(lambda: rows("select * from samples", folder), "samples are there")
        ages = [rows_by_command(query, folder)[0] for _ in range(5)]
        collecting.assert_running()
    assert max(age["age_s"] for age in ages) < 2.0
    assert max(age["scan_age_s"] for age in ages) < 3.0, "the slowest rate of the plant is one second"


def test_sigterm_stops_in_order_and_every_tag_ends_with_bad_shutdown(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        waiting = "select tag from snapshot where status = 'BadWaitingForInitialData'"
        eventually(lambda: not rows(waiting, folder), "every tag was read once")
        seen = samples(folder)
        started = time.monotonic()
        assert collecting.stop(signal.SIGTERM) == 0, collecting.said()
        assert time.monotonic() - started < 5.0
        assert "stopped in order" in collecting.said()
    ends = rows("select distinct status, value from snapshot", folder)
    assert ends == [{"status": "BadShutdown", "value": None}]
    assert rows(DUPLICATES, folder) == []
    lossy = with_repeats(folder)
    assert {row for row in seen if row[0] not in lossy} < samples(folder)


def test_ctrl_c_is_an_orderly_stop_too(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        assert collecting.stop(signal.SIGINT) == 0, collecting.said()
    assert status(folder)["collecting"]["state"] == "no"


def test_kill_9_loses_nothing_that_was_seen_and_the_next_start_marks_the_gap(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        eventually(lambda: len(samples(folder)) > 200, "there is something to lose")
        stored_before = rows("select count(*) as n from samples", folder)[0]["n"]
        collecting.kill()
    seen = samples(folder)
    assert len(seen) >= stored_before
    last_us = max(row[1] for row in seen)
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        collecting.assert_running()
        now = samples(folder)
        lossy = with_repeats(folder)
        assert {row[0] for row in seen - now} <= lossy, "a sample that was visible before the crash is gone"
        # Of what a door held, compression may leave out anything but the last.
        assert {max(row for row in seen if row[0] == tag) for tag in lossy & {row[0] for row in seen}} <= now
        marks = rows("select tag, epoch_us(time) as time_us from samples where status = 'BadShutdown'", folder)
        assert {row["tag"] for row in marks} == {row[0] for row in seen}
        assert max(abs(row["time_us"] - last_us) for row in marks) < 2_000_000
        assert collecting.stop() == 0
    assert rows(DUPLICATES, folder) == []
    assert rows("select count(*) as n from audit where action = 'recovered'", folder) == [{"n": 1}]


def test_a_second_collect_says_who_holds_the_store(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        second = historian("collect", folder=folder)
        assert second.returncode == 1
        assert str(collecting.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        collecting.assert_running()


def test_a_hung_server_turns_its_tags_bad_and_leaves_the_others_alone(tmp_path):
    with Plant() as plant:
        settings = plant.write_configuration(tmp_path)
        settings.write_text(settings.read_text() + 'timeout = "1s"\n')
        with Collecting(tmp_path) as collecting:
            collecting.wait_until_connected()
            _, opcua = plant.pids
            pause(opcua)
            by_source = "select source, quality, count(*) as n from snapshot join tags using (tag) group by all"

            def all_bad() -> bool:
                found = {(row["source"], row["quality"]) for row in rows(by_source, tmp_path)}
                return {quality for source, quality in found if source == "mixer"} == {"Bad"}

            eventually(all_bad, "every tag of the hung server is Bad")
            good = [row for row in rows(by_source, tmp_path) if (row["source"], row["quality"]) == ("boiler", "Good")]
            assert good, "the other source goes on"
            resume(opcua)
            eventually(lambda: not all_bad(), "the server's tags come back")
            assert collecting.stop() == 0
    counts = rows(
        "select tag, count(*) as n from samples where quality = 'Bad' and status <> 'BadShutdown' group by tag",
        tmp_path,
    )
    assert all(row["n"] <= 12 for row in counts), "Bad once, not at every scan"


def test_a_configuration_that_does_not_check_is_refused_and_makes_no_store(folder):
    settings = folder / "historian.toml"
    settings.write_text(settings.read_text().replace("timeout", "tiemout"))
    done = historian("collect", folder=folder)
    assert done.returncode == 2
    assert "tiemout" in done.stderr
    assert "timeout" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "store").exists()


def test_a_device_that_is_not_there_is_no_reason_to_stop(folder, free_port):
    settings = folder / "historian.toml"
    lines = [
        f'url = "tcp://127.0.0.1:{free_port}"' if line.startswith('url = "tcp') else line
        for line in settings.read_text().splitlines()
    ]
    settings.write_text("\n".join(lines))
    with Collecting(folder) as collecting:

        def states() -> dict[str, str]:
            found = rows_if_any("select source, state from sources", folder)
            return {row["source"]: row["state"] for row in found}

        eventually(lambda: states() == {"boiler": "failed", "mixer": "connected"}, "one source is lost, one connected")
        boiler = rows("select distinct status from snapshot join tags using (tag) where source = 'boiler'", folder)
        assert boiler == [{"status": "BadNoCommunication"}]
        assert collecting.stop() == 0


def test_modbus_samples_of_a_tag_stored_losslessly_lie_on_the_grid(folder):
    with (folder / "tags.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    kept = [row for row in table if row["source"] == "boiler" and row["address"].startswith("hr:")][:5]
    with (folder / "tags.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows({**row, "exc_dev": "", "exc_max": "", "comp_dev": "", "comp_max": ""} for row in kept)
    with Collecting(folder, ["--seconds", "6"]) as collecting:
        assert collecting.process.wait(30) == 0
    gaps = rows(
        "select tag, (epoch_us(time) - epoch_us(lag(time) over (partition by tag order by time))) / 1000 as ms,"
        " rate from (select s.tag, s.time, case t.scan_class when 'fast' then 200 else 1000 end as rate"
        " from samples s join tags t using (tag) where quality = 'Good') qualify ms is not null",
        folder,
    )
    assert len(gaps) >= 15
    late = [gap for gap in gaps if abs(gap["ms"] - gap["rate"]) > 100]
    assert len(late) <= len(gaps) // 4, "a busy machine may delay a scan, but not shift the grid"


def test_a_store_deleted_while_collecting_ends_it_with_a_clear_message(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        shutil.rmtree(folder / "store")
        assert collecting.process.wait(30) == 1
        assert "was removed, moved or replaced" in collecting.said()
        assert "Traceback" not in collecting.said()
        assert "stopped in order" not in collecting.said()
    assert not (folder / "store" / "archive").exists()
