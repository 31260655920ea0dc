"""What ``historian tune`` says beforehand about real data, and what then happens when it is compressed.

The data is not part of the project: it lies beside it where somebody has it (see the skips).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import historian as plant_historian
from endtoend.commandline import historian
from historian.model.tag import Tag
from historian.tuning.limit import Wish
from historian.tuning.proposal import tune
from historian.tuning.series import RawSeries
from historian.tuning.trial import try_settings
from support.plant_files import HEADER, SETTINGS

DATA = Path(__file__).parents[3] / "shared" / "data"
TURBINES = DATA / "la_haute_borne" / "scada_2014_2015.parquet"
NAB = [DATA / "nab" / f"{name}_temperature_system_failure.csv" for name in ("machine", "ambient")]

needs_data = pytest.mark.skipif(
    not all(path.exists() for path in (TURBINES, *NAB)), reason=f"there is no {DATA}: data of ENGIE and of the NAB"
)
pytestmark = [pytest.mark.timeout(240), needs_data]

TAGS = [f"{turbine}.{name}" for turbine in ("R80711", "R80736") for name in ("Ba_avg", "Ot_avg", "P_avg")]


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A folder with a store that has everything, as it is."""
    folder = tmp_path_factory.mktemp("raw")
    for arguments in ((TURBINES, "--group-column", "Wind_turbine_name"), (*NAB, "--tag", "{file}")):
        done = historian("import", *arguments, "--store", "store", folder=folder, timeout_s=120)
        assert done.returncode == 0, done.stderr
    return folder


def series_of(folder: Path, tag: str) -> RawSeries:
    with plant_historian.open(folder / "store") as store:
        table = store.sql(
            "select epoch_us(time) as time_us, value, status_code from samples where tag = ? order by time", [tag]
        )
    time_us, value = (table.column(name).to_numpy() for name in ("time_us", "value"))
    return RawSeries(time_us.astype(np.int64), value.astype(np.float64), np.zeros(len(value), np.uint32))


def compressed_import(folder: Path, deviations: dict[str, float]) -> None:
    """All of it again, into another store, with the deviations that were proposed."""
    (folder / "historian.toml").write_text(SETTINGS, encoding="utf-8")
    cells = dict.fromkeys(HEADER.split(","), "")
    lines = [
        ",".join({**cells, "tag": tag, "source": "boiler", "address": f"hr:{2 * place}", "type": "float32",
                  "scan_class": "slow", "comp_dev": repr(deviation)}.values())
        for place, (tag, deviation) in enumerate(deviations.items())
    ]  # fmt: skip
    (folder / "tags.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    for arguments in ((TURBINES, "--group-column", "Wind_turbine_name"), (*NAB, "--tag", "{file}")):
        done = historian("import", "--compress", *arguments, folder=folder, timeout_s=120)
        assert done.returncode == 0, done.stderr


def test_what_was_predicted_happens(raw, tmp_path):
    """On the same samples: the prediction, and an import with the proposed deviations."""
    names = [*TAGS, *(path.stem for path in NAB)]
    done = historian("tune", *names, "--store", "store", "--format", "json", folder=raw, timeout_s=120)
    proposals = {row["tag"]: row["proposal"] for row in json.loads(done.stdout) if row.get("proposal")}
    assert set(proposals) == set(names)
    compressed_import(tmp_path, {tag: proposal["comp_dev"] for tag, proposal in proposals.items()})
    for tag, proposal in proposals.items():
        everything, stored = series_of(raw, tag), series_of(tmp_path, tag)
        line = np.interp(everything.time_us, stored.time_us, stored.value)
        largest = float(np.abs(everything.value - line).max())
        assert proposal["kept"] == pytest.approx(len(stored), rel=0.1), tag
        assert proposal["largest_error"] == pytest.approx(largest, rel=0.1), tag
        assert largest <= proposal["comp_dev"] * (1 + 1e-9)


MOST_OFF = {
    "R80711.Ba_avg": 0.15,  # the pitch of the blades follows the wind: another year, another wind
    "machine_temperature_system_failure": 0.25,  # the machine fails in the second half only
}


@pytest.mark.parametrize("tag", [*TAGS, *(path.stem for path in NAB)])
def test_the_first_half_tells_of_the_second(raw, tag):
    """On other samples: as good as the past is like the future."""
    everything = series_of(raw, tag)
    half = len(everything) // 2
    first, second = (
        RawSeries(everything.time_us[part], everything.value[part], everything.status[part])
        for part in (slice(half), slice(half, None))
    )
    found = tune(Tag(tag, "", "", ""), first, Wish())
    (then,) = try_settings(second, found.tag, [found.chosen.settings])
    assert found.chosen.share == pytest.approx(then.share, rel=MOST_OFF.get(tag, 0.1))
    assert found.chosen.errors.largest == pytest.approx(then.errors.largest, rel=0.1)


def test_angles_are_left_alone(raw):
    done = historian("tune", "R80711.?a_avg", "--store", "store", "--format", "json", folder=raw, timeout_s=60)
    reasons = {row["tag"]: row.get("reason") for row in json.loads(done.stdout)}
    # Va is the angle of the vane, Wa that of the wind, Ya that of the nacelle; Ba, the pitch of the blades, turns less.
    assert reasons == {
        "R80711.Ba_avg": None, "R80711.Va_avg": "angle", "R80711.Wa_avg": "angle", "R80711.Ya_avg": "angle",
    }  # fmt: skip
