"""``historian tune`` on a store: what it reads, what it says, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from cli.tune import tune
from cli.tune_table import amount, number
from historian.config.load import load_configuration
from historian.errors import UsageError
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from historian.tuning.series import RawSeries
from storage.store import Store
from support.plant_files import HEADER, SETTINGS, write
from support.raw_series import SECOND, T0_US, noise, series
from support.raw_store import make_raw_store

COUNT = 1500
AT = np.arange(COUNT)
FLOAT = ValueType.FLOAT64
COARSE = CompressionSettings(ErrorBound(5.0))

TAGS = (
    Tag("FIC101.PV", "boiler", "hr:0", "fast", FLOAT, units="m3/h", low=0.0, high=500.0),
    Tag("FQ101.TOT", "boiler", "hr:2", "fast", FLOAT, units="m3"),
    Tag("LIC102.PV", "boiler", "hr:4", "fast", FLOAT, units="%", low=0.0, high=100.0),
    Tag("TIC205.PV", "mixer", "ns=2;s=TIC205", "fast", FLOAT, units="degC", compression=COARSE),
    Tag("XV101.OPEN", "boiler", "coil:0", "fast", ValueType.BOOL),
)
FLOW = series(250 + 40 * np.sin(AT / 300) + noise(COUNT))
SAMPLES = {
    "FIC101.PV": FLOW,
    "FQ101.TOT": series(np.cumsum(FLOW.value) / 3600),
    "LIC102.PV": series(np.round(50 + 5 * np.sin(AT / 400) + noise(COUNT, 0.05), 1)),
    "TIC205.PV": series(80 + 5 * np.sin(AT / 400) + noise(COUNT, 0.2)),
    "XV101.OPEN": series(AT // 300 % 2),
}


@pytest.fixture
def run(store_path):
    make_raw_store(store_path, TAGS, SAMPLES)

    def run(*arguments: str) -> str:
        asked = ["--store", str(store_path), "--config", str(store_path.parent / "none.toml"), *arguments]
        return CliRunner().invoke(tune, asked, catch_exceptions=False).stdout

    return run


def as_json(text: str) -> dict[str, dict]:
    return {row["tag"]: row for row in json.loads(text)}


def test_says_of_every_tag_what_to_do(run):
    found = as_json(run("--format", "json"))
    assert {tag: row["verdict"] for tag, row in found.items()} == {
        "FIC101.PV": "propose", "FQ101.TOT": "leave alone", "LIC102.PV": "propose", "TIC205.PV": "leave alone",
        "XV101.OPEN": "leave alone",
    }  # fmt: skip
    assert {row["reason"] for row in found.values() if "reason" in row} == {"counter", "compressed", "step"}


def test_figures(run):
    found = as_json(run("FIC101.PV", "--format", "json"))["FIC101.PV"]
    assert found["samples"] == COUNT
    assert found["days"] == pytest.approx((COUNT - 1) / 86_400)
    assert found["noise"] == pytest.approx(1, rel=0.2)
    assert found["span"] == 500
    assert found["everything"]["kept"] == found["present"]["kept"] == COUNT
    assert found["everything"]["samples_per_day"] == pytest.approx(86_400, rel=0.01)
    proposal = found["proposal"]
    assert proposal in found["candidates"]
    assert proposal["exc_dev"] is None
    assert proposal["largest_error"] <= proposal["comp_dev"]
    assert found["saved_bytes_per_day"] == pytest.approx(found["present"]["bytes_per_day"] - proposal["bytes_per_day"])


def test_table_by_what_would_be_saved(run):
    text = run("--max-error", "0.5%")
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["tag", "noise", "comp_dev"]
    proposed = [line.split()[0] for line in lines[1 : lines.index("")]]
    saved = {
        tag: row["saved_bytes_per_day"]
        for tag, row in as_json(run("--format", "json", "--max-error", "0.5%")).items()
        if "saved_bytes_per_day" in row
    }
    assert proposed == sorted(saved, key=lambda tag: -saved[tag])
    assert "m3/h" in lines[1] + lines[2]
    assert re.search(r"a step tag: .*:\n +XV101.OPEN$", text, re.MULTILINE)
    assert "2 of 5 tags change, 3 are left alone" in text


def test_table_fits_into_a_hundred_columns(run, monkeypatch):
    monkeypatch.setattr("cli.tune_table.width", lambda: 100)
    for arguments in ((), ("--candidates",), ("--max-error", "0.3")):
        assert max(map(len, run(*arguments).splitlines())) <= 100


def test_candidates(run):
    text = run("FIC101.PV", "--candidates")
    assert text.startswith("FIC101.PV: noise ")
    marked = [line for line in text.splitlines() if line.startswith(">")]
    assert len(marked) == 1
    rows = list(csv.DictReader(io.StringIO(run("FIC101.PV", "--candidates", "--format", "csv"))))
    assert len(rows) >= 8
    assert [row["verdict"] for row in rows].count("propose") == 1


def test_csv_has_a_row_a_tag(run):
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv"))))
    assert sorted(row["tag"] for row in rows) == [tag.name for tag in TAGS]
    flow = next(row for row in rows if row["tag"] == "FIC101.PV")
    assert float(flow["comp_dev"]) <= 3.3
    assert float(flow["saved_bytes_per_day"]) > 0


def test_a_ratio(run):
    found = as_json(run("FIC101.PV", "--target-ratio", "8", "--format", "json"))["FIC101.PV"]
    assert found["proposal"]["ratio"] >= 8


def test_a_range_and_the_newest_of_it(run):
    arguments = ("FIC101.PV", "--format", "json", "--start", "2026-11-22 00:05", "--end", "2026-11-22 00:25")
    assert as_json(run(*arguments))["FIC101.PV"]["samples"] == 1200
    assert as_json(run(*arguments, "--max-samples", "1000"))["FIC101.PV"]["samples"] == 1000


def test_compressed_history_only_when_told_to(run):
    text = run("TIC205.PV")
    assert "compressed already (comp_dev 5)" in text
    assert as_json(run("TIC205.PV", "--as-raw", "--format", "json"))["TIC205.PV"]["samples"] == COUNT


def test_of_a_history_only_what_was_raw(store_path):
    """Compressed from the thousandth second on: what was before is raw, and enough."""
    raw, compressed = Tag("A", "s", "hr:0", "fast", FLOAT), Tag("A", "s", "hr:0", "fast", FLOAT, compression=COARSE)
    make_raw_store(store_path, [raw], {"A": FLOW})
    with closing(Store.open(store_path)) as store:
        store.register_tags([compressed], T0_US + 1000 * SECOND, "test")
    found = as_json(CliRunner().invoke(tune, ["--store", str(store_path), "--format", "json"]).stdout)["A"]
    assert found["samples"] == 1000
    assert found["present"]["comp_dev"] == 5


def test_values_of_another_meaning_do_not_count(store_path):
    scaled = Tag("A", "s", "hr:0", "fast", FLOAT, scale=2.0)
    make_raw_store(store_path, [replace(scaled, scale=None)], {"A": FLOW})
    with closing(Store.open(store_path)) as store:
        store.register_tags([scaled], T0_US + 1000 * SECOND, "test")
    found = as_json(CliRunner().invoke(tune, ["--store", str(store_path), "--format", "json"]).stdout)["A"]
    assert found["samples"] == COUNT - 1000


def test_a_tag_without_samples(store_path):
    make_raw_store(store_path, TAGS, {})
    found = as_json(CliRunner().invoke(tune, ["--store", str(store_path), "--format", "json"]).stdout)
    assert found["FIC101.PV"]["reason"] == "few samples"


def test_exception_reporting_counts_as_compressed(store_path):
    tag = replace(TAGS[0], exception=ExceptionSettings(ErrorBound(0.5)))
    make_raw_store(store_path, [tag], {"FIC101.PV": FLOW})
    assert "exc_dev 0.5" in CliRunner().invoke(tune, ["--store", str(store_path)]).stdout


def test_raw_samples_of_a_shadowed_tag(tmp_path):
    text = SETTINGS + '[shadow]\ntags = ["A"]\n'
    cells = dict.fromkeys(HEADER.split(","), "")
    cells |= {"source": "boiler", "scan_class": "fast", "type": "float32", "comp_dev": "5"}
    rows = [{**cells, "tag": name, "address": f"hr:{place}"} for name, place in (("A", 0), ("B", 2))]
    config = write(tmp_path, text, "\n".join([HEADER, *(",".join(row.values()) for row in rows), ""]))
    with closing(Store.open(tmp_path / "store", create=True)) as store:
        store.register_tags(load_configuration(config).tags, T0_US, "test")
        for part in np.array_split(np.arange(COUNT), 5):
            raw = Samples(np.ones(len(part), np.int32), FLOW.time_us[part], FLOW.value[part], FLOW.status[part])
            store.commit(Commit(T0_US, raw.take(np.array([0])), shadow=raw))
    found = as_json(
        CliRunner().invoke(tune, ["--config", str(config), "--format", "json"], catch_exceptions=False).stdout
    )
    assert found["A"]["samples"] == COUNT
    assert found["A"]["present"]["comp_dev"] == 5
    assert found["B"]["reason"] == "compressed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-error", "x"], "deviation"),
        (["--max-error", "-1"], "0 or more"),
        (["--target-ratio", "1"], "target-ratio"),
        (["--max-samples", "5"], "max-samples"),
    ],
)
def test_wrong_options(store_path, arguments, said):
    done = CliRunner().invoke(tune, ["--store", str(store_path), *arguments])
    assert done.exit_code == 2
    assert said in done.stderr


def test_unknown_tag(run):
    with pytest.raises(UsageError, match=r"the nearest is"):
        run("FIC101.PW")


def test_many_left_alone_are_counted(store_path):
    tags = [replace(TAGS[4], name=f"XV{place}") for place in range(40)]
    make_raw_store(store_path, tags, {"XV0": series([0.0, 1.0])})
    text = CliRunner().invoke(tune, ["--store", str(store_path)]).stdout
    assert re.search(r"XV0, XV1, XV10.* and 10 more$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999.4, "999 B"), (1000, "1 kB"), (8_210, "8.21 kB"), (-8_210, "-8.21 kB"), (3.2e7, "32 MB")],
)
def test_sizes(size, text):
    assert amount(size) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0"), (0.12345, "0.123"), (1234.5, "1,234"), (1e9, "1e+09"), (1e-7, "1e-07")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_series_of_no_samples():
    empty = RawSeries(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint32))
    assert empty.covered_us == 0
    assert empty.observed_span == 0
