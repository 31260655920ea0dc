"""What ``historian tune`` writes: changed tag lists and pictures; and the files it reads."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.tune import tune
from cli.tune_picture import draw
from historian.config.load import load_configuration
from historian.errors import UsageError
from historian.model.tag import Tag
from historian.tuning.limit import Wish
from historian.tuning.proposal import tune as tune_tag
from support.plant_files import HEADER, SETTINGS
from support.raw_series import SECOND, noise, series
from support.raw_store import make_raw_store

COUNT = 1500
AT = np.arange(COUNT)
FLOW = series(60 + 10 * np.sin(AT / 300) + noise(COUNT, 0.2))

LIST = f"""\
# what the boiler has
{HEADER}
FIC101.PV,boiler,hr:100,float32:CDAB,fast,m3/h,"feed, flow",,,0,120,,0.1%,,,,,8h,

XV101.OPEN , boiler , coil:3,bool,fast,,inlet valve,,,,,yes,,,,,,,closed|open
LIC102.PV,boiler,hr:110,float32,fast,%,level,,,0,100,,,,,9,,,
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "historian.toml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "tags.csv").write_text(LIST, encoding="utf-8")
    tags = load_configuration(tmp_path / "historian.toml").tags
    levels = series(50 + noise(COUNT, 0.1))
    make_raw_store(tmp_path / "store", tags, {"FIC101.PV": FLOW, "LIC102.PV": levels})
    return tmp_path


def run(folder: Path, *arguments: str):
    asked = ["--config", str(folder / "historian.toml"), "--as-raw", *arguments]
    return CliRunner().invoke(tune, asked, catch_exceptions=False)


def differences(folder: Path, after: Path) -> list[tuple[str, str]]:
    lines = (
        (folder / "tags.csv").read_text(encoding="utf-8").splitlines(),
        after.read_text(encoding="utf-8").splitlines(),
    )
    return [(old, new) for old, new in zip(*lines, strict=True) if old != new]


def test_only_the_deviations_are_changed(folder):
    done = run(folder, "FIC*", "--output", str(folder / "tuned.csv"))
    ((old, new),) = differences(folder, folder / "tuned.csv")
    deviation = new.split(",")[16]
    assert 0.3 <= float(deviation) <= 0.7
    assert new == old.replace("0.1%,,,,,8h", f",,,{deviation},,8h")
    assert "1 of 3 tags changed" in done.stderr
    assert "historian tags import" in done.stderr


def test_the_changed_list_checks_and_does_what_was_said(folder):
    run(folder, "--max-error", "0.5", "--output", str(folder / "tuned.csv"))
    tuned = (folder / "tuned.csv").read_text(encoding="utf-8")
    tags = load_configuration(folder / "historian.toml", {folder / "tags.csv": tuned}).tags
    bounds = {tag.name: tag.compression.deviation.deviation for tag in tags if tag.compression.deviation is not None}
    assert 0 < bounds["FIC101.PV"] <= 0.5
    assert 0 < bounds["LIC102.PV"] <= 0.5
    assert all(tag.exception.deviation is None for tag in tags)


def test_a_default_of_exception_reporting_is_switched_off(folder):
    (folder / "historian.toml").write_text(SETTINGS + '[defaults]\nexc_dev = "0.1%"\n', encoding="utf-8")
    run(folder, "LIC*", "--output", str(folder / "tuned.csv"), "--max-error", "0.5")
    ((_, new),) = differences(folder, folder / "tuned.csv")
    assert new.split(",")[12] == "off"


def test_several_lists_go_into_a_folder(folder):
    (folder / "historian.toml").write_text(
        SETTINGS.replace('["tags.csv"]', '["tags.csv", "more.csv"]'), encoding="utf-8"
    )
    (folder / "more.csv").write_text(f"{HEADER}\nTI1,boiler,hr:5,int16,fast,,,,,,,,,,,,,,\n", encoding="utf-8")
    run(folder, "FIC*", "--output", str(folder / "tuned"))
    assert len(differences(folder, folder / "tuned" / "tags.csv")) == 1
    assert (folder / "tuned" / "more.csv").read_text(encoding="utf-8") == (folder / "more.csv").read_text(
        encoding="utf-8"
    )
    with pytest.raises(UsageError, match="folder"):
        run(folder, "--output", str(folder / "tuned.csv"))


