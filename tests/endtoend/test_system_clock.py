"""The system's clock is set while ``historian collect`` runs: by libfaketime, where it is installed.

The devices and this process keep the true time; the monotonic clock goes on as it is, as when somebody sets it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from collectors.simulator.plant import SimulatedServer
from endtoend.commandline import Collecting, eventually, health, rows, rows_if_any
from endtoend.modbus_process import Device
from support.plant_files import HEADER

FOLDERS = [*Path("/usr/lib").glob("*/faketime"), Path("/usr/lib/faketime"), Path("/usr/local/lib/faketime")]
LIBRARY = next((each for folder in FOLDERS for each in folder.glob("libfaketimeMT.so.1")), None)

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="sets the clock by LD_PRELOAD"),
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: apt-get install faketime)"),
]

TWO_HOURS_S = 7200
HOLE_US = TWO_HOURS_S * 1_000_000
SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
commit = "100ms"
[scan_classes.fast]
rate = "200ms"
[sources.boiler]
protocol = "modbus"
url = "tcp://127.0.0.1:{modbus}"
timeout = "10s"
[sources.mixer]
protocol = "opcua"
url = "{opcua}"
timeout = "10s"
"""


class SetClock:
    """What the clock of the collecting process shows: the true time and so many seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    device = Device(tmp_path)
    server = SimulatedServer(["load-opcua", "--port", "0", "--nodes", "2", "--report-s", "0.2"])
    try:
        settings = SETTINGS.format(modbus=device.port, opcua=server.wait_until_ready())
        (tmp_path / "historian.toml").write_text(settings, encoding="utf-8")
        lines = ["M,boiler,hr:8,uint16,fast" + 14 * ",", *(f"U{n},mixer,ns=2;s=N{n},,fast{14 * ','}" for n in range(2))]
        (tmp_path / "tags.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
        yield tmp_path
    finally:
        server.close()
        device.kill()


def steps(folder: Path) -> list[str]:
    found = rows_if_any("select new from audit where action = 'clock step' order by time", folder)
    return [row["new"].rsplit(" by ")[0].removeprefix("the system clock stepped ") for row in found]


def go_on(folder: Path) -> None:
    """Return after ten more scans of each source."""
    sources = ("source/boiler", "source/mixer")
    before = {name: health(folder)[name]["scans"] for name in sources}
    eventually(
        lambda: all(health(folder)[name]["scans"] >= before[name] + 10 for name in sources), "collecting goes on"
    )


def collect_while_it_is_set(folder: Path, *settings_s: int) -> None:
    clock = SetClock(folder)
    with Collecting(folder, environment=clock.environment) as collecting:
        collecting.wait_until_connected()
        go_on(folder)
        for count, seconds in enumerate(settings_s, 1):
            clock.set(seconds)
            eventually(lambda count=count: len(steps(folder)) == count, "the step is noticed")
            go_on(folder)
        figures = health(folder)
        assert collecting.stop() == 0, collecting.said()
    for name in ("source/boiler", "source/mixer"):
        assert (figures[name]["errors"], figures[name]["reconnects"]) == (0, 0), figures[name]["last_error"]


def samples(folder: Path, tag: str) -> list[dict[str, Any]]:
    query = "select tag, epoch_us(time) as at, value, status from samples order by time"
    return [row for row in rows(query, folder) if row["tag"] == tag]


def assert_in_order(found: list[dict[str, Any]]) -> None:
    """Times grow, a Bad sample has no value, and the devices count up: nothing was repeated or made up."""
    assert all(later["at"] > earlier["at"] for earlier, later in pairwise(found))
    assert all((row["value"] is None) == (row["status"] != "Good") for row in found)
    values = [row["value"] for row in found if row["value"] is not None]
    assert values == sorted(values)


def statuses(found: list[dict[str, Any]]) -> list[str]:
    return [status for status, _ in groupby(row["status"] for row in found)]


def test_two_hours_forwards_and_back_again(folder: Path) -> None:
    collect_while_it_is_set(folder, TWO_HOURS_S, 0)
    now_us = time.time_ns() // 1000
    assert steps(folder) == ["forward", "back"]
    modbus = samples(folder, "M")
    assert_in_order(modbus)
    # Nobody looked in the hours that the clock jumped over, and from the step back on it waits for the true time.
    assert statuses(modbus) == ["Good", "BadDataLost", "Good", "BadShutdown"]
    (mark,) = [number for number, row in enumerate(modbus) if row["status"] == "BadDataLost"]
    assert 0 < modbus[mark]["at"] - modbus[mark - 1]["at"] < 1_000_000
    assert 0.99 * HOLE_US < modbus[mark + 1]["at"] - modbus[mark]["at"] < 1.01 * HOLE_US
    assert modbus[-1]["at"] > now_us + 0.9 * HOLE_US
    for tag in ("U0", "U1"):
        found = samples(folder, tag)
        assert_in_order(found)
        good = [row["at"] for row in found if row["status"] == "Good"]
        assert max(good) < now_us + 1_000_000, "the server's own times are those of its clock, which was not set"
    assert rows("select * from refused()", folder) == []


def test_two_hours_back_and_forwards_again(folder: Path) -> None:
    collect_while_it_is_set(folder, -TWO_HOURS_S, 0)
    now_us = time.time_ns() // 1000
    assert steps(folder) == ["back", "forward"]
    for tag in ("M", "U0", "U1"):
        found = samples(folder, tag)
        assert_in_order(found)
        assert statuses(found) == ["Good", "BadShutdown"], tag
        assert now_us - 60_000_000 < found[0]["at"] < found[-1]["at"] < now_us + 1_000_000, "no sample two hours ago"
    assert rows("select * from refused()", folder) == []
