"""House rules that no linter knows: sizes of functions and files, layers that cover every package."""

from __future__ import annotations

import ast
import statistics
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("historian", "collectors", "storage", "cli")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def lengths_of_functions() -> list[int]:
    return [
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_functions_are_short():
    lengths = lengths_of_functions()
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 35


@pytest.mark.parametrize("folder", [*PACKAGES, "tests", "benchmarks"])
def test_files_are_cut_before_they_are_long(folder):
    # status_codes.py is a table of the standard, one code a line.
    files = (path for path in (ROOT / folder).rglob("*.py") if path.name != "status_codes.py")
    long = {path.name: lines for path in files if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500}
    assert not long


def test_tests_are_no_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_part_of_historian_has_its_layer():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = " ".join(settings["contracts"][0]["layers"]).replace("(", "").replace(")", "").replace("|", "").split()
    inside = (path for path in (ROOT / "historian").iterdir() if path.is_dir() or path.suffix == ".py")
    parts = {f"historian.{path.stem}" for path in inside if not path.stem.startswith("__")}
    assert parts - set(layers) == set()
