"""An outage of thirteen hours over midnight and the end of a month, in fast time: nothing lost, everything marked.

Three sources: one is away and refuses connections, then hangs; one goes on; one is away too and has a history, which
fills the gap afterwards.  Everything between the devices and SQL is the product's own, with a store on disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from storage.verify import verify
from support.fast_plant import HOUR, MINUTE, SECOND, TIMEOUT_US, Archived, FastPlant, instant, signal
from support.plant_files import HEADER

pytestmark = pytest.mark.timeout(240)

START = instant("2025-10-31 18:20:00")
LOST = instant("2025-10-31 19:00:03")
OTHERWISE = instant("2025-11-01 01:00:03")
BACK = instant("2025-11-01 08:00:03")
END = instant("2025-11-01 08:40:05")

RATES = {"fast": 20 * SECOND, "slow": 60 * SECOND}
SOURCES = ("boiler", "pump", "mixer")
LONGEST_PAUSE = round(30 * 1.2 * SECOND)
"""Between two attempts to connect: 30 s and a fifth more (collectors/backoff.py)."""

SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
flush_after = "10m"
[scan_classes.fast]
rate = "20s"
[scan_classes.slow]
rate = "60s"
[sources.boiler]
protocol = "modbus"
url = "tcp://127.0.0.1:1"
[sources.pump]
protocol = "modbus"
url = "tcp://127.0.0.1:2"
[sources.mixer]
protocol = "opcua"
url = "opc.tcp://127.0.0.1:3"
backfill = true
"""

BOUNDS = {"ALL": 0.0, "DEV": 1.0, "BOTH": 1.0, "RUN": 0.0, "SLOW": 0.5}
"""The greatest error allowed, exc_dev + comp_dev: lossless, a door, both stages, a state, a door in the slow class."""

_CELLS = {
    "ALL": "float64,fast,,,,,,,,,,,,,,",
    "DEV": "float64,fast,,,,,,,,,,,1,,,",
    "BOTH": "float64,fast,,,,,,,,0.4,,10m,0.6,,30m,",
    "RUN": "bool,fast,,,,,,,yes,,,,,,,",
    "SLOW": "float64,slow,,,,,,,,,,,0.5,,,",
}


def write_files(folder: Path) -> None:
    (folder / "historian.toml").write_text(SETTINGS, encoding="utf-8")
    lines = [HEADER]
    for source in SOURCES:
        for number, (kind, cells) in enumerate(_CELLS.items()):
            address = f"ns=2;s={kind}" if source == "mixer" else f"{'coil' if kind == 'RUN' else 'hr'}:{8 * number}"
            lines.append(f"{source}.{kind},{source},{address},{cells}")
    lines.append("mixer.NONE,mixer,ns=2;s=NONE,float64,fast,,,,,,,,,,,,,,")
    (folder / "tags.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture
async def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastPlant]:
    write_files(tmp_path)
    plant = FastPlant(tmp_path, START, monkeypatch)
    mixer = plant.devices["mixer"]
    # As a server that stores what it samples: at the very times of our scans, and now and then in between.
    mixer.history_us = np.unique([*range(START, END, RATES["fast"]), *range(START + 7 * SECOND, END, 70 * SECOND)])
    mixer.without_history = frozenset({"mixer.NONE"})
    yield plant
    await plant.crash()


def rate_of(tag: str) -> int:
    return RATES["slow" if tag.endswith("SLOW") else "fast"]


def tags_of(source: str) -> list[str]:
    return [f"{source}.{kind}" for kind in _CELLS]


def bound_of(tag: str) -> float:
    return BOUNDS[tag.split(".")[1]]


async def live_through_it(plant: FastPlant) -> None:
    """The outage as it goes: two sources are lost, change their behaviour at night, and are back in the morning."""
    plant.start()
    await plant.until(LOST)
    plant.devices["pump"].does, plant.devices["mixer"].does = "refuses", "hangs"
    await plant.until(OTHERWISE)
    assert_the_outage_is_seen_while_it_lasts(plant)
    plant.devices["pump"].does, plant.devices["mixer"].does = "hangs", "refuses"
    await plant.until(BACK)
    plant.devices["pump"].does = plant.devices["mixer"].does = "answers"
    await plant.until(END)
    assert_health_afterwards(plant)
    await plant.stop()


