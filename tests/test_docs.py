"""The documentation keeps its word: nothing users can type or read is missing from it, every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, historian
from historian.config import schema
from historian.config.tag_columns import COLUMNS
from support import markdown
from support.markdown import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGES = [page.relative_to(ROOT).as_posix() for page in markdown.pages()]


def command(name: str) -> click.Command:
    found = historian.get_command(click.Context(historian), name)
    assert found is not None
    return found


def code_words(text: str) -> set[str]:
    """Everything that stands in back-quotes, and its first word: ``--seconds N`` also as ``--seconds``."""
    quoted = re.findall(r"`([^`\n]+)`", text)
    return {word for code in quoted for part in re.split(r"[,/|]\s*", code) for word in (part, part.split()[0])}


# What users type -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_its_options_are_described(name):
    page = REFERENCE / "commands.md"
    described = markdown.section(page, name)
    assert described, f"commands.md has no section for {name}"
    shared = page.read_text(encoding="utf-8")[: min(_sections_start(page))]
    words = code_words(described) | code_words(shared) | set(re.findall(r"--[\w-]+", described + shared))
    options = [option for parameter in command(name).params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option not in words] == []


def _sections_start(page: Path) -> list[int]:
    text = page.read_text(encoding="utf-8")
    return [text.index(section) for name in COMMANDS if (section := markdown.section(page, name))]


@pytest.mark.parametrize("section", schema.Section.__subclasses__(), ids=lambda section: section.__name__)
def test_configuration_keys_are_described(section):
    words = code_words((REFERENCE / "configuration.md").read_text(encoding="utf-8"))
    joined = " ".join(words)
    assert [key for key in section.model_fields if not re.search(rf"\b{key}\b", joined)] == []


def test_columns_of_tag_lists_are_described():
    words = code_words((REFERENCE / "configuration.md").read_text(encoding="utf-8"))
    assert [column for column in COLUMNS if column not in words] == []


# Pages and links -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    broken = []
    for file, anchor in markdown.links(ROOT / page):
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        if not target.exists() or (anchor and anchor not in markdown.anchors(target)):
            broken.append(f"{file}#{anchor}" if anchor else file)
    assert broken == []


def test_every_page_is_reached_from_the_index():
    seen: set[Path] = set()
    ahead = [ROOT / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        ahead += [(page.parent / file).resolve() for file, _ in markdown.links(page) if file]
    lost = [page for page in PAGES if page.startswith("docs/") and ROOT / page not in seen]
    assert lost == []


def test_decisions_have_a_number_of_their_own_and_a_status():
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert sorted(set(numbers)) == sorted(numbers)
    without = [
        page.name
        for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")
        if not re.search(r"^(Status|\*\*Status)", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert without == []


# Words ---------------------------------------------------------------------------------------------------------------

STRAY = {
    "the number of an issue": r"\bissues?\s+#?\d",
    "a path of one machine": r"(?<![\w.])/(?:work|root|home/\w+)/",
    "a package index's host": r"\b(?:pypi|npmjs|pythonhosted|debian)\.(?:org|com|net)\b",
    "a note to do something later": r"\b(?:TODO|FIXME|XXX)\b",
}
"""What has no place in the tree.  (PATTERNS.md may say that notes are not left, and this file what they are.)"""


def tracked_texts() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a clone: git tells which files belong to the project")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    binary = {".parquet", ".sqlite", ".arrow", ".png"}
    return [path for path in paths if path.is_file() and path.suffix not in binary]


@pytest.mark.parametrize("what", STRAY)
def test_nothing_strays_into_the_tree(what):
    pattern = re.compile(STRAY[what])
    exempt = {Path(__file__), ROOT / "docs" / "PATTERNS.md"}
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_texts()
        if path not in exempt
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
