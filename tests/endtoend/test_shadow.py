"""Proof in service: what a plant sent, kept raw beside what was stored of it, and held against the promise."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from collectors.simulator.plant import Plant
from endtoend.commandline import Collecting, eventually, historian, rows, status
from storage.reader import StoreReader

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of a run of some seconds with some tags shadowed."""
    folder = tmp_path_factory.mktemp("shadow")
    with Plant() as plant:
        settings = plant.write_configuration(folder)
        text = settings.read_text(encoding="utf-8").replace('rate = "200ms"', 'rate = "20ms"')
        settings.write_text(text + '\n[shadow]\ntags = ["FIC101.*", "LIC102.PV", "TIC205.PV"]\n', encoding="utf-8")
        with Collecting(folder) as collecting:
            collecting.wait_until_connected()
            eventually(lambda: raw_samples(folder) > 1800, "a few hundred raw samples of each are kept", 90)
            during = historian("verify", "--bound", "--format", "json", folder=folder)
            assert json.loads(during.stdout)["kept"], during.stdout
            collecting.stop()  # in order: until then what the door holds is seen as well
    return folder


def raw_samples(folder: Path) -> int:
    with StoreReader.open(folder / "store") as reader:
        return reader.statistics().shadow_rows


def test_every_promise_was_kept(folder):
    done = historian("verify", "--bound", "--format", "json", folder=folder)
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["samples"] == raw_samples(folder)
    assert found["left_out"] < found["samples"] / 2
    tags = {row["tag"] for row in found["tags"]}
    assert tags == {"FIC101.PV", "FIC101.SP", "FIC101.OUT", "LIC102.PV", "TIC205.PV"}  # FIC101.MODE is a state
    assert all(row["largest_error"] > 0 for row in found["tags"] if row["tag"] == "FIC101.PV")


def test_much_was_left_out_and_queries_see_what_is_stored(folder):
    (stored,) = rows("select count(*) as n from samples where tag = 'FIC101.PV'", folder)
    with StoreReader.open(folder / "store") as reader:
        (tag_id,) = [row["tag_id"] for row in reader.tags().to_pylist() if row["tag"] == "FIC101.PV"]
        raw = sum(int((reader.shadow_samples(row).tag_id == tag_id).sum()) for row in reader.shadow_rows())
    assert 0 < stored["n"] < raw / 2


def test_tune_predicts_what_was_stored_of_these_scans(folder):
    """The prediction for the settings of now, on the raw samples, against what the collecting process made of them."""
    done = historian("tune", "--format", "json", folder=folder, timeout_s=60)
    predicted = {row["tag"]: row["present"] for row in json.loads(done.stdout) if row.get("present")}
    bound = json.loads(historian("verify", "--bound", "--format", "json", folder=folder).stdout)
    happened = {row["tag"]: row["largest_error"] for row in bound["tags"]}
    stored = {row["tag"]: row["n"] for row in rows("select tag, count(*) as n from samples group by tag", folder)}
    assert "FIC101.PV" in predicted
    for tag, present in predicted.items():
        # The end of the run is one sample more.
        assert present["kept"] == pytest.approx(stored[tag], rel=0.1, abs=2), tag
        assert present["largest_error"] == pytest.approx(happened[tag], rel=0.1), tag


def test_the_store_is_clean_and_status_tells_of_the_shadow(folder):
    done = historian("verify", folder=folder)
    assert done.returncode == 0, done.stdout
    assert status(folder)["store"]["shadow_rows"] == raw_samples(folder)