async def test_nothing_is_lost_and_everything_is_marked(plant: FastPlant) -> None:
    await live_through_it(plant)
    archive = plant.archived()
    for source in SOURCES:
        for tag in tags_of(source):
            assert_every_scan_is_there(plant, tag, archive[tag])
            assert_no_value_is_invented(plant, tag, archive[tag])
    for tag in tags_of("pump"):
        assert_the_gap_is_marked(plant, tag, archive[tag], ("BadNoCommunication", "BadTimeout"))
    for tag in (*tags_of("mixer"), "mixer.NONE"):
        assert_the_gap_is_marked(plant, tag, archive[tag], ("BadTimeout", "BadNoCommunication"))
    for tag in tags_of("boiler"):
        assert archive[tag].marks() == [(END, "BadShutdown")]
    assert_the_history_fills_the_gap(plant, archive)
    assert_gaps_tell_the_outage(plant, archive)
    assert_the_audit_tells_the_outage(plant)
    assert_the_archive_is_in_order(plant)


def assert_the_outage_is_seen_while_it_lasts(plant: FastPlant) -> None:
    rows = plant.sql("select source, state, good, bad, points, epoch_us(last_good) as last_good from sources")
    found = {row["source"]: row for row in rows}
    assert {name: row["state"] for name, row in found.items()} == {
        "boiler": "connected", "pump": "failed", "mixer": "failed",
    }  # fmt: skip
    for name in ("pump", "mixer"):
        assert found[name]["last_good"] == LOST - 3 * SECOND
        assert (found[name]["good"], found[name]["bad"]) == (0, found[name]["points"])
    current = plant.sql("""
        select source, status, count(*) as n from tags join
        (select tag, arg_max(status, time) as status from samples group by tag) using (tag) group by all
    """)
    assert {(row["source"], row["status"]): row["n"] for row in current} == {
        ("boiler", "Good"): 5, ("pump", "BadNoCommunication"): 5, ("mixer", "BadTimeout"): 6,
    }  # fmt: skip


def assert_health_afterwards(plant: FastPlant) -> None:
    rows = plant.sql("select source, state, bad, reconnects, backfilled, overruns from sources order by source")
    assert [(row["source"], row["state"], row["bad"], row["reconnects"]) for row in rows] == [
        ("boiler", "connected", 0, 0), ("mixer", "connected", 0, 1), ("pump", "connected", 0, 1),
    ]  # fmt: skip
    assert rows[0]["overruns"] == 0
    assert rows[1]["backfilled"] >= len(_CELLS) * 13 * HOUR // RATES["fast"]
    kinds = plant.sql("select source, kind from source_errors order by all")
    assert [(row["source"], row["kind"]) for row in kinds] == [
        (source, kind) for source in ("mixer", "pump") for kind in ("BadNoCommunication", "BadTimeout")
    ]


def first_answer(plant: FastPlant, tag: str) -> int:
    """When the device answered again for a tag."""
    return min(at for at in plant.devices[tag.split(".", maxsplit=1)[0]].answered[tag] if at > LOST)


def assert_every_scan_is_there(plant: FastPlant, tag: str, found: Archived) -> None:
    """What the device answered is in the archive, within the bound; and it was asked whenever it could be."""
    answered = plant.devices[tag.split(".", maxsplit=1)[0]].answered[tag]
    values = [found.at(at, is_step=tag.endswith("RUN")) for at in answered]
    errors = np.abs(np.array(values) - signal(tag, np.array(answered)))
    assert errors.max() <= bound_of(tag) + 1e-9, tag  # NaN, where the archive knows nothing, is not less either
    rate = rate_of(tag)
    on_time = range(START + rate, END + 1, rate)
    back = BACK + LONGEST_PAUSE + TIMEOUT_US + rate
    asked = [at for at in on_time if tag.startswith("boiler") or not LOST <= at < back]
    assert set(asked) <= set(answered), tag


def assert_no_value_is_invented(plant: FastPlant, tag: str, found: Archived) -> None:
    """Every value in the archive is one that the device gave at this time, live or from its history."""
    device = plant.devices[tag.split(".", maxsplit=1)[0]]
    assert set(found.good_times()) <= {*device.answered[tag], *(int(at) for at in device.history_us)}
    np.testing.assert_array_equal(found.value[found.is_good], signal(tag, found.time_us[found.is_good]))
    assert np.isnan(found.value[~found.is_good]).all()
    assert (np.diff(found.time_us) > 0).all()


