"""Minutes of collecting under load, with a device that comes and goes: everything accounted for, nothing growing.

``python3 run.py slow`` runs it; the suite of every day leaves it out.
"""

import csv
import sys
import threading
from pathlib import Path

import pytest

from collectors.simulator.plant import SimulatedServer
from endtoend.commandline import Collecting, eventually, health, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

TAGS = 5_000
ROUNDS = 6
UP_S = 12.0
DOWN_S = 4.0


def configure(folder: Path, url: str) -> None:
    (folder / "historian.toml").write_text(
        'tag_files = ["tags.csv"]\n[store]\npath = "store"\nflush_after = "10s"\n[scan_classes.fast]\nrate = "500ms"\n'
        f'[sources.load]\nprotocol = "modbus"\nurl = "{url}"\n'
    )
    with (folder / "tags.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tag", "source", "address", "type", "scan_class", "low", "high", "comp_dev"])
        writer.writerows([f"L{n}", "load", f"hr:{n}", "uint16", "fast", 0, 65535, "0.3%"] for n in range(TAGS))


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def wait(seconds: float) -> None:
    """Let the system under test run: the time is what is tested here."""
    threading.Event().wait(seconds)


def test_a_device_that_comes_and_goes_costs_nothing_that_grows(tmp_path, free_port):
    arguments = ["load-modbus", "--registers", str(TAGS), "--port", str(free_port)]
    configure(tmp_path, f"tcp://127.0.0.1:{free_port}")
    figures = []
    with Collecting(tmp_path) as collecting:
        for _ in range(ROUNDS):
            server = SimulatedServer(arguments)
            server.wait_until_ready()
            try:
                collecting.wait_until_connected()
                wait(UP_S)
                process = health(tmp_path)["process"]
                pid = collecting.process.pid
                figures.append((process["memory_bytes"], open_files(pid), threads(pid)))
            finally:
                server.close()
            eventually(lambda: health(tmp_path)["source/load"]["state"] == "failed", "the device is missed")
            wait(DOWN_S)
        source, process = health(tmp_path)["source/load"], health(tmp_path)["process"]
        assert collecting.stop() == 0, collecting.said()
    memory, files, running = zip(*figures, strict=True)
    # The first round fills caches and pools; from the second on nothing may grow.
    assert memory[-1] < memory[1] + 20e6, memory
    assert files[-1] <= files[1] + 2, files
    assert running[-1] <= running[1] + 2, running
    assert source["reconnects"] >= ROUNDS - 1
    assert process["samples_in"] >= source["scans"] * TAGS
    assert rows("select tag, time from samples group by all having count(*) > 1 limit 5", tmp_path) == []
    outages = rows(
        "select count(*) as n from (select quality, lag(quality) over (order by time) as before"
        " from samples where tag = 'L7') where quality = 'Bad' and before = 'Good'",
        tmp_path,
    )
    assert outages[0]["n"] == ROUNDS, "each outage is there once, and none that was not"
