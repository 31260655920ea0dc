"""What the archive holds after a Modbus device hung, died, fell silent or stammered: gaps, no invented value."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from endtoend.commandline import Collecting, eventually, health, pause, resume, rows, rows_if_any
from endtoend.modbus_process import Device

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
commit = "50ms"
[scan_classes.fast]
rate = "100ms"
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path)
    yield device
    device.kill()


def configure(folder: Path, device: Device, units: list[int], tags: list[str]) -> None:
    """A source ``u<unit>`` for each unit, each with the same tags: register numbers."""
    sources = "".join(
        f'[sources.u{unit}]\nprotocol = "modbus"\nurl = "tcp://127.0.0.1:{device.port}"\nunit = {unit}\n'
        'timeout = "300ms"\n'
        for unit in units
    )
    (folder / "historian.toml").write_text(SETTINGS + sources, encoding="utf-8")
    lines = [f"u{unit}.{tag},u{unit},hr:{tag},uint16,fast" for unit in units for tag in tags]
    (folder / "tags.csv").write_text("tag,source,address,type,scan_class\n" + "\n".join(lines) + "\n", encoding="utf-8")


def stored(folder: Path, tag: str) -> list[tuple[int, int | None, str]]:
    """Time, value and status of every sample of a tag."""
    found = rows("select tag, epoch_us(time) as time_us, value, status from samples order by time", folder)
    return [(row["time_us"], row["value"], row["status"]) for row in found if row["tag"] == tag]


def newest(folder: Path, tag: str = "u1.8") -> str:
    found = rows_if_any("select tag, status from snapshot", folder)
    return next((row["status"] for row in found if row["tag"] == tag), "")


def becomes(folder: Path, status: str) -> None:
    eventually(lambda: newest(folder) == status, f"the tag is {status}")


def test_a_day_of_faults(device: Device, tmp_path: Path) -> None:
    """Hung, killed, restarted, silent, stammering too slowly and in time: each a gap of its own, or none."""
    configure(tmp_path, device, [1], ["7", "8"])
    with Collecting(tmp_path) as collecting:
        becomes(tmp_path, "Good")
        pause(device.process.pid)
        becomes(tmp_path, "BadTimeout")
        resume(device.process.pid)
        becomes(tmp_path, "Good")
        device.kill()
        becomes(tmp_path, "BadNoCommunication")
        device.restart()
        becomes(tmp_path, "Good")
        for mode in ("silent", "trickle"):
            device.behave(mode)
            becomes(tmp_path, "BadTimeout")
            device.behave("answer")
            becomes(tmp_path, "Good")
        device.behave("slowly")
        before = len(device.requests())
        eventually(lambda: len(device.requests()) > before + 10, "it is read slowly for a while")
        assert collecting.stop() == 0, collecting.said()

    counted = stored(tmp_path, "u1.8")
    runs = [status for status, _ in groupby(status for _, _, status in counted)]
    assert runs == [
        "Good", "BadTimeout", "Good", "BadNoCommunication", "Good", "BadTimeout", "Good", "BadTimeout", "Good",
        "BadShutdown",
    ]  # fmt: skip
    assert all((value is None) == (status != "Good") for _, value, status in counted)
    assert {value for _, value, status in stored(tmp_path, "u1.7") if status == "Good"} == {1007}
    assert all(later[0] > earlier[0] for earlier, later in pairwise(counted))
    # The device counts its answers: what it said before a gap is not said again behind it, and nothing comes twice.  A
    # restarted one begins anew.
    numbers = [int(value) for _, value, _ in counted if value is not None]
    drops = [later for earlier, later in pairwise(numbers) if later <= earlier]
    assert len(drops) == 1
    assert drops[0] < 5


def test_a_device_that_accepts_and_never_answers(device: Device, tmp_path: Path) -> None:
    configure(tmp_path, device, [1], ["7", "8"])
    device.behave("silent")
    with Collecting(tmp_path) as collecting:
        becomes(tmp_path, "BadTimeout")
        eventually(lambda: len(device.requests()) >= 3, "it is tried again and again")
        assert {status for _, _, status in stored(tmp_path, "u1.8")} == {"BadTimeout"}
        device.behave("answer")
        becomes(tmp_path, "Good")
        assert collecting.stop() == 0, collecting.said()
    runs = [status for status, _ in groupby(status for _, _, status in stored(tmp_path, "u1.7"))]
    assert runs == ["BadTimeout", "Good", "BadShutdown"]


def test_a_dead_unit_does_not_starve_the_others_on_its_bus(device: Device, tmp_path: Path) -> None:
    configure(tmp_path, device, [1, 2, 9], ["7", "8"])
    with Collecting(tmp_path) as collecting:
        eventually(lambda: newest(tmp_path, "u9.8") == "BadTimeout", "the dead unit is Bad")
        eventually(
            lambda: health(tmp_path).get("source/u1", {}).get("scans", 0) >= 60, "the others are read for six seconds"
        )
        figures = health(tmp_path)
        assert collecting.stop() == 0, collecting.said()
    for name in ("source/u1", "source/u2"):
        good = figures[name]
        assert good["errors"] == 0
        assert good["scans"] >= 0.8 * (good["scans"] + good["overruns"])
    assert figures["source/u9"]["state"] == "failed"
    assert {status for _, _, status in stored(tmp_path, "u9.8")} <= {"BadTimeout", "BadShutdown"}
    assert {status for _, _, status in stored(tmp_path, "u1.8")} == {"Good", "BadShutdown"}
    times = [time_us for time_us, _, _ in stored(tmp_path, "u1.8")]
    span_s = (times[-1] - times[0]) / 1e6
    dead = sum(unit == 9 for unit, *_ in device.requests())
    assert 1 <= dead <= 3 + 0.1 * span_s / 0.3, "a time-out of 300 ms in three seconds, after the first"


def refused_in_a_run(device: Device, folder: Path) -> int:
    """Collect for a while; how many of the first forty requests were refused."""
    before = len(device.requests())
    learned = "select count(*) as n from audit where action = 'learned'"
    with Collecting(folder) as collecting:
        eventually(lambda: newest(folder, "u1.59") == "Good", "it is read")
        eventually(lambda: rows(learned, folder)[0]["n"] == 1, "the audit says what was found out")
        eventually(lambda: len(device.requests()) > before + 40, "it is read for a while")
        assert collecting.stop() == 0, collecting.said()
    return sum(is_refused for *_, is_refused in device.requests()[before : before + 40])


def test_missing_registers_are_found_out_once_and_for_all_runs(device: Device, tmp_path: Path) -> None:
    tags = [str(register) for register in range(20, 60)]
    configure(tmp_path, device, [1], tags)
    first, second = refused_in_a_run(device, tmp_path), refused_in_a_run(device, tmp_path)
    assert first > second
    assert second <= 6, "the second run asks for the range alone, ever more rarely"
    assert rows("select object, new from audit where action = 'learned'", tmp_path) == [
        {"object": "u1", "new": "hr:30 to hr:34 cannot be read"}
    ]
    refused_tags = "select distinct tag from samples where status = 'BadConfigurationError'"
    lost = {row["tag"] for row in rows(refused_tags, tmp_path)}
    assert lost == {f"u1.{register}" for register in range(30, 35)}
