"""``historian tags``: what it shows, what it changes, and that everything else stays as it was."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import historian
from cli.check import notes
from cli.main import historian as command
from cli.tag_cells import cells_of, duration_cell, enumeration_cell, number_cell
from cli.tag_lists import read_lists, replace_lists
from cli.tags import COMMANDS
from historian.config.load import load_configuration
from historian.errors import HistorianError, StoreNotFoundError, UsageError
from historian.model.commit import Commit
from storage.reader import StoreReader
from storage.store import Store
from support import markdown
from support.plant_files import HEADER, SETTINGS, TAGS, row, write
from support.sample_store import GOOD, T0_US, current_of, samples_of


@pytest.fixture
def plant(tmp_path, monkeypatch) -> Path:
    """The folder of a configuration whose tags are in the store, with a sample of FIC101.PV; it is where we are."""
    configuration = load_configuration(write(tmp_path))
    with closing(Store.open(tmp_path / "store", create=True)) as store:
        ids = store.register_tags(configuration.tags, T0_US, "test")
        rows = [("FIC101.PV", 1, 50.0, GOOD), ("XV101.OPEN", 2, 1, GOOD)]
        store.commit(Commit(T0_US, samples_of(rows, ids), {0: current_of(rows, ids, {})}), final=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["tags", *arguments])


def done(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception or result.output
    return result.stdout


def refused(kind: type[HistorianError], *arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def audit(folder: Path) -> list[tuple[object, ...]]:
    with historian.open(folder / "store") as store:
        lines = store.sql("select who, action, object, old, new, why from audit where action not like '%created'")
        return [tuple(line.values()) for line in lines.to_pylist()]


def names(folder: Path) -> list[object]:
    with StoreReader.open(folder / "store") as reader:
        return list(reader.tags().column("tag").to_pylist())


# Looking -------------------------------------------------------------------------------------------------------------


def test_list(plant):
    assert [line.split("  ")[0] for line in done("list").splitlines()] == [
        "tag",
        "FIC101.PV",
        "TIC205.PV",
        "XV101.OPEN",
    ]
    [header, line] = csv.reader(io.StringIO(done("list", "FIC*", "--format", "csv")))
    assert dict(zip(header, line, strict=True)) == {
        "tag": "FIC101.PV", "source": "boiler", "address": "hr:100", "value_type": "float32", "scan_class": "fast",
        "units": "m3/h", "description": "feed flow",
    }  # fmt: skip
    assert [tag["tag"] for tag in json.loads(done("list", "XV*", "TIC*", "--format", "json"))] == [
        "TIC205.PV",
        "XV101.OPEN",
    ]
    assert "the nearest is 'FIC101.PV'" in refused(UsageError, "list", "FIC101*X")


def test_show(plant):
    shown = done("show", "XV101.OPEN")
    for part in (
        r"^enum +closed\|open$",
        r"^step +yes$",
        r"^samples +1$",
        r"^newest +1.0 open ",
        r"^ +1 +2026-11-22.* now$",
    ):
        assert re.search(part, shown, re.MULTILINE), (part, shown)


def test_show_tells_what_changed_and_what_became_of_a_name(plant):
    done("rename", "FIC101.PV", "FIC1.PV", "--reason", "why")
    assert re.search(r"^ +2 .* now +tag FIC101.PV -> FIC1.PV$", done("show", "FIC1.PV"), re.MULTILINE)
    assert re.search(r"^samples +1$", done("show", "FIC1.PV"), re.MULTILINE)
    assert "'FIC101.PV' was renamed and is 'FIC1.PV' now" in refused(UsageError, "show", "FIC101.PV")


# Renaming ------------------------------------------------------------------------------------------------------------


def test_rename_changes_the_store_and_one_cell(plant):
    said = done("rename", "FIC101.PV", "FIC1101.PV", "--reason", "drawing 4711", "--who", "ann")
    assert "tags.csv:2: FIC101.PV is now FIC1101.PV" in said
    assert (plant / "tags.csv").read_bytes() == TAGS.replace("FIC101.PV", "FIC1101.PV", 1).encode()
    assert audit(plant) == [("ann", "tag renamed", "FIC101.PV", "FIC101.PV", "FIC1101.PV", "drawing 4711")]
    configuration = load_configuration(plant / "historian.toml")
    with closing(Store.open(plant / "store")) as store:
        assert store.register_tags(configuration.tags, T0_US + 1, "test")["FIC1101.PV"] == 1
    with historian.open("store") as opened:
        assert opened.history("FIC1101.PV").column("value").to_pylist() == [50.0]


def test_rename_after_the_list_was_changed_by_hand(plant):
    write(plant, tags=TAGS.replace("FIC101.PV", "FIC1.PV"))
    assert "has the name FIC1.PV already" in done("rename", "FIC101.PV", "FIC1.PV", "--reason", "why")
    assert names(plant) == ["FIC1.PV", "XV101.OPEN", "TIC205.PV"]


def test_rename_in_the_store_only(plant):
    done("rename", "FIC101.PV", "FIC1.PV", "--reason", "why", "--store-only")
    assert (plant / "tags.csv").read_text() == TAGS
    assert "FIC1.PV" in names(plant)


def test_rename_before_anything_was_collected(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "there is no store" in done("rename", "FIC101.PV", "FIC1.PV", "--reason", "why")
    assert "FIC1.PV,boiler" in (tmp_path / "tags.csv").read_text()
    refused(StoreNotFoundError, "rename", "FIC1.PV", "A", "--reason", "why", "--store-only")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FIC101.PV", "XV101.OPEN", "has a tag 'XV101.OPEN' already"),
        ("FIC101.PV", "historian.x", "does not begin with historian."),
        ("FIC101.PV", "#x", "does not begin with #"),
        ("FIC101.PV", "FIC101.PV", "the new name is the old one"),
        ("NONE", "X", "no tag list of historian.toml has it"),
    ],
)
def test_rename_refuses_and_changes_nothing(plant, old, new, said):
    assert said in refused(UsageError, "rename", old, new, "--reason", "why")
    assert (plant / "tags.csv").read_text() == TAGS
    assert audit(plant) == []


def test_a_name_that_only_the_store_has_taken_leaves_the_list_alone(plant):
    write(plant, tags=TAGS.replace("XV101.OPEN", "XV9.OPEN"))
    before = (plant / "tags.csv").read_text()
    assert "two tags are never made one" in refused(UsageError, "rename", "FIC101.PV", "XV101.OPEN", "--reason", "why")
    assert (plant / "tags.csv").read_text() == before
    assert list(plant.glob(".*")) == []


# Export and import ---------------------------------------------------------------------------------------------------


def test_an_export_changes_nothing_when_it_comes_back(plant):
    done("export", "--output", "all.csv")
    assert "0 to change, 0 new, 3 as they are" in done("import", "all.csv", "--reason", "why")
    assert (plant / "tags.csv").read_text() == TAGS


def test_an_export_of_the_store_is_the_same_configuration(plant):
    before = load_configuration(plant / "historian.toml").tags
    done("export", "--store", "store", "--output", "tags.csv")
    assert load_configuration(plant / "historian.toml").tags == before


def test_import_shows_the_difference_and_makes_it(plant):
    (plant / "new.csv").write_text("tag,high,units\nFIC101.PV,150,m3/h\nXV101.OPEN,,\n")
    shown = done("import", "new.csv", "--dry-run")
    assert re.search(r"^tags.csv:2 +FIC101.PV +high +120 +150$", shown, re.MULTILINE)
    assert "1 to change, 0 new, 1 as they are; 1 tag of the lists not in the file, left alone" in shown
    assert (plant / "tags.csv").read_text() == TAGS
    assert audit(plant) == []
    done("import", "new.csv", "--reason", "new range", "--who", "ann")
    assert (plant / "tags.csv").read_text() == TAGS.replace(",0,120,", ",0,150,")
    assert audit(plant) == [("ann", "tag list changed", "FIC101.PV", '{"high": "120"}', '{"high": "150"}', "new range")]


def test_new_tags_go_to_the_end_of_the_last_list(plant):
    (plant / "more.csv").write_text(f"{HEADER}\n{row(tag='OLD')}\n")
    write(plant, SETTINGS.replace('["tags.csv"]', '["tags.csv", "more.csv"]'))
    (plant / "new.csv").write_text(
        "tag,source,address,scan_class\nNEW,boiler,hr:7,fast\nFIC101.PV,boiler,hr:200,fast\n"
    )
    done("import", "new.csv", "--reason", "why")
    assert (plant / "tags.csv").read_text() == TAGS.replace("hr:100", "hr:200")
    assert (plant / "more.csv").read_text().splitlines()[-1].startswith("NEW,boiler,hr:7,,fast,")
    assert [tag.name for tag in load_configuration(plant / "historian.toml").tags][-2:] == ["OLD", "NEW"]


def test_import_is_all_or_nothing(plant):
    (plant / "new.csv").write_text("tag,high,scale\nFIC101.PV,150,1\nTIC205.PV,-5,0\n")
    said = refused(UsageError, "import", "new.csv", "--reason", "why")
    assert "tags.csv:4 low" in said
    assert "tags.csv:4 scale" in said
    assert (plant / "tags.csv").read_text() == TAGS
    assert list(plant.glob(".*")) == []


def test_import_of_a_wrong_file(plant):
    (plant / "new.csv").write_text("tag,high\nFIC101.PV,150\nFIC101.PV,160\n")
    assert "each name once, line 2 has it" in refused(UsageError, "import", "new.csv", "--dry-run")
    (plant / "new.csv").write_text("tagg,high\n")
    assert "did you mean 'tag'?" in refused(UsageError, "import", "new.csv", "--dry-run")
    assert '--reason "why"' in refused(UsageError, "import", "new.csv")


def test_the_mark_and_the_mode_of_a_list_stay(plant):
    path = plant / "tags.csv"
    path.write_bytes(b"\xef\xbb\xbf" + TAGS.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    done("rename", "FIC101.PV", "FIC1.PV", "--reason", "why")
    assert path.read_bytes() == b"\xef\xbb\xbf" + TAGS.replace("\n", "\r\n").replace("FIC101", "FIC1", 1).encode()
    assert path.stat().st_mode & 0o777 == 0o640


# The way back to cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.1, "0.1"), (120.0, "120"), (-0.0, "-0"), (1e300, "1e+300")])
def test_numbers(value, text):
    assert number_cell(value) == text


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [(None, ""), (0, ""), (28_800_000_000, "8h"), (1_500_000, "1500ms"), (1_234_567, "1234.567ms"), (1, "0.001ms")],
)
def test_durations(duration_us, text):
    assert duration_cell(duration_us) == text


@pytest.mark.parametrize(
    ("texts", "cell"),
    [({0: "closed", 1: "open"}, "closed|open"), ({1: "a", 5: "b"}, "1=a|5=b"), ({0: "0=x", 1: "y"}, "0=0=x|1=y")],
)
def test_enumerations(texts, cell):
    assert enumeration_cell(json.dumps(texts)) == cell


def test_all_cells_of_a_tag(plant):
    with StoreReader.open(plant / "store") as reader:
        cells = cells_of(reader.tags().to_pylist()[0])
    assert {column: text for column, text in cells.items() if text} == {
        "tag": "FIC101.PV", "source": "boiler", "address": "hr:100", "type": "float32:CDAB", "scan_class": "fast",
        "units": "m3/h", "description": "feed flow", "low": "0", "high": "120", "exc_dev": "0.12", "comp_dev": "0.25",
        "comp_max": "8h",
    }  # fmt: skip


# Beside the commands -------------------------------------------------------------------------------------------------


def test_check_suggests_a_rename_and_guesses_nothing(plant):
    write(plant, tags=TAGS.replace("FIC101.PV", "FIC1.PV"))
    [note] = notes(load_configuration(plant / "historian.toml"))
    assert "historian tags rename FIC101.PV FIC1.PV" in note
    with closing(Store.open(plant / "store")) as store:
        assert store.register_tags(load_configuration(plant / "historian.toml").tags, T0_US, "test")["FIC1.PV"] == 4


def test_check_is_silent_about_tags_that_are_only_new_or_gone(plant):
    write(
        plant,
        tags=f"{HEADER}\n{row(tag='NEW', address='hr:900')}\n{row(tag='TIC205.PV', source='mixer', address='i=5')}\n",
    )
    assert [note for note in notes(load_configuration(plant / "historian.toml")) if "rename" in note] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described(name):
    page = markdown.ROOT / "docs" / "reference" / "commands.md"
    described = markdown.section(page, "tags")
    shared = page.read_text(encoding="utf-8").partition("\n## ")[0]
    found = command.get_command(click.Context(command), "tags")
    assert isinstance(found, click.Group)
    sub = found.get_command(click.Context(found), name)
    assert sub is not None
    options = [option for parameter in sub.params for option in parameter.opts if option.startswith("--")]
    assert f"tags {name}" in described
    assert [option for option in options if option not in described + shared] == []


def test_a_list_that_somebody_changed_meanwhile_is_not_overwritten(plant):
    lists = read_lists(plant / "historian.toml")
    path = lists[0].path
    path.write_text(TAGS + "# mine\n")
    with pytest.raises(UsageError, match="somebody changed it meanwhile"):
        replace_lists(lists, {path: "tag\n"}, lambda: pytest.fail("nothing is done in the store"))
    assert path.read_text() == TAGS + "# mine\n"


def test_lists_are_put_back_when_one_cannot_be_written(plant, monkeypatch):
    (plant / "more.csv").write_text(f"{HEADER}\n{row(tag='OLD')}\n")
    lists = read_lists(write(plant, SETTINGS.replace('["tags.csv"]', '["tags.csv", "more.csv"]')))
    before = [each.path.read_bytes() for each in lists]
    replace = Path.replace

    def fails_for_more(self, target):
        if Path(target).name == "more.csv":
            raise PermissionError(13, "Permission denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_for_more)
    with pytest.raises(HistorianError, match=r"more.csv: Permission denied; all lists are as they were"):
        replace_lists(lists, {each.path: each.text + "# new\n" for each in lists}, lambda: None)
    assert [each.path.read_bytes() for each in lists] == before
    assert list(plant.glob(".*")) == []
