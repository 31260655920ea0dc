"""Hours of other troubles in fast time: killed in an outage, a disk that fails, clocks that step, standing still.

As in test_thirteen_hours.py, everything between the made-up devices and SQL is the product's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from historian.errors import StoreUnavailableError
from historian.pipeline.commit_loop import CommitTarget
from storage.store import Store
from storage.verify import verify
from support.fast_plant import COMMIT_US, HOUR, MINUTE, SECOND, Archived, FastPlant, instant, signal
from support.plant_files import HEADER

pytestmark = pytest.mark.timeout(240)

START = instant("2025-12-31 20:00:00")
RATE = 60 * SECOND
SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
flush_after = "10m"
memory_limit = "16MiB"
[scan_classes.fast]
rate = "60s"
[sources.pump]
protocol = "modbus"
url = "tcp://127.0.0.1:2"
[sources.mixer]
protocol = "opcua"
url = "opc.tcp://127.0.0.1:3"
backfill = true
"""
TAGS = f"""\
{HEADER}
pump.ALL,pump,hr:0,float64,fast,,,,,,,,,,,,,,
pump.DEV,pump,hr:4,float64,fast,,,,,,,,,,,1,,,
pump.RUN,pump,coil:0,bool,fast,,,,,,,yes,,,,,,,
mixer.ALL,mixer,ns=2;s=ALL,float64,fast,,,,,,,,,,,,,,
mixer.DEV,mixer,ns=2;s=DEV,float64,fast,,,,,,,,,,,1,,,
"""
NAMES = ("pump.ALL", "pump.DEV", "pump.RUN", "mixer.ALL", "mixer.DEV")


