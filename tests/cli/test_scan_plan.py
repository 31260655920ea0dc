"""What ``historian check`` says about requests: how many, how long, and what does not fit its rate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.scan_plan import time_text
from historian.config.load import load_configuration
from historian.model.commit import Commit
from storage.store import Store
from support.plant_files import HEADER, SETTINGS, row, write


def plant(folder: Path, places: list[str], *, rate: str = "1s", more: str = "") -> Path:
    settings = SETTINGS.replace('rate = "1s"', f'rate = "{rate}"', 1) + more
    rows = [row(tag=f"T{number}", address=place, type="uint16") for number, place in enumerate(places)]
    return write(folder, settings, "\n".join([HEADER, *rows]) + "\n")


def note_cost(path: Path, request_us: float, register_us: float) -> None:
    """As a run of ``collect`` does it."""
    device = "tcp://127.0.0.1:5020 unit 1"
    text = json.dumps({"device": device, "request_us": request_us, "register_us": register_us})
    with Store.open(load_configuration(path).store.path, create=True) as store:
        store.commit(Commit(1, notes={("boiler", "modbus cost"): text}), final=True)


def check(path: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-P", "-m", "cli", "check", "--config", str(path)]
    return subprocess.run(line, capture_output=True, text=True, timeout=50, check=False)


def test_requests_and_time_of_a_scan(tmp_path: Path) -> None:
    """130 registers are two requests: 2 x 1 ms and 130 x 10 us, as is assumed of a device that was never read."""
    done = check(plant(tmp_path, [f"hr:{at}" for at in range(130)]))
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("boiler  fast"))
    assert line.split()[2:9] == ["2", "130", "registers", "3.3", "ms", "0.33", "%"]
    assert line.endswith("1 ms a request, 10 us a register (assumed)")


def test_the_cost_that_was_measured_counts(tmp_path: Path) -> None:
    path = plant(tmp_path, ["hr:0", "hr:50"])
    note_cost(path, 20_000.0, 2_000.0)  # 50 registers more cost 100 ms, another request 20
    line = next(line for line in check(path).stdout.splitlines() if line.startswith("boiler  fast"))
    assert line.split()[2:7] == ["2", "2", "registers", "44", "ms"]
    assert line.endswith("20 ms a request, 2 ms a register (measured)")


def test_what_cannot_be_read_that_fast_is_refused_by_name(tmp_path: Path) -> None:
    path = plant(tmp_path, [f"hr:{500 * at}" for at in range(8)])
    note_cost(path, 150_000.0, 1_000.0)
    done = check(path)
    assert done.returncode == 2
    assert "sources.boiler: got 8 requests a scan of the scan class fast, which take 1.21 s" in done.stderr
    assert "for T0, T1, T2, T3, T4 and 3 more tags, wanted at most 1s, its rate" in done.stderr
    assert "slower rate" in done.stderr
    assert "is right" not in done.stdout


def test_bits_are_no_registers(tmp_path: Path) -> None:
    tags = [row(tag=f"T{at}", address=at, type="") for at in ("coil:3", "coil:12", "hr:0")]
    done = check(write(tmp_path, SETTINGS, "\n".join([HEADER, *tags]) + "\n"))
    assert next(line for line in done.stdout.splitlines() if line.startswith("boiler  fast")).split()[2:8] == [
        "2", "1", "register,", "10", "bits", "2.02",
    ]  # fmt: skip


def test_a_folder_in_which_no_store_can_be_made_is_noted(tmp_path: Path) -> None:
    path = plant(tmp_path, ["hr:0"])
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "letter.txt").touch()
    done = check(path)
    assert done.returncode == 0
    assert "the folder holds other files (letter.txt), wanted an empty one" in done.stderr


def test_scans_that_fit_alone_but_not_together(tmp_path: Path) -> None:
    """Six requests a second at 150 ms are 90 % of the time, and sixty each 10 s are 90 % more."""
    fast = [row(tag=f"F{at}", address=f"hr:{500 * at}", type="uint16") for at in range(6)]
    slow = [row(tag=f"S{at}", address=f"ir:{500 * at}", type="uint16", scan_class="slow") for at in range(60)]
    path = write(tmp_path, SETTINGS, "\n".join([HEADER, *fast, *slow]) + "\n")
    note_cost(path, 150_000.0, 0.0)
    done = check(path)
    assert done.returncode == 2
    assert "got scans that take 180 % of the time of tcp://127.0.0.1:5020 together" in done.stderr
    assert "(boiler fast 90 %, boiler slow 90 %), for F0, F1, F2, F3, F4 and 61 more tags" in done.stderr


def test_notes_of_another_device_do_not_count(tmp_path: Path) -> None:
    path = plant(tmp_path, ["hr:0"])
    note_cost(path, 9_000_000.0, 0.0)
    path.write_text(path.read_text(encoding="utf-8").replace("unit = 1", "unit = 2"), encoding="utf-8")
    assert check(path).returncode == 0


@pytest.mark.parametrize(
    ("time_us", "text"), [(0.5, "0.5 us"), (999, "999 us"), (2_400, "2.4 ms"), (1_250_000, "1.25 s"), (0, "0 us")]
)
def test_times_are_short(time_us: float, text: str) -> None:
    assert time_text(time_us) == text
