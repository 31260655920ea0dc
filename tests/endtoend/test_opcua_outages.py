"""OPC UA servers that hang, die, come back or never answer: what the archive holds then, and what fills the gaps."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncua import ua

from collectors.simulator.plant import SimulatedServer
from conformance.opcua_servers import AsyncuaServer
from endtoend.commandline import Collecting, eventually, health, pause, resume, rows, rows_if_any
from endtoend.relay_thread import RelayThread
from support.plant_files import HEADER

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

NODES = 10
MODES = ["poll", "subscribe"]


def write_files(folder: Path, url: str, mode: str, names: list[str], more: str = "") -> Path:
    (folder / "historian.toml").write_text(f"""
        tag_files = ["tags.csv"]
        [store]
        path = "store"
        commit = "100ms"
        [scan_classes.fast]
        rate = "200ms"
        [sources.mixer]
        protocol = "opcua"
        url = "{url}"
        mode = "{mode}"
        timeout = "700ms"
        {more}
    """)
    lines = [f"{name},mixer,ns=2;s={name},,fast{',' * 14}" for name in names]
    (folder / "tags.csv").write_text("\n".join([HEADER, *lines, ""]))
    return folder


def report(port: int = 0) -> SimulatedServer:
    """A server whose nodes N0, N1 ... all get the values 1, 2, 3 ... in turn, with the time at which they are given."""
    return SimulatedServer(["load-opcua", "--port", str(port), "--nodes", str(NODES), "--report-s", "0.2"])


@pytest.fixture
def reporting() -> Iterator[SimulatedServer]:
    server = report()
    server.wait_until_ready()
    yield server
    resume(server.pid)
    server.close()


def newest(folder: Path) -> set[str]:
    return {row["status"] for row in rows_if_any("select status from snapshot", folder)}


def good_samples(folder: Path) -> int:
    return rows("select count(*) as n from samples where status = 'Good'", folder)[0]["n"]


def assert_nothing_was_invented(folder: Path) -> None:
    """Values only ever grow at this server: one that was repeated or made up after an outage would fall behind."""
    wrong = """
        select tag, time, value, before from (
            select tag, time, value, lag(value) over (partition by tag order by time) as before
            from samples where status = 'Good'
        ) where value < before
    """
    assert rows(wrong, folder) == []
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []
    assert rows("select * from samples where quality = 'Bad' and value is not null", folder) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_hung_server_turns_its_tags_bad_once_and_comes_back(
    reporting: SimulatedServer, tmp_path: Path, mode: str
) -> None:
    folder = write_files(tmp_path, reporting.url, mode, [f"N{number}" for number in range(NODES)])
    with Collecting(folder) as collecting:
        eventually(lambda: newest(folder) == {"Good"}, "all tags are read")
        pause(reporting.pid)
        eventually(lambda: newest(folder) == {"BadTimeout"}, "all tags are Bad")
        seen = good_samples(folder)
        bad = "select tag, count(*) as n from samples where quality = 'Bad' group by tag having n > 2"
        assert rows(bad, folder) == [], "not once for every scan"
        resume(reporting.pid)
        eventually(lambda: newest(folder) == {"Good"}, "all tags are read again")
        eventually(lambda: good_samples(folder) > seen + NODES, "and go on")
        assert collecting.stop() == 0, collecting.said()
    assert_nothing_was_invented(folder)
    events = [row["action"] for row in rows("select action from audit where object = 'mixer' order by time", folder)]
    assert events[:2] == ["lost", "recovered"]


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_server_is_bad_until_another_one_is_there(tmp_path: Path, mode: str) -> None:
    first = report()
    url = first.wait_until_ready()
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    folder = write_files(tmp_path, url, mode, [f"N{number}" for number in range(NODES)])
    try:
        with Collecting(folder) as collecting:
            eventually(lambda: newest(folder) == {"Good"}, "all tags are read")
            first._process.send_signal(signal.SIGKILL)
            eventually(lambda: newest(folder) <= {"BadNoCommunication", "BadTimeout"}, "all tags are Bad")
            before = rows("select max(value) as highest from samples", folder)[0]["highest"]
            second = report(port)
            try:
                second.wait_until_ready()
                eventually(lambda: newest(folder) == {"Good"}, "the new server is read")
                assert collecting.stop() == 0, collecting.said()
            finally:
                second.close()
    finally:
        first.close()
    bad = rows("select distinct status from samples where quality = 'Bad' order by status", folder)
    assert {row["status"] for row in bad} <= {"BadNoCommunication", "BadTimeout", "BadShutdown"}
    # The new server counts from 1 again: whatever comes after the Bad sample is its own.
    after = """
        select max(s.value) as highest from samples s join (
            select tag, min(time) as at from samples where status in ('BadNoCommunication', 'BadTimeout') group by tag
        ) lost on s.tag = lost.tag and s.time > lost.at where s.status = 'Good'
    """
    assert rows(after, folder)[0]["highest"] < before + 1_000
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []


def becomes(folder: Path, *statuses: str) -> None:
    """Return when all tags have one of these."""
    eventually(lambda: newest(folder) and newest(folder) <= {*statuses}, f"all tags are {' or '.join(statuses)}")


@pytest.mark.parametrize("mode", MODES)
def test_a_day_of_faults(reporting: SimulatedServer, tmp_path: Path, mode: str) -> None:
    """Silent, stammering too slowly, unreachable, stammering in time: each a gap of its own, or none."""
    with RelayThread(urlsplit(reporting.url).port or 0) as line:
        names = [f"N{number}" for number in range(NODES)]
        folder = write_files(tmp_path, f"opc.tcp://127.0.0.1:{line.port}", mode, names)
        with Collecting(folder) as collecting:
            becomes(folder, "Good")
            line.hang()
            becomes(folder, "BadTimeout")
            line.resume()
            becomes(folder, "Good")
            line.stammer(0.1)
            becomes(folder, "BadTimeout")
            line.stammer(None)
            becomes(folder, "Good")
            line.cut()
            becomes(folder, "BadNoCommunication")
            line.open()
            becomes(folder, "Good")
            line.stammer(0)
            seen = good_samples(folder)
            eventually(lambda: good_samples(folder) > seen + 3 * NODES, "it is read byte by byte for a while")
            assert newest(folder) == {"Good"}
            assert collecting.stop() == 0, collecting.said()
    assert_nothing_was_invented(folder)
    found = rows("select tag, status from samples order by tag, time", folder)
    for _, mine in itertools.groupby(found, key=lambda row: row["tag"]):
        runs = [status for status, _ in itertools.groupby(row["status"] for row in mine)]
        assert runs == [
            "Good", "BadTimeout", "Good", "BadTimeout", "Good", "BadNoCommunication", "Good", "BadShutdown",
        ]  # fmt: skip
    events = [row["action"] for row in rows("select action from audit where object = 'mixer' order by time", folder)]
    assert [event for event in events if event != "learned"] == ["lost", "recovered"] * 3


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_accepts_and_never_answers_is_bad_from_the_start(tmp_path: Path, mode: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        folder = write_files(tmp_path, f"opc.tcp://127.0.0.1:{listener.getsockname()[1]}", mode, ["A", "B"])
        with Collecting(folder) as collecting:
            eventually(lambda: newest(folder) == {"BadTimeout"}, "it is said that nobody answers")
            assert collecting.stop() == 0, collecting.said()
    found = rows("select tag, status, value from samples order by tag, time", folder)
    assert {row["status"] for row in found} == {"BadTimeout", "BadShutdown"}
    assert len(found) <= 2 * 3
    assert {row["value"] for row in found} == {None}


# -- gaps that history fills


@pytest.fixture
def remembering() -> Iterator[AsyncuaServer]:
    """A server that keeps the history of A, and not of B."""
    server = AsyncuaServer()
    server.start()
    for name in "AB":
        server.add(name, 0.0, ua.VariantType.Double)
    node = server.server.get_node("ns=2;s=A")
    server.do(server.server.historize_node_data_change(node, period=None))
    yield server
    server.stop()


def give(server: AsyncuaServer, *values: float) -> None:
    """Give A and B these values one after the other, as they come."""

    async def write(value: float) -> None:
        for name in "AB":
            now = datetime.now(UTC)
            given: Any = ua.DataValue(ua.Variant(value), SourceTimestamp=now, ServerTimestamp=now)
            await server.server.write_attribute_value(ua.NodeId(name, 2), given)

    for value in values:
        server.do(write(value))


def values_of(folder: Path, tag: str) -> list[float]:
    """What a tag was, in order; one that was read again after the outage is there once."""
    found = rows("select tag, value from samples where status = 'Good' order by time", folder)
    return [value for value, _ in itertools.groupby(row["value"] for row in found if row["tag"] == tag)]


def until_a_value_is_newest(folder: Path, value: float) -> None:
    query = "select value from snapshot where status = 'Good'"
    eventually(lambda: [row["value"] for row in rows_if_any(query, folder)] == [value] * 2, f"{value} is there")


@pytest.mark.parametrize(("mode", "workers"), [*((mode, "0") for mode in MODES), ("poll", "1")])
def test_after_an_outage_the_gap_is_filled_from_the_servers_history(
    remembering: AsyncuaServer, tmp_path: Path, mode: str, workers: str
) -> None:
    url = f"opc.tcp://127.0.0.1:{remembering.port}/"
    folder = write_files(tmp_path, url, mode, ["A", "B"], "backfill = true")
    with Collecting(folder, ["--workers", workers]) as collecting:
        give(remembering, 1.0)
        until_a_value_is_newest(folder, 1.0)
        remembering.listen(False)
        eventually(lambda: newest(folder) <= {"BadNoCommunication", "BadTimeout"}, "the source is lost")
        give(remembering, *(float(number) for number in range(2, 202)))
        remembering.listen(True)
        until_a_value_is_newest(folder, 201.0)
        filled = "select new from audit where action = 'backfilled' and object = 'mixer'"
        (event,) = eventually(lambda: rows(filled, folder), "the gap is filled")
        give(remembering, 202.0)
        until_a_value_is_newest(folder, 202.0)
        assert collecting.stop() == 0, collecting.said()
    assert values_of(folder, "A")[-202:] == [float(number) for number in range(1, 203)]
    assert values_of(folder, "B")[-3:] == [1.0, 201.0, 202.0], "of B the server knows nothing more"
    assert "values from its history fill a gap" in event["new"]
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []
    marks = rows("select count(*) as n from samples where status in ('BadNoCommunication', 'BadTimeout')", folder)
    assert marks[0]["n"] >= 2, "the outage stays marked"
    assert rows("select backfilled >= 200 as enough from sources", folder) == [{"enough": True}]


def test_the_time_between_two_runs_is_filled_as_well(remembering: AsyncuaServer, tmp_path: Path) -> None:
    url = f"opc.tcp://127.0.0.1:{remembering.port}/"
    folder = write_files(tmp_path, url, "poll", ["A", "B"], "backfill = true")
    with Collecting(folder) as collecting:
        give(remembering, 1.0)
        until_a_value_is_newest(folder, 1.0)
        collecting.kill()
    give(remembering, *(float(number) for number in range(2, 52)))
    with Collecting(folder) as collecting:
        until_a_value_is_newest(folder, 51.0)
        wanted = [float(number) for number in range(1, 52)]
        eventually(lambda: values_of(folder, "A")[-51:] == wanted, "it is filled")
        assert collecting.stop() == 0, collecting.said()
    assert rows("select count(*) as n from samples where tag = 'A' and status = 'BadShutdown'", folder) == [{"n": 2}]
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_what_a_dead_worker_has_missed_is_filled_as_well(remembering: AsyncuaServer, tmp_path: Path) -> None:
    url = f"opc.tcp://127.0.0.1:{remembering.port}/"
    folder = write_files(tmp_path, url, "poll", ["A", "B"], "backfill = true")
    with Collecting(folder, ["--workers", "1"]) as collecting:
        give(remembering, 1.0)
        until_a_value_is_newest(folder, 1.0)
        pid = eventually(lambda: health(folder).get("worker/1", {}).get("pid"), "the worker runs")
        os.kill(pid, signal.SIGKILL)
        give(remembering, *(float(number) for number in range(2, 52)))
        until_a_value_is_newest(folder, 51.0)
        wanted = [float(number) for number in range(1, 52)]
        eventually(lambda: values_of(folder, "A")[-51:] == wanted, "it is filled")
        assert collecting.stop() == 0, collecting.said()
    lost = "select count(*) as n from samples where tag = 'A' and status = 'BadInternalError'"
    assert rows(lost, folder) == [{"n": 1}], "the death stays marked"
    assert rows("select tag, time from samples group by all having count(*) > 1", folder) == []
