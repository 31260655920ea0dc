"""The morning's report on real collecting: never connected, silent longest, most changing, times that cannot be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from conformance.opcua_servers import AsyncuaServer
from endtoend.commandline import Collecting, eventually, health, historian, rows, rows_if_any
from endtoend.modbus_process import Device
from support.plant_files import HEADER

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
commit = "100ms"
[scan_classes.fast]
rate = "100ms"
[sources.boiler]
protocol = "modbus"
url = "tcp://127.0.0.1:{boiler}"
[sources.pump]
protocol = "modbus"
url = "tcp://127.0.0.1:{pump}"
timeout = "300ms"
[sources.nowhere]
protocol = "modbus"
url = "tcp://127.0.0.1:{nowhere}"
timeout = "300ms"
[sources.mixer]
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{mixer}/"
"""
TAGS = [
    "BOILER.COUNT,boiler,hr:8,uint16,fast",
    "BOILER.LEVEL,boiler,hr:7,uint16,fast,,,,,,,yes",
    "BOILER.MISSING,boiler,hr:31,uint16,fast",
    "PUMP.LEVEL,pump,hr:7,uint16,fast",
    "NOWHERE.LEVEL,nowhere,hr:7,uint16,fast",
    "NOWHERE.FLOW,nowhere,hr:9,uint16,fast",
    "MIXER.MISSPELT,mixer,ns=2;s=NoSuchNode,,fast",
    "MIXER.TOMORROW,mixer,ns=2;s=Tomorrow,,fast",
    "MIXER.NOW,mixer,ns=2;s=Now,,fast",
]


@pytest.fixture
def mixer() -> Iterator[AsyncuaServer]:
    """One value of now, and one whose clock is a day ahead."""
    server = AsyncuaServer()
    server.start()
    for name in ("Now", "Tomorrow"):
        server.add(name, 1.0, ua.VariantType.Double)
    stamp = datetime.now(UTC) + timedelta(days=1)
    tomorrow: Any = ua.DataValue(ua.Variant(2.0, ua.VariantType.Double), SourceTimestamp=stamp, ServerTimestamp=stamp)
    server.put("ns=2;s=Tomorrow", tomorrow)
    yield server
    server.stop()


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[tuple[Device, Device]]:
    (tmp_path / "pump").mkdir()
    devices = Device(tmp_path), Device(tmp_path / "pump")
    yield devices
    for device in devices:
        device.kill()


def test_the_report_on_a_morning(
    tmp_path: Path, devices: tuple[Device, Device], mixer: AsyncuaServer, free_port: int
) -> None:
    boiler, pump = devices
    ports = {"boiler": boiler.port, "pump": pump.port, "nowhere": free_port, "mixer": mixer.port}
    (tmp_path / "historian.toml").write_text(SETTINGS.format(**ports), encoding="utf-8")
    lines = [row + "," * (HEADER.count(",") - row.count(",")) for row in TAGS]
    (tmp_path / "tags.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    with Collecting(tmp_path) as collecting:
        newest = "select status from snapshot where tag = 'PUMP.LEVEL'"
        eventually(lambda: rows_if_any(newest, tmp_path) == [{"status": "Good"}], "the pump is read")
        pump.kill()
        eventually(lambda: rows(newest, tmp_path) == [{"status": "BadNoCommunication"}], "the pump is lost")
        scans = health(tmp_path)["source/boiler"]["scans"]
        eventually(lambda: health(tmp_path)["source/boiler"]["scans"] > scans + 20, "the others are read")
        done = historian("status", "--report", "--format", "json", folder=tmp_path)
        table = historian("status", "--report", folder=tmp_path)
        assert collecting.stop() == 0, collecting.said()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    names = {kind: [row["tag"] for row in found["tags"]] for kind, found in report.items()}
    never = {row["tag"]: row["status"] for row in report["never_connected"]["tags"]}
    assert never == {
        "BOILER.MISSING": "BadConfigurationError", "MIXER.MISSPELT": "BadNodeIdUnknown",
        "MIXER.TOMORROW": "BadWaitingForInitialData", "NOWHERE.FLOW": "BadNoCommunication",
        "NOWHERE.LEVEL": "BadNoCommunication",
    }  # fmt: skip
    assert names["silent_longest"][0] == "PUMP.LEVEL"
    assert names["most_changing"][0] == "BOILER.COUNT"
    assert names["most_changing"].index("BOILER.COUNT") < names["most_changing"].index("BOILER.LEVEL")
    assert names["refused"] == ["MIXER.TOMORROW"]
    (refused,) = report["refused"]["tags"]
    assert refused["samples"] == 1, "a wrong time that stays is refused once"
    assert table.returncode == 0
    assert "never connected: 5" in table.stdout
    assert "MIXER.TOMORROW" in table.stdout
