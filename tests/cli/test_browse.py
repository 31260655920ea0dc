"""``historian browse``: its list goes straight into the configuration and is read from the server it came from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.browse_rows import AddressForm, Matching, RowMaker
from collectors.opcua.browse import Variable
from collectors.opcua.described import Described
from collectors.simulator.plant import SimulatedServer
from endtoend.commandline import historian
from historian.config.load import load_configuration
from historian.config.opcua_address import BrowseName
from historian.model.tag import ValueType


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = SimulatedServer(["opcua"])
    try:
        yield server.wait_until_ready()
    finally:
        server.close()


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    (tmp_path / "historian.toml").write_text(f"""
        tag_files = ["tags.csv"]
        [store]
        path = "store"
        [scan_classes.slow]
        rate = "10s"
        [sources.boiler]
        protocol = "modbus"
        url = "tcp://127.0.0.1:5020"
        [sources.mixer]
        protocol = "opcua"
        url = "{url}"
    """)
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [(), ("--address", "path"), ("--address", "both"), ("--names", "last", "--match", "Plant/Reactor/*")],
)
def test_the_list_is_a_configuration_that_is_read(folder: Path, options: tuple[str, ...]) -> None:
    done = historian("browse", "mixer", "--output", "tags.csv", *options, folder=folder)
    assert done.returncode == 0, done.stderr
    tags = load_configuration(folder / "historian.toml").tags
    assert len(tags) == (14 if "last" in options else 17)
    assert {(tag.source, tag.scan_class) for tag in tags} == {("mixer", "slow")}
    temperature = next(tag for tag in tags if tag.name.endswith("TIC205.PV"))
    assert (temperature.units, temperature.low, temperature.high) == ("degC", 0.0, 300.0)
    assert temperature.value_type is ValueType.FLOAT32
    assert temperature.description == "reactor temperature"
    read = historian("check", "--connect", folder=folder)
    assert read.returncode == 0, read.stderr
    assert f"read {len(tags)} of {len(tags)} tags" in read.stdout
    assert "BadTypeMismatch" not in read.stdout
    assert "BadNodeIdUnknown" not in read.stdout


def test_a_url_is_enough_and_stdout_has_the_list_alone(tmp_path: Path, url: str) -> None:
    done = historian("browse", url, "--match", "*/BATCH.STATE", "--source", "s", "--scan-class", "c", folder=tmp_path)
    assert done.returncode == 0
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["source"], row["scan_class"], row["type"]) == ("s", "c", "int32")
    assert row["enum"] == "idle|filling|heating|reacting|draining"
    assert "1 variables" in done.stderr


@pytest.mark.parametrize(
    ("server", "said", "code"),
    [
        ("boiler", "speaks Modbus", 2),
        ("mixxer", "wanted a URL such as opc.tcp://10.0.3.20:4840 or a source of historian.toml (OPC UA: mixer)", 2),
        ("10.0.7.1:4841/plant", "wanted a URL such as opc.tcp://10.0.7.1:4841/plant or", 2),
        ("http://127.0.0.1", "opc.tcp://", 2),
        ("opc.tcp://127.0.0.1:1", "connection refused", 1),
    ],
)
def test_what_cannot_be_browsed(folder: Path, server: str, said: str, code: int) -> None:
    done = historian("browse", server, "--output", "tags.csv", folder=folder)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "tags.csv").exists()


def test_nothing_found_is_said_and_a_list_that_is_there_stays(folder: Path) -> None:
    (folder / "tags.csv").write_text("mine")
    done = historian("browse", "mixer", "--match", "Plnat/*", "--output", "tags.csv", folder=folder)
    assert done.returncode == 1
    assert "found no variable like that" in done.stderr
    assert (folder / "tags.csv").read_text() == "mine"


def test_a_section_that_the_configuration_has_not_is_shown(folder: Path, url: str) -> None:
    """As it is shown it can be appended."""
    done = historian("browse", url, "--match", "Plant/*", "--output", "tags.csv", "--source", "new", folder=folder)
    section = done.stderr[done.stderr.index("[sources.new]"):]
    with (folder / "historian.toml").open("a") as file:
        file.write(section)
    assert {tag.source for tag in load_configuration(folder / "historian.toml").tags} == {"new"}
    again = historian("browse", url, "--match", "Plant/*", folder=folder)
    assert "[sources." not in again.stderr


def path(*names: str) -> tuple[BrowseName, ...]:
    return tuple(BrowseName(2, name) for name in names)


@pytest.mark.parametrize(
    ("pattern", "wanted", "entered", "left"),
    [
        ("Area1/*", ["Area1/A", "Area1/B/C"], ["Area1", "Area1/B"], ["Area2", "Area10"]),
        ("*/PV", ["A/PV", "A/B/PV"], ["A", "A/B"], []),
        ("Area[12]/T?", ["Area1/T1", "Area2/T9"], ["Area1", "Area3"], ["Plant"]),
        ("Area1/B/PV", ["Area1/B/PV"], ["Area1", "Area1/B"], ["Area1/A", "B"]),
    ],
)
def test_what_matches_and_where_it_can_be(pattern: str, wanted: list[str], entered: list[str], left: list[str]) -> None:
    matching = Matching([pattern])
    assert all(matching.is_wanted(path(*each.split("/"))) for each in wanted)
    assert all(matching.may_hold(path(*each.split("/"))) for each in entered)
    assert not any(matching.may_hold(path(*each.split("/"))) for each in left)


def variable(*names: str, node: object = None, kind: ValueType = ValueType.FLOAT64, **said: object) -> Variable:
    from asyncua import ua

    return Variable(path(*names), node or ua.NodeId(names[-1], 2), kind, Described(**said))  # type: ignore[arg-type]


def rows_of(
    *variables: Variable, last: bool = False, form: AddressForm = "id"
) -> tuple[list[dict[str, str]], RowMaker]:
    from historian.config.tag_columns import COLUMNS

    maker = RowMaker("s", "fast", form=form, last=last)
    return [dict(zip(COLUMNS, row, strict=True)) for row in maker.rows(variables, ["", "urn:own", "urn:a;b"])], maker


def test_names_come_once_and_are_names() -> None:
    rows, maker = rows_of(
        variable("A", "PV"), variable("B", "PV"), variable("PV~2"), variable("#x"), variable("historian.x"),
        variable("n\x07x"), variable("x" * 300), last=True,
    )  # fmt: skip
    assert [row["tag"] for row in rows] == ["PV", "PV~2", "PV~2~2", "_#x", "_historian.x", "n_x"]
    assert (maker.renamed, maker.unnameable) == (2, 1)


def test_addresses_that_a_cell_would_change_are_left_out() -> None:
    rows, maker = rows_of(variable("A", " spaced "))
    assert (rows, maker.unnameable) == ([], 1)
    rows, _ = rows_of(variable("A", "PV"))
    assert rows[0]["address"] == "nsu=urn:a%3Bb;s=PV"
    rows, _ = rows_of(variable("A/B", "2:P&V"), form="path")
    assert rows[0]["address"] == "/A&/B/2&:P&&V"
    rows, _ = rows_of(variable("A", "PV@i=1"), form="both")
    assert rows[0]["address"] == "/A/PV&@i=1@nsu=urn:a%3Bb;s=PV@i=1"


def test_states_and_ranges_only_where_they_mean_something() -> None:
    rows, _ = rows_of(
        variable("a", kind=ValueType.BOOL, states={0: "off", 1: "on|run"}, low=0.0, high=1.0),
        variable("b", kind=ValueType.BOOL, states={0: "off", 2: "on"}),
        variable("c", kind=ValueType.INT32, states={7: "x", 1: "y"}, low=0.0, high=9.5),
        variable("d", kind=ValueType.TEXT, states={0: "x"}, low=0.0, high=9.0),
    )
    assert [(row["enum"], row["low"], row["high"]) for row in rows] == [
        ("off|on/run", "", ""), ("", "", ""), ("1=y|7=x", "0", "9.5"), ("", "", "")
    ]  # fmt: skip
