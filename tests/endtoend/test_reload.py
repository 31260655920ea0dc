"""The configuration is changed while collecting: what has changed is followed, and nothing else is disturbed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from endtoend.commandline import Collecting, eventually, health, historian, rows

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]


def lines(folder: Path) -> list[str]:
    return (folder / "tags.csv").read_text(encoding="utf-8").splitlines()


def write_lines(folder: Path, those: list[str]) -> None:
    (folder / "tags.csv").write_text("\n".join([*those, ""]), encoding="utf-8")


def without(folder: Path, tag: str) -> list[str]:
    return [line for line in lines(folder) if not line.startswith(f"{tag},")]


def renamed_copy(folder: Path, tag: str, name: str) -> str:
    [line] = [line for line in lines(folder) if line.startswith(f"{tag},")]
    return line.replace(tag, name, 1)


def reload(folder: Path) -> str:
    done = historian("reload", folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def our_bad_rows(folder: Path) -> list[dict]:
    """The ends that we have marked; instruments of the simulated plant fail too, with statuses of their own."""
    ours = {"BadShutdown", "BadInternalError", "BadNoCommunication", "BadCommunicationError", "BadTimeout"}
    found = rows("select tag, status from samples where quality = 'Bad' order by tag", folder)
    return [row for row in found if row["status"] in ours]


def test_tags_come_and_go_and_the_others_have_no_gap(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        eventually(lambda: rows("select 1 from samples where tag = 'FIC101.PV'", folder), "there are samples")
        before = health(folder)
        write_lines(folder, [*without(folder, "LIC102.SP"), renamed_copy(folder, "FIC101.PV", "NEW.PV")])
        said = reload(folder)
        assert "1 tag added (NEW.PV), 1 tag removed (LIC102.SP)" in said
        is_read = "select 1 from snapshot where tag = 'NEW.PV' and quality = 'Good'"
        eventually(lambda: rows(is_read, folder), "it is read")
        assert our_bad_rows(folder) == [{"tag": "LIC102.SP", "status": "BadShutdown"}]
        after = health(folder)
        assert {name: row["reconnects"] for name, row in after.items() if name.startswith("source/")} == {
            name: 0 for name in before if name.startswith("source/")
        }
        said_again = reload(folder)
        assert "nothing has changed" in said_again
        assert collecting.stop() == 0, collecting.said()
    actions = [(line["action"], line["object"]) for line in rows("from audit order by time", folder)]
    assert ("reloaded", "configuration") in actions
    assert ("tag created", "NEW.PV") in actions
    assert ("not collected any more", "LIC102.SP") in actions
    twice = "select tag, time from samples group by all having count(*) > 1"
    assert rows(twice, folder) == []


def test_a_configuration_with_faults_is_refused_with_all_of_them_and_the_old_one_goes_on(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        good = lines(folder)
        write_lines(folder, [*good, "X,nowhere,hr:0,,fast", "Y,nowhere,hr:0,,fast"])
        refused = historian("reload", folder=folder)
        assert refused.returncode == 2
        assert refused.stderr.count("nowhere") == 2
        collecting.process.send_signal(signal.SIGHUP)
        eventually(lambda: "not followed" in collecting.said(), "the process refuses it too")
        collecting.assert_running()
        scans = health(folder)["process"]["samples_in"]
        eventually(lambda: health(folder)["process"]["samples_in"] > scans, "it goes on")
        write_lines(folder, [*good, renamed_copy(folder, "FIC101.PV", "NEW.PV")])
        collecting.process.send_signal(signal.SIGHUP)
        eventually(lambda: rows("select 1 from samples where tag = 'NEW.PV'", folder), "a good one is followed")
    [refusal] = rows("from audit where action = 'reload refused'", folder)
    assert refusal["why"] == "SIGHUP"
    assert refusal["new"].count("nowhere") == 2


def test_a_source_goes_and_comes_back(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        whole = lines(folder)
        sources = {row["source"] for row in rows("select distinct source from tags", folder)}
        [kept, gone] = sorted(sources)
        write_lines(folder, [line for line in whole if f",{gone}," not in line])
        reload(folder)
        assert rows("select source from sources", folder) == [{"source": kept}]
        ended = f"select distinct status from snapshot join tags using (tag) where source = '{gone}'"  # noqa: S608 - ours
        eventually(lambda: rows(ended, folder) == [{"status": "BadShutdown"}], "its tags have ended")
        write_lines(folder, whole)
        reload(folder)
        eventually(lambda: "BadShutdown" not in str(rows(ended, folder)), "they are read again")
        # A crash behind a reload: the next start marks the gap in all tags, and nothing is there twice.
        collecting.kill()
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []


def test_health_is_recorded_as_tags_where_that_is_switched_on(folder):
    with Collecting(folder) as collecting:
        collecting.wait_until_connected()
        assert rows("from tags where tag like 'historian.%'", folder) == []
        with (folder / "historian.toml").open("a", encoding="utf-8") as file:
            file.write("\n[health]\ntags = true\n")
        assert "health tags" in reload(folder)
        memory = "select value from snapshot where tag = 'historian.process.memory_mb' and quality = 'Good'"
        [row] = eventually(lambda: rows(memory, folder), "the memory is recorded")
        assert 20 < row["value"] < 2000
        [source, *_] = rows("select source from sources", folder)
        texts = rows(f"select value_text from snapshot where tag = 'historian.{source['source']}.connected'", folder)  # noqa: S608 - ours
        assert texts == [{"value_text": "yes"}]
        assert rows("select source from sources where source = 'historian'", folder) == []
    assert len(rows("from process", folder)) == 1


def test_nobody_collects(folder):
    refused = historian("reload", folder=folder)
    assert refused.returncode == 2
    assert "nobody collects" in refused.stderr
