"""``historian init``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.check import check
from cli.init import init
from historian.config.load import load_configuration
from historian.errors import HistorianError, UsageError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``init`` in an empty folder; errors come as they are raised."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(init, arguments)
        if isinstance(result.exception, HistorianError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def test_what_it_writes_checks(run):
    run()
    assert load_configuration(Path("historian.toml")).tags
    result = CliRunner().invoke(check, [], env={"HISTORIAN_CONFIG": None})
    assert result.exit_code == 0
    assert "3 tags" in result.stdout


def test_it_says_what_to_do_next(run):
    said = run("plant")
    for command in ("check", "check --connect", "collect"):
        assert f"historian {command} --config {Path('plant') / 'historian.toml'}" in said


def test_it_makes_the_folder(run):
    run("a/b")
    assert sorted(path.name for path in Path("a/b").iterdir()) == ["historian.toml", "tags.csv"]


@pytest.mark.parametrize("there", ["historian.toml", "tags.csv"])
def test_it_does_not_overwrite(run, there):
    Path(there).write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{there}.*--force"):
        run()
    assert [path.read_text(encoding="utf-8") for path in Path().iterdir()] == ["mine"]


def test_it_overwrites_when_told_to(run):
    Path("tags.csv").write_text("mine", encoding="utf-8")
    run("--force")
    assert len(load_configuration(Path("historian.toml")).tags) == 3


def test_a_place_that_cannot_be_written(run):
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(HistorianError, match="cannot write into file: it is a file, wanted a folder"):
        run("file")
