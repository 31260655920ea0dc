"""The fixture that fails leaking tests does fail them: each kind of leak, in a test run of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

LEAKS = {
    "task": """
        import asyncio

        async def test_leaks():
            test_leaks.task = asyncio.ensure_future(asyncio.Event().wait())
        """,
    "thread": """
        import threading

        def test_leaks():
            threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()
        """,
    "process": """
        import subprocess, sys

        def test_leaks():
            line = [sys.executable, "-c", "input()  # forgotten"]
            test_leaks.child = subprocess.Popen(line, stdin=subprocess.PIPE)
        """,
    "nothing": """
        import asyncio, subprocess, sys, threading

        async def test_leaks_nothing():
            threading.Thread(target=print).start()
            subprocess.run([sys.executable, "-c", ""], check=True)
            await asyncio.create_task(asyncio.sleep(0))
            await asyncio.to_thread(print)
        """,
}


def run(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(TESTS / "conftest.py", folder)
    shutil.copytree(TESTS / "support", folder / "support")
    lines = [line.removeprefix(" " * 8) for line in body.splitlines()]
    (folder / "test_inner.py").write_text("\n".join(lines) + "\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\npythonpath = .\naddopts = --import-mode=importlib\n"
    )
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("task", "tasks left running"), ("thread", "thread forgotten"), ("process", "# forgotten")],
)
def test_leak_is_named_and_fails(tmp_path, kind, said):
    if kind == "process" and sys.platform != "linux":
        pytest.skip("only Linux tells which processes somebody started without multiprocessing")
    result = run(tmp_path, LEAKS[kind])
    assert result.returncode == 1
    assert "left running" in result.stdout
    assert said in result.stdout


def test_tidy_test_passes(tmp_path):
    result = run(tmp_path, LEAKS["nothing"])
    assert result.returncode == 0, result.stdout