def assert_the_gap_is_marked(plant: FastPlant, tag: str, found: Archived, statuses: tuple[str, str]) -> None:
    """At its start in every tag, where its reason changes, and at its end; not at every scan."""
    (first, second), marks = statuses, found.marks()
    runs = [list(run) for _, run in groupby(marks, key=lambda mark: mark[1])]
    assert [run[0][1] for run in runs] == [first, second, "BadShutdown"], tag
    # One with comp_max says so again after each.
    assert [len(run) for run in runs] == [2, 2, 1] or (tag.endswith("BOTH") and len(marks) < 2 * 13 + 6), tag
    noticed_us = RATES["fast"] + (TIMEOUT_US if first == "BadTimeout" else 0)
    assert LOST <= runs[0][0][0] <= LOST + noticed_us, "in all tags at once, whatever their rate"
    assert OTHERWISE - rate_of(tag) <= runs[0][-1][0] <= OTHERWISE + LONGEST_PAUSE
    assert OTHERWISE <= runs[1][0][0] <= OTHERWISE + LONGEST_PAUSE + TIMEOUT_US + rate_of(tag)
    assert BACK - rate_of(tag) <= runs[1][-1][0] < first_answer(plant, tag)


def assert_the_history_fills_the_gap(plant: FastPlant, archive: Mapping[str, Archived]) -> None:
    history = [int(at) for at in plant.devices["mixer"].history_us]
    for tag in tags_of("mixer"):
        back_us, found = first_answer(plant, tag), archive[tag]
        missing = {at for at in history if LOST <= at < back_us} - set(found.good_times())
        # Nothing takes the place of what is there, and here a mark may have the very time of a value of the history.
        assert missing <= {at for at, _ in found.marks()}, tag
    assert [at for at in archive["mixer.NONE"].good_times() if LOST <= at < BACK] == []


def outages(plant: FastPlant, tag: str) -> list[tuple[int, int]]:
    """Start and end of the gaps of a tag, those that follow on each other as one."""
    ask = f"from gaps('{tag}', make_timestamptz({START + MINUTE}), make_timestamptz({END})) order by time"
    found: list[tuple[int, int]] = []
    for row in plant.sql(f'select epoch_us(time) as start, epoch_us("end") as stop {ask}'):
        if found and found[-1][1] == row["start"]:
            found[-1] = (found[-1][0], row["stop"])
        else:
            found.append((row["start"], row["stop"]))
    return found


def assert_gaps_tell_the_outage(plant: FastPlant, archive: Mapping[str, Archived]) -> None:
    for tag in tags_of("boiler"):
        assert outages(plant, tag) == [], tag
    for tag in (*tags_of("pump"), "mixer.NONE"):
        assert outages(plant, tag) == [(archive[tag].marks()[0][0], first_answer(plant, tag))], tag
    for tag in tags_of("mixer"):
        longest = max(stop - start for start, stop in outages(plant, tag))
        assert longest <= 2 * RATES["fast"], "from a mark to the next value of the history"


def assert_the_audit_tells_the_outage(plant: FastPlant) -> None:
    rows = plant.sql("select epoch_us(time) as at, action, object, new from audit where who = 'collect' order by time")
    for source in ("pump", "mixer"):
        mine = [(row["action"], row["at"]) for row in rows if row["object"] == source and row["action"] != "learned"]
        actions = [action for action, _ in mine]
        assert actions == ["lost", "recovered", *(["backfilled"] if source == "mixer" else [])]
        assert LOST <= mine[0][1] <= LOST + RATES["fast"] + TIMEOUT_US
        assert BACK <= mine[1][1] <= BACK + LONGEST_PAUSE + TIMEOUT_US + RATES["fast"]
    assert [row for row in rows if row["object"] == "boiler"] == []
    (filled,) = [row["new"] for row in rows if row["action"] == "backfilled"]
    assert filled.endswith("there is no history of 1 tag: mixer.NONE")


def assert_the_archive_is_in_order(plant: FastPlant) -> None:
    report = verify(plant.configuration.store.path)
    assert report.is_clean, report.damages
    month_us = instant("2025-11-01 00:00:00")
    assert ("month", month_us) in [(job.level, job.end_us) for job in plant.compacted], "in the middle of the outage"
