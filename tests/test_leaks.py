"""The fixture that fails leaking tests does fail them: each kind of leak, in a test run of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

INNER = """
import asyncio, subprocess, sys, threading

async def test_task():
    test_task.task = asyncio.ensure_future(asyncio.Event().wait())

def test_thread():
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()

def test_process():
    test_process.child = subprocess.Popen([sys.executable, "-c", "input()  # forgotten"], stdin=subprocess.PIPE)

async def test_tidy():
    threading.Thread(target=print).start()
    subprocess.run([sys.executable, "-c", ""], check=True)
    await asyncio.create_task(asyncio.sleep(0))
    await asyncio.to_thread(print)
"""

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
addopts = --import-mode=importlib -p no:cacheprovider -p no:xdist -rA
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> list[str]:
    """The summary lines of a run of leaking tests under our conftest, with less patience than there."""
    folder = tmp_path_factory.mktemp("leaks")
    shutil.copytree(TESTS / "support", folder / "support")
    shutil.copy(TESTS / "conftest.py", folder)
    patient = (TESTS / "support" / "leaks.py").read_text()
    hasty = patient.replace("GRACE_S = 2.0", "GRACE_S = 0.3")
    assert hasty != patient
    (folder / "support" / "leaks.py").write_text(hasty)
    (folder / "test_inner.py").write_text(INNER)
    (folder / "pytest.ini").write_text(SETTINGS)
    line = [sys.executable, "-m", "pytest", str(folder)]
    wide = os.environ | {"COLUMNS": "1000"}  # or the summary is cut
    result = subprocess.run(line, cwd=folder, env=wide, capture_output=True, text=True, timeout=50, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    return [line for line in result.stdout.splitlines() if "test_inner.py::" in line]


@pytest.mark.parametrize(
    ("test", "said"), [("task", "(Event.wait)"), ("thread", "thread forgotten"), ("process", "# forgotten")]
)
def test_leak_is_named_and_fails(report, test, said):
    if test == "process" and sys.platform != "linux":
        pytest.skip("only Linux tells which processes somebody started without multiprocessing")
    errors = [line for line in report if line.startswith("ERROR") and f"::test_{test} " in line]
    assert len(errors) == 1
    assert said in errors[0]


def test_tidy_test_passes(report):
    assert [line for line in report if "test_tidy" in line] == ["PASSED test_inner.py::test_tidy"]
