"""Three descriptions of the configuration agree: the schema, the reference for users, and what ``init`` writes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from historian.config import schema
from historian.config.byte_size import parse_byte_size
from historian.config.document import read_toml
from historian.config.duration import parse_duration
from historian.config.load import load_configuration
from historian.config.tag_columns import COLUMNS, REQUIRED
from historian.config.template import CONFIGURATION, TAG_LIST
from historian.errors import UnusableValueError
from support import markdown
from support.markdown import ROOT
from support.plant_files import write

PAGE = ROOT / "docs" / "reference" / "configuration.md"

SECTIONS = {
    schema.Root: "Top level",
    schema.StoreSection: "[store]",
    schema.ScanClassSection: "[scan_classes.NAME]",
    schema.ModbusSection: '[sources.NAME] with protocol = "modbus"',
    schema.OpcUaSection: '[sources.NAME] with protocol = "opcua"',
    schema.DefaultsSection: "[defaults]",
    schema.LimitsSection: "[limits]",
    schema.CompactionSection: "[compaction]",
    schema.RetentionSection: "[retention]",
    schema.RetentionGroupSection: "[retention.groups.NAME]",
    schema.ThinningSection: "[retention.thinning]",
    schema.ShadowSection: "[shadow]",
    schema.HealthSection: "[health]",
}

WHOLE_SECTIONS = {
    "store", "scan_classes", "sources", "defaults", "limits", "compaction", "retention", "shadow", "health",
}  # fmt: skip


def table(title: str) -> dict[str, list[str]]:
    """The cells of each line of the first table under a heading, by the name in its first cell."""
    text = PAGE.read_text(encoding="utf-8").split(f"# {title}\n", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def meaning(text: str) -> object:
    """What a default of the reference or of the example means."""
    for read in (parse_duration, parse_byte_size, int):
        try:
            return read(text)
        except (UnusableValueError, ValueError):
            continue
    return {"none": None, "true": True, "True": True, "false": False, "False": False}.get(text, text)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_has_every_key_and_no_other(section):
    assert list(table(SECTIONS[section])) == list(section.model_fields)


@pytest.mark.parametrize("section", list(SECTIONS)[1:])
def test_the_reference_gives_the_defaults(section):
    for key, cells in table(SECTIONS[section]).items():
        field = section.model_fields[key]
        if field.is_required():
            assert cells[1] == "required"
        elif cells[1] == "`0s`":
            assert field.default in (0, None)  # [defaults] leaves it to the column, whose default it is
        else:
            assert meaning(cells[1].strip("`")) == field.default


def test_no_section_is_left_out():
    assert set(SECTIONS) == set(schema.Section.__subclasses__())


def test_the_reference_has_every_column_and_no_other():
    described = table("Tag lists")
    assert tuple(described) == COLUMNS
    assert tuple(column for column, cells in described.items() if cells[1] == "not allowed") == REQUIRED


def test_the_configuration_of_the_reference_is_right(tmp_path):
    blocks = markdown.blocks(PAGE)
    settings = next(block.text for block in blocks if block.language == "toml")
    tags = next(block.text for block in blocks if block.language == "csv")
    assert len(load_configuration(write(tmp_path, settings, tags)).tags) == 3


# The example ----------------------------------------------------------------------------------------------------------


def options() -> Iterator[tuple[str, str, str, bool]]:
    """Section, key, value and whether it is a comment, of every option in the example."""
    section = ""
    for line in CONFIGURATION.splitlines():
        if header := re.match(r"(?:# )?\[([\w.]+)\]", line):
            section = header[1]
        elif option := re.match(r"(# )?([a-z_]+) = (\S+|\[.*?\])", line):
            yield section, option[2], option[3], bool(option[1])


def section_of(name: str) -> type[schema.Section]:
    data = tomllib.loads(CONFIGURATION)
    if name.startswith("sources."):
        modbus = data["sources"][name.removeprefix("sources.")]["protocol"] == "modbus"
        return schema.ModbusSection if modbus else schema.OpcUaSection
    sections = {
        "store": schema.StoreSection, "defaults": schema.DefaultsSection, "limits": schema.LimitsSection,
        "compaction": schema.CompactionSection, "retention": schema.RetentionSection,
        "retention.groups.flows": schema.RetentionGroupSection, "retention.thinning": schema.ThinningSection,
        "shadow": schema.ShadowSection, "health": schema.HealthSection,
    }  # fmt: skip
    return sections.get(name, schema.ScanClassSection if name else schema.Root)


def test_the_example_is_right(tmp_path):
    configuration = load_configuration(write(tmp_path, CONFIGURATION, TAG_LIST))
    assert [tag.name for tag in configuration.tags] == ["FIC101.PV", "XV101.OPEN", "TIC205.PV"]


def test_the_example_shows_every_option():
    shown = {(section_of(section), key) for section, key, _, _ in options()}
    wanted = {(section, key) for section in SECTIONS for key in section.model_fields}
    sections = {(schema.RetentionSection, "groups"), (schema.RetentionSection, "thinning")}
    assert wanted - shown == sections | {(schema.Root, key) for key in WHOLE_SECTIONS}
    assert shown - wanted == set()


def test_options_in_comments_have_their_defaults():
    for section, key, value, in_comment in options():
        field = section_of(section).model_fields[key]
        if in_comment and field.default is not None and not field.is_required():
            assert meaning(str(tomllib.loads(f"x = {value}")["x"])) == field.default, key


def test_the_example_is_right_with_all_options_but_one_way_to_log_in(tmp_path):
    text = re.sub(r"^# ([a-z_]+ = |\[)", r"\1", CONFIGURATION, flags=re.MULTILINE)
    only = r"^(password_file|user_certificate|user_private_key|private_key_password_file).*\n"
    text = re.sub(only, "", text, flags=re.MULTILINE).replace("tcp://127.0.0.1:5020", "tls://127.0.0.1:5020")
    path = write(tmp_path, text, TAG_LIST)
    load_configuration(path)
    assert set(read_toml(path).data["defaults"]) == set(schema.DefaultsSection.model_fields)
