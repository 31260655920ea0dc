"""The wheel holds the four packages and nothing else, says what they need, and ``import historian`` stays light."""

from __future__ import annotations

import ast
import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ("historian", "collectors", "storage", "cli")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = ("asyncua", "duckdb", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "pymodbus", "rich")


def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *arguments]
    return subprocess.run(
        line, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    result = python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    assert result.returncode == 0, result.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel, names) -> Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(name))


def in_tree() -> set[str]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_wheel_holds_the_packages_and_nothing_else(names):
    assert {name for name in names if ".dist-info/" not in name} == in_tree()


def test_nothing_strays_into_the_packages():
    strays = {name for name in in_tree() if not name.endswith((".py", "/py.typed"))}
    assert not strays, "a data file is fine when something reads it: name it here"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed(names, package):
    assert f"{package}/py.typed" in names


def test_metadata(metadata):
    assert metadata["Name"] == "plant-historian"
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    needs = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    assert {need for need in needs if "extra" not in str(need.marker)} == set(map(Requirement, PROJECT["dependencies"]))


def test_licence_is_the_whole_text(wheel, names):
    (name,) = (name for name in names if name.endswith("/LICENSE"))
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(name).decode()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_console_script(wheel, names):
    (name,) = (name for name in names if name.endswith("/entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(name).decode().split("\n") == ["[console_scripts]", "historian = cli.start:main", ""]


def test_version_is_the_same_everywhere():
    result = python("-c", "import historian; print(historian.__version__)")
    assert result.stdout.strip() == PROJECT["version"], result.stderr


HEAVY_LOADED = f"import sys; print(sorted(set(sys.modules) & set({HEAVY!r})))"


def test_import_loads_nothing_heavy():
    result = python("-c", f"import historian; {HEAVY_LOADED}")
    assert result.stdout.strip() == "[]", result.stderr


def test_help_loads_nothing_heavy():
    show_help = "from cli.main import historian; historian(['--help'], standalone_mode=False)"
    result = python("-c", f"{show_help}; {HEAVY_LOADED}")
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


@pytest.mark.parametrize("intruder", ["collectors", "storage", "cli"])
def test_intruder_with_the_name_of_a_sibling_is_named(tmp_path, intruder):
    (tmp_path / intruder).mkdir()
    (tmp_path / intruder / "__init__.py").write_text("")
    result = python("-c", "import historian", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode != 0
    assert str(tmp_path / intruder) in result.stderr


def imported_by_the_packages() -> set[str]:
    found: set[str] = set()
    for name in in_tree():
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES)


def test_every_import_is_a_declared_dependency_and_the_other_way_round():
    distributions = packages_distributions()
    # tzdata is data that zoneinfo reads where the system has none.
    # pydantic_core is pydantic's own other half; pydantic pins it to the exact version.
    imported = {distributions[name][0].lower() for name in imported_by_the_packages() - {"pydantic_core"}}
    optional = {Requirement(text).name for group in PROJECT.get("optional-dependencies", {}).values() for text in group}
    declared = {Requirement(text).name for text in PROJECT["dependencies"]} - {"tzdata"}
    assert imported - declared - optional == set()
    assert declared - imported == set()


def test_run_py_can_be_read_by_an_old_python():
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_run_py_wants_the_python_that_the_project_wants():
    found = re.search(r"^OLDEST = \((\d+), (\d+)\)$", (ROOT / "run.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert PROJECT["requires-python"] == f">={found[1]}.{found[2]}"


def test_run_py_explains_itself_without_installing_anything(tmp_path):
    (tmp_path / "run.py").write_bytes((ROOT / "run.py").read_bytes())
    for arguments, code in (["--help"], 0), ([], 2), (["tset"], 2):
        result = python("run.py", *arguments, cwd=tmp_path)
        assert result.returncode == code
        assert "usage: python3 run.py VERB" in result.stdout + result.stderr
    assert not (tmp_path / ".venv").exists()