@pytest.mark.parametrize("name", ["tags.csv", "./tags.csv"])
def test_the_list_in_use_is_not_overwritten(folder, name):
    with pytest.raises(UsageError, match="in use"):
        run(folder, "--output", str(folder / name))


def test_without_a_configuration_there_is_no_list(folder):
    with pytest.raises(UsageError, match="no configuration"):
        CliRunner().invoke(
            tune, ["--config", str(folder / "none.toml"), "--store", str(folder / "store"), "--output", "x.csv"],
            catch_exceptions=False,
        )  # fmt: skip


# Pictures ------------------------------------------------------------------------------------------------------------


def test_a_picture_for_each_tag_that_was_tried(folder):
    done = run(folder, "--plot", str(folder / "pictures"))
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["FIC101.PV.png", "LIC102.PV.png"]
    assert "2 pictures" in done.stderr
    png = (folder / "pictures" / "FIC101.PV.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (720, 440)


def test_pictures_do_not_go_where_a_file_is(folder):
    (folder / "pictures").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot draw into .*: there is a file in its place, wanted a folder"):
        run(folder, "--plot", str(folder / "pictures"))


def test_names_that_are_no_names_of_files(tmp_path):
    tags = [Tag(name, "s", "hr:0", "fast") for name in ("a/b", "a:b", "A_b")]
    make_raw_store(tmp_path / "store", tags, {tag.name: FLOW for tag in tags})
    asked = [
        "--store",
        str(tmp_path / "store"),
        "--config",
        str(tmp_path / "no.toml"),
        "--plot",
        str(tmp_path / "plots"),
    ]
    CliRunner().invoke(tune, asked, catch_exceptions=False)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["A_b.png", "a_b-2.png", "a_b-3.png"]


def test_the_curve_falls_and_the_proposal_is_on_it():
    tuning = tune_tag(Tag("FIC101.PV", "s", "hr:0", "fast", units="m3/h", low=0.0, high=120.0), FLOW, Wish())
    scene = draw(tuning, [each for each in tuning.outcomes if each.settings.comp_dev])
    curve = next(line for line in scene.lines if len(line.points) > 6)
    across, down = zip(*curve.points, strict=True)
    assert list(across) == sorted(across, reverse=True)  # by falling deviation
    assert list(down) == sorted(down, reverse=True)  # and more bytes are higher up
    texts = [label.text for label in scene.labels]
    assert any(text.startswith("proposed: ") for text in texts)
    assert "3 x noise" in texts
    assert "largest error [m3/h]" in texts


# Files ---------------------------------------------------------------------------------------------------------------


def write_csv(path: Path, name: str = "value") -> None:
    lines = [
        f"{time_us // SECOND},{value!r}"
        for time_us, value in zip(FLOW.time_us.tolist(), FLOW.value.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"time,{name}", *lines, ""]), encoding="utf-8")


def from_file(folder: Path, *arguments: str) -> dict[str, dict]:
    asked = ["--config", str(folder / "historian.toml"), "--format", "json", "--time-format", "epoch-s", *arguments]
    text = CliRunner().invoke(tune, asked, catch_exceptions=False).stdout
    return {row["tag"]: row for row in json.loads(text)}


def test_samples_of_a_file(tmp_path):
    write_csv(tmp_path / "flow.csv")
    found = from_file(tmp_path, "--file", str(tmp_path / "flow.csv"), "--tag", "FLOW")["FLOW"]
    assert found["samples"] == COUNT
    assert found["noise"] == pytest.approx(0.2, rel=0.2)
    assert not list(tmp_path.glob("store*"))


def test_settings_of_a_configured_tag(folder):
    write_csv(folder / "flow.csv", "FIC101.PV")
    found = from_file(folder, "--file", str(folder / "flow.csv"))["FIC101.PV"]
    assert found["span"] == 120
    assert found["present"]["exc_dev"] == pytest.approx(0.12)
    assert found["samples"] == COUNT


def test_one_place_to_take_samples_from(folder):
    for arguments in (["--file", "x.csv", "--probe", "5s"], ["--file", "x.csv", "--store", str(folder)]):
        with pytest.raises(UsageError, match="one place"):
            run(folder, *arguments)


@pytest.mark.parametrize(("duration", "said"), [("10", "unit"), ("0s", "no time")])
def test_a_probe_needs_a_time(folder, duration, said):
    done = run(folder, "--probe", duration)
    assert done.exit_code == 2
    assert said in done.stderr
