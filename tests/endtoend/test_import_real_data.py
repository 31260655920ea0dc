"""Real process data with every trap of such files, through the command line: counted apart, twice, and killed half-way.

The data is not part of the project: it lies beside it where somebody has it (see the skips).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from endtoend.commandline import COMMAND, eventually, historian, rows, rows_if_any
from storage.reader import StoreReader

DATA = Path(__file__).parents[3] / "shared" / "data"
TURBINES = DATA / "la_haute_borne" / "scada_2014_2015.parquet"
MACHINE = DATA / "nab" / "machine_temperature_system_failure.csv"
OFFICE = DATA / "nab" / "ambient_temperature_system_failure.csv"

needs_turbines = pytest.mark.skipif(not TURBINES.exists(), reason=f"there is no {TURBINES}: SCADA data of ENGIE")
needs_machine = pytest.mark.skipif(not MACHINE.exists(), reason=f"there is no {MACHINE}: data of the NAB")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    """One row for each cell of the turbines' file that has a value: tag, time, value; in the order of the file."""
    frame = pd.read_parquet(TURBINES)
    frame["time"] = pd.to_datetime(frame.pop("Date_time"), utc=True)
    long = frame.melt(["Wind_turbine_name", "time"], ignore_index=False).sort_index(kind="stable")
    long["tag"] = long.Wind_turbine_name.astype(str) + "." + long.variable
    return long[["tag", "time", "value"]]


def counted(cells: pd.DataFrame) -> dict[str, int]:
    """What an import has to say, by pandas."""
    known = cells.dropna()
    first = known.drop_duplicates(["tag", "time"])
    again = known[known.duplicated(["tag", "time"])]
    merged = again.merge(first, on=["tag", "time"], suffixes=("", "_first"))
    repeats = int((merged.value == merged.value_first).sum())
    return {
        "no value": len(cells) - len(known),
        "imported": len(first),
        "repeats": repeats,
        "refused": len(again) - repeats,
    }


def told(output: str) -> dict[str, int]:
    """Count by label of the report."""
    found = re.findall(r"^ +([\d,]+)  ([^\n:]+(?:: [^\n]+)?)$", output, re.MULTILINE)
    return {label: int(count.replace(",", "")) for count, label in found}


IMPORT = ("import", TURBINES, "--group-column", "Wind_turbine_name", "--store", "store")
ALL = "select count(*) n, count(distinct (tag, time)) keys, sum(value) total, min(value) least from samples"


@needs_turbines
def test_turbines_by_an_independent_count_and_twice(tmp_path, cells):
    wanted = counted(cells)
    assert wanted == {"no value": 17_983, "imported": 2_925_041, "repeats": 29, "refused": 307}
    done = historian(*IMPORT, folder=tmp_path, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout) == {
        "imported": wanted["imported"],
        "cells without a value": wanted["no value"],
        "repeats of the same sample in the file": wanted["repeats"],
        "refused: another value for the same tag and time in the file": wanted["refused"],
    }
    first = cells.dropna().drop_duplicates(["tag", "time"])
    (stored,) = rows(ALL, tmp_path)
    assert (stored["n"], stored["keys"], stored["least"]) == (len(first), len(first), pytest.approx(-273.2))
    assert stored["total"] == pytest.approx(first.value.sum())
    again = historian(*IMPORT, "--again", folder=tmp_path, timeout_s=120)
    assert told(again.stdout)["imported"] == 0
    assert told(again.stdout)["in the store already"] == wanted["imported"]
    (after,) = rows(ALL, tmp_path)
    assert after == {**stored, "total": pytest.approx(stored["total"])}  # summed in another order
    with StoreReader.open(tmp_path / "store") as reader:
        assert len(reader.quarantine()) == wanted["refused"]


@needs_turbines
def test_turbines_killed_half_way(tmp_path, cells):
    process = subprocess.Popen([*COMMAND, *map(str, IMPORT)], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: rows_if_any("select 1 from samples limit 1", tmp_path), "the first part is in the store")
    finally:
        process.kill()
        process.wait()
    done = historian(*IMPORT, folder=tmp_path, timeout_s=120)
    assert done.returncode == 0, done.stderr
    first = cells.dropna().drop_duplicates(["tag", "time"])
    (stored,) = rows(ALL, tmp_path)
    assert (stored["n"], stored["keys"]) == (len(first), len(first))
    assert stored["total"] == pytest.approx(first.value.sum())
    if "imported already" not in done.stdout:  # it was killed in time
        assert "gone on behind row" in done.stdout
        assert told(done.stdout)["imported"] == len(first)
    with StoreReader.open(tmp_path / "store") as reader:
        assert len(reader.quarantine()) == counted(cells)["refused"]


@needs_machine
def test_a_clock_that_goes_back(tmp_path):
    frame = pd.read_csv(MACHINE)
    assert (pd.to_datetime(frame.timestamp).diff().dt.total_seconds() < 0).sum() == 1
    doubles = frame[frame.duplicated("timestamp")]
    done = historian("import", MACHINE, "--tag", "{file}", "--store", "store", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout) == {
        "imported": len(frame) - len(doubles),
        "refused: another value for the same tag and time in the file": len(doubles),
    }
    (stored,) = rows("select count(*) n, sum(value) total, any_value(tag) tag from samples", tmp_path)
    kept = frame.drop_duplicates("timestamp")
    assert stored == {"n": 22_683, "total": pytest.approx(kept.value.sum()), "tag": MACHINE.stem}
    assert (
        "imported already"
        in historian("import", MACHINE, "--tag", "{file}", "--store", "store", folder=tmp_path).stdout
    )


@needs_machine
def test_hours_of_an_office_in_the_time_of_its_place(tmp_path):
    """Hourly local times: one falls into the hour that never was, and one into that which came twice."""
    frame = pd.read_csv(OFFICE)
    local = pd.to_datetime(frame.timestamp).dt.tz_localize("America/New_York", nonexistent="NaT", ambiguous=True)
    assert local.isna().sum() == 1
    arguments = ("import", OFFICE, "--tag", "{file}", "--tz", "America/New_York", "--store", "store")
    done = historian(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout) == {
        "imported": len(frame) - 1,
        "local times taken as the first pass of a repeated hour": 1,
        "refused: local time that never was (the clocks went forward)": 1,
    }
    kept = frame[local.notna()]
    (stored,) = rows("select count(*) n, sum(value) total, min(epoch_us(time)) first_us from samples", tmp_path)
    assert stored == {
        "n": 7_266, "total": pytest.approx(kept.value.sum()), "first_us": local.min().value // 1000,
    }  # fmt: skip
    with StoreReader.open(tmp_path / "store") as reader:
        (refused,) = reader.quarantine()
    assert refused.value == "2014-03-09 02:00:00"
