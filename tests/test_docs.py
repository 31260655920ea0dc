"""The documentation keeps its word: nothing users can type or read is missing from it, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import duckdb
import pytest

import historian as historian_package
from cli.main import COMMANDS, historian
from historian.config import schema
from historian.config.load import load_configuration
from historian.config.tag_columns import COLUMNS
from historian.retrieval.connection import connect
from historian.retrieval.functions.bind import Answered
from historian.retrieval.functions.catalogue import FUNCTIONS
from historian.retrieval.query import ask
from historian.retrieval.views import view_names
from storage.reader import StoreReader, StoreSnapshot
from storage.store import Store
from support import markdown
from support.fake_clock import START_US
from support.markdown import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGES = [page.relative_to(ROOT).as_posix() for page in markdown.pages()]


def command(name: str) -> click.Command:
    found = historian.get_command(click.Context(historian), name)
    assert found is not None
    return found


def code_words(text: str) -> set[str]:
    """All that stands in back-quotes, its parts, and their first words: ``--seconds N`` also as ``--seconds``."""
    parts = {part for code in re.findall(r"`([^`\n]+)`", text) for part in (code, *re.split(r"[,/|]\s*", code))}
    return {word for part in parts if part.split() for word in (part, part.split()[0])}


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


# What the pages show -------------------------------------------------------------------------------------------------

SHELLS = ("sh", "bash", "shell", "console", "bat")


def shown_commands(page: str) -> list[list[str]]:
    """The arguments of every ``historian`` in the shell blocks of a page."""
    blocks = (block.text for block in markdown.blocks(ROOT / page) if block.language in SHELLS)
    lines = [words for text in blocks for words in _split_lines(text.replace("\\\n", " "))]
    return [_until_redirected(words[place + 1 :]) for words in lines if (place := _historian_at(words)) is not None]


def _split_lines(text: str) -> Iterator[list[str]]:
    """The words of each line as a shell splits them; quotes may go over several lines."""
    line = ""
    for part in text.splitlines():
        line += part.removeprefix("$ ") + "\n"
        try:
            yield shlex.split(line, comments=True, posix="C:\\" not in line)
        except ValueError:  # a quote that is still open
            continue
        line = ""
    assert not line, f"a quote is never closed: {line}"


def _historian_at(words: list[str]) -> int | None:
    """Where a command begins, and None in lines that only name a folder or a service so."""
    for place, word in enumerate(words[:-1]):
        if Path(word).name == "historian" and words[place + 1] in COMMANDS:
            return place
    return None


def _until_redirected(words: list[str]) -> list[str]:
    ends = [place for place, word in enumerate(words) if word in {"|", ">", "&&", "&", ";"}]
    return words[: ends[0]] if ends else words


PAGES_WITH_COMMANDS = [page for page in PAGES if shown_commands(page)]
PAGES_WITH_CONFIGURATION = ["README.md", "docs/how-to/first-plant.md"]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
def test_commands_shown_can_be_typed(page):
    for name, *arguments in shown_commands(page):
        command(name).make_context(name, arguments)


def configuration_shown(page: str, folder: Path) -> Path:
    """The first whole configuration of a page, written into ``folder``."""
    blocks = markdown.blocks(ROOT / page)
    toml = next(block.text for block in blocks if block.language == "toml" and "tag_files" in block.text)
    tags = next(block.text for block in blocks if block.language == "csv")
    (folder / "historian.toml").write_text(toml, encoding="utf-8")
    (folder / "tags.csv").write_text(tags, encoding="utf-8")
    return folder / "historian.toml"


@pytest.mark.parametrize("page", PAGES_WITH_CONFIGURATION)
def test_configuration_shown_checks(tmp_path, page):
    assert load_configuration(configuration_shown(page, tmp_path)).tags


@pytest.fixture(scope="module")
def plant(tmp_path_factory) -> Path:
    """A folder with the README's configuration and a store that has its tags and no samples."""
    folder = tmp_path_factory.mktemp("docs")
    configuration = load_configuration(configuration_shown("README.md", folder))
    with closing(Store.open(folder / "store", create=True)) as store:
        store.register_tags(configuration.tags, START_US, "test")
    return folder


@pytest.fixture
def snapshot(plant) -> StoreSnapshot:
    with closing(StoreReader.open(plant / "store")) as reader:
        return reader.snapshot()


def queries_shown(page: str) -> list[str]:
    """Every SELECT in the blocks of a page and in its ``historian sql`` lines."""
    texts = [one.query for text in markdown.texts(ROOT / page, "sql") for one in duckdb.extract_statements(text)]
    for name, *arguments in shown_commands(page):
        if name == "sql":
            texts.append(command(name).make_context(name, arguments).params["query"])
    return [text for text in texts if text not in (None, "-")]  # what comes from a file or a pipe is not on the page


@pytest.mark.parametrize("page", [page for page in PAGES if queries_shown(page)])
def test_queries_shown_run(plant, page):
    with closing(StoreReader.open(plant / "store")) as reader:
        snapshot = reader.snapshot()
        with closing(connect(snapshot, answered=Answered(snapshot, "UTC", reader.tag_versions))) as connection:
            for query in queries_shown(page):
                ask(connection, query).table()


@pytest.mark.parametrize("view", list(view_names()))
def test_views_and_their_columns_are_described(snapshot, view):
    described = markdown.section(REFERENCE / "sql.md", view)
    assert described, f"sql.md has no section for {view}"
    with closing(connect(snapshot)) as connection:
        columns = ask(connection, f"from {view}").schema.names
    assert [column for column in columns if column not in code_words(described)] == []


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_table_functions_are_described(function):
    described = markdown.section(REFERENCE / "functions.md", function.name)
    assert described, f"functions.md has no section for {function.name}"
    words = set(re.findall(r"\w+", described))
    columns = words | _columns_like(described)
    assert [parameter.name for parameter in function.parameters if parameter.name not in words] == []
    assert [name for name in function.columns.names if name not in columns] == []


def _columns_like(described: str) -> set[str]:
    """The columns of another function that a section says it has."""
    named = re.search(r"Columns as `(\w+)`", described)
    alike = [each for each in FUNCTIONS if named is not None and each.name == named[1]]
    return {name for each in alike for name in each.columns.names}


def test_public_names_of_python_are_described():
    methods = [name for name in vars(historian_package.Historian) if not name.startswith("_")]
    described = " ".join(code_words((REFERENCE / "python.md").read_text(encoding="utf-8")))
    names = [*historian_package.__all__, *methods]
    assert [name for name in names if not re.search(rf"\b{name}\b", described)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if markdown.texts(ROOT / page, "python")])
def test_python_shown_runs(plant, monkeypatch, page):
    monkeypatch.chdir(plant)
    for text in markdown.texts(ROOT / page, "python"):
        if "import historian" in text:
            exec(compile(text, page, "exec"), {})  # noqa: S102 - the page is ours, and running it is the point


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
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]  # as git knows texts


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