@pytest.fixture
async def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastPlant]:
    (tmp_path / "historian.toml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "tags.csv").write_text(TAGS, encoding="utf-8")
    plant = FastPlant(tmp_path, START, monkeypatch)
    plant.devices["mixer"].history_us = np.arange(START + 31 * SECOND, START + 24 * HOUR, RATE)
    yield plant
    await plant.crash()


def assert_honest(plant: FastPlant, archive: dict[str, Archived]) -> None:
    """Whatever happened: no value that no device gave, nothing twice, no damage."""
    for tag in NAMES:
        found, device = archive[tag], plant.devices[tag.split(".")[0]]
        assert (np.diff(found.time_us) > 0).all(), tag
        assert np.isnan(found.value[~found.is_good]).all(), tag
        np.testing.assert_array_equal(found.value[found.is_good], signal(tag, found.time_us[found.is_good]))
        assert set(found.good_times()) <= {*device.answered[tag], *(int(at) for at in device.history_us)}, tag
    assert verify(plant.configuration.store.path).is_clean


def assert_scans_are_there(plant: FastPlant, archive: dict[str, Archived]) -> None:
    """Every answer of every device, within 1 where the tag has a door."""
    for tag in NAMES:
        answered = plant.devices[tag.split(".")[0]].answered[tag]
        values = np.array([archive[tag].at(at, is_step=tag.endswith("RUN")) for at in answered])
        assert np.abs(values - signal(tag, np.array(answered))).max() <= float(tag.endswith("DEV")) + 1e-9, tag


def gaps(plant: FastPlant, tag: str, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """Start and end of each, those that follow on each other as one."""
    rows = plant.sql(f"""
        select epoch_us(time) as start, epoch_us("end") as stop
        from gaps('{tag}', make_timestamptz({start_us}), make_timestamptz({end_us})) order by time
    """)  # noqa: S608 - our own
    found: list[tuple[int, int]] = []
    for row in rows:
        if found and found[-1][1] == row["start"]:
            found[-1] = (found[-1][0], row["stop"])
        else:
            found.append((row["start"], row["stop"]))
    return found


async def test_killed_in_an_outage_and_started_again(plant: FastPlant) -> None:
    """The outage goes on over the kill: it is one gap, and history fills all of it, also where nobody collected."""
    plant.start()
    await plant.until(lost := START + HOUR + 5 * SECOND)
    plant.devices["pump"].does = plant.devices["mixer"].does = "refuses"
    await plant.until(START + 3 * HOUR + 17 * SECOND)
    await plant.crash()
    plant.system.advance(seconds=20 * 60)
    plant.start()
    assert plant.recovery is not None
    assert plant.recovery.crashed
    await plant.until(START + 5 * HOUR)
    plant.devices["pump"].does = plant.devices["mixer"].does = "answers"
    await plant.until(end := START + 6 * HOUR + 5 * SECOND)
    await plant.stop()
    archive = plant.archived()
    assert_honest(plant, archive)
    assert_scans_are_there(plant, archive)
    for tag in NAMES[:3]:
        back = min(at for at in plant.devices["pump"].answered[tag] if at > lost)
        assert gaps(plant, tag, START + 2 * MINUTE, end) == [(archive[tag].marks()[0][0], back)], tag
        assert {status for _, status in archive[tag].marks()} == {"BadNoCommunication", "BadShutdown"}
    for tag in NAMES[3:]:
        wanted = {at for at in range(START + 31 * SECOND, end, RATE) if lost <= at < START + 5 * HOUR}
        assert wanted <= set(archive[tag].good_times()), tag
        assert max(stop - start for start, stop in gaps(plant, tag, START + 2 * MINUTE, end)) <= RATE


class FailingDisk:
    """A store on a disk that takes nothing while ``broken``."""

    broken = False

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if self.broken:
            raise StoreUnavailableError("cannot write: got an input/output error")
        return getattr(self._store, name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type[FailingDisk]:
    monkeypatch.setattr(FailingDisk, "broken", False)
    return FailingDisk


async def fail_for(plant: FastPlant, disk: type[CommitTarget], hours: int) -> None:
    """Collect for an hour, go on for some while the disk fails, and for one more with a sound disk."""
    plant.start(disk)
    await plant.until(START + HOUR + 5 * SECOND)
    disk.broken = True  # type: ignore[attr-defined]
    await plant.until(START + (1 + hours) * HOUR)
    disk.broken = False  # type: ignore[attr-defined]
    await plant.until(START + (2 + hours) * HOUR + 5 * SECOND)
    await plant.stop()


async def test_a_disk_that_fails_for_hours_costs_nothing_that_memory_holds(
    plant: FastPlant, disk: type[CommitTarget]
) -> None:
    """One source is lost and found again meanwhile: that is in memory too."""
    plant.devices["mixer"].history_us = np.empty(0, np.int64)
    plant.start(disk)
    await plant.until(START + HOUR + 5 * SECOND)
    disk.broken = True  # type: ignore[attr-defined]
    await plant.until(START + 2 * HOUR)
    assert plant.commits.state == "failing"
    plant.devices["mixer"].does = "refuses"
    await plant.until(START + 3 * HOUR + 5 * SECOND)
    plant.devices["mixer"].does = "answers"
    await plant.until(START + 4 * HOUR)
    disk.broken = False  # type: ignore[attr-defined]
    await plant.until(end := START + 5 * HOUR + 5 * SECOND)
    await plant.stop()
    archive = plant.archived()
    assert_honest(plant, archive)
    assert_scans_are_there(plant, archive)
    for tag in NAMES[:3]:
        assert archive[tag].marks() == [(end, "BadShutdown")]
        assert plant.devices["pump"].answered[tag] == list(range(START, end, RATE))
    for tag in NAMES[3:]:
        assert [status for _, status in archive[tag].marks()] == ["BadNoCommunication"] * 2 + ["BadShutdown"]
    assert [text.split(",")[0] for text in plant.said] == [
        "the store cannot be written", "the store takes samples again; all that were kept in memory are stored",
    ]  # fmt: skip


async def test_past_the_memory_limit_the_gap_is_marked_once(
    plant: FastPlant, disk: type[CommitTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the time in which collection pauses nothing is there, and nothing is made up."""
    limit_samples = 400
    monkeypatch.setattr("historian.pipeline.commit_loop.BYTES_PER_SAMPLE", 2**24 // limit_samples)
    await fail_for(plant, disk, 6)
    archive = plant.archived()
    assert_honest(plant, archive)
    end = START + 8 * HOUR + 5 * SECOND
    for tag in NAMES:
        marks = archive[tag].marks()
        assert [status for _, status in marks] == ["BadResourceUnavailable", "BadShutdown"], tag
        paused = marks[0][0]
        assert START + HOUR < paused < START + 7 * HOUR
        # Where it is known which samples were held: those of the lossless tags.
        back = min(at for at in archive[tag].good_times() if at > paused)
        if tag.startswith("pump"):
            assert START + 7 * HOUR <= back <= START + 7 * HOUR + COMMIT_US + RATE, tag
            assert gaps(plant, tag, START + 2 * MINUTE, end) == [(paused, back)], tag
        before = [at for at in plant.devices[tag.split(".")[0]].answered[tag] if at < paused]
        assert archive[tag].good_times()[0] == before[0]
        known = [archive[tag].at(at, is_step=tag.endswith("RUN")) for at in before]
        assert np.abs(np.array(known) - signal(tag, np.array(before))).max() <= float(tag.endswith("DEV")) + 1e-9, tag


async def test_the_clock_steps_forwards_and_back(plant: FastPlant) -> None:
    """Two hours forwards: they are marked, for nobody looked then.  Back: no scan is lost, and times stay in order."""
    plant.devices["mixer"].history_us = np.empty(0, np.int64)
    plant.start()
    await plant.until(START + HOUR + 5 * SECOND)
    plant.system.step_wall(seconds=7200)
    await plant.until(START + 4 * HOUR + 5 * SECOND)
    plant.system.step_wall(seconds=-7200)
    await plant.until(START + 7 * HOUR + 5 * SECOND)
    await plant.stop()
    archive = plant.archived()
    assert_honest(plant, archive)
    assert_scans_are_there(plant, archive)
    elapsed_us = plant.system.monotonic_us()
    for tag in NAMES:
        found, answered = archive[tag], plant.devices[tag.split(".")[0]].answered[tag]
        assert len(answered) == 1 + elapsed_us // RATE, "the rate is that of the monotonic clock"
        assert [status for _, status in found.marks()] == ["BadDataLost", "BadShutdown"], tag
        ((begin, end),) = gaps(plant, tag, START + 2 * MINUTE, answered[-1])
        assert 2 * HOUR - RATE <= end - begin <= 2 * HOUR, tag
        (hole,) = [later - earlier for earlier, later in pairwise(answered) if later - earlier > 2 * RATE]
        assert hole == 2 * HOUR + RATE, tag
    steps = plant.sql("select new from audit where action = 'clock step' order by time")
    assert [row["new"] for row in steps] == [
        "the system clock stepped forward by 7200.000 s", "the system clock stepped back by 7200.000 s",
    ]  # fmt: skip
    assert plant.pipeline.counts().quarantined == 0


async def test_the_machine_stands_still_for_hours(plant: FastPlant) -> None:
    """As a suspended virtual machine does: marked, and filled from the history of the source that has one."""
    plant.start()
    await plant.until(START + HOUR + 5 * SECOND)
    plant.system.advance(5 * HOUR)
    await plant.until(end := START + 8 * HOUR + 5 * SECOND)
    await plant.stop()
    archive = plant.archived()
    assert_honest(plant, archive)
    assert_scans_are_there(plant, archive)
    for tag in NAMES:
        (first, status), *rest = archive[tag].marks()
        assert (first, status) == (START + HOUR + RATE, "BadDataLost")
        assert rest == [(end, "BadShutdown")]
    for tag in NAMES[:3]:
        back = min(at for at in plant.devices["pump"].answered[tag] if at > START + HOUR)
        assert gaps(plant, tag, START + 2 * MINUTE, end) == [(START + HOUR + RATE, back)]
    for tag in NAMES[3:]:
        wanted = {at for at in range(START + 31 * SECOND, end, RATE) if START + HOUR < at < START + 6 * HOUR}
        assert wanted <= set(archive[tag].good_times()), tag
        assert gaps(plant, tag, START + 2 * MINUTE, end) == [(START + HOUR + RATE, START + HOUR + RATE + 31 * SECOND)]
    assert {row["object"] for row in plant.sql("select object from audit where action = 'not read'")} == {
        "pump", "mixer",
    }  # fmt: skip
