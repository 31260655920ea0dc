"""The real command line in processes of its own, as a user runs it; bounded in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import historian as plant_historian
from historian.errors import StoreNotFoundError
from storage.reader import StoreReader

COMMAND = (sys.executable, "-P", "-m", "cli")
WAIT_S = 30.0
"""How long a condition may take on a busy machine before the test fails."""


def historian(*arguments: str | Path, folder: Path, timeout_s: float = WAIT_S) -> subprocess.CompletedProcess[str]:
    """Run one command in ``folder`` to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def rows(query: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of a query, asked from this process: what ``historian sql`` answers, without its start-up time."""
    with plant_historian.open(folder / "store") as store:
        return store.sql(query).to_pylist()


def rows_if_any(query: str, folder: Path) -> list[dict[str, Any]]:
    """The same, but no rows as long as the store is still being made."""
    try:
        return rows(query, folder)
    except StoreNotFoundError:
        return []


def health(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures of the last commit; nothing as long as the store is still being made."""
    try:
        with StoreReader.open(folder / "store") as reader:
            return reader.health()
    except StoreNotFoundError:
        return {}


def rows_by_command(query: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of a query through ``historian sql``; fails with what it wrote to stderr."""
    done = historian("sql", "--format", "json", query, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def status(folder: Path) -> dict[str, Any]:
    """``historian status --format json``."""
    done = historian("status", "--format", "json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def eventually(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> Any:
    """The first true result of ``condition``; fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (result := _asked(condition)):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain until {what}")
    return result


def _asked(condition: Callable[[], object]) -> object:
    """What the condition says; then a pause as long as it took, so that asking leaves a processor to who is asked."""
    begun_s = time.monotonic()
    result = condition()
    if not result:
        time.sleep(max(0.05, time.monotonic() - begun_s))
    return result


class Collecting:
    """``historian collect`` in a process of its own; ended by force, if the test did not end it."""

    def __init__(
        self, folder: Path, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [*COMMAND, "collect", *arguments],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stderr=self._errors,
        )  # fmt: skip

    def wait_until_connected(self) -> None:
        """Return when every source has answered and something is in the store."""

        def connected() -> bool:
            self.assert_running()
            figures = health(self.folder)
            if figures.get("process", {}).get("pid") != self.process.pid:
                return False  # what another run left
            states = [each["state"] for name, each in figures.items() if name.startswith("source/")]
            return bool(states) and set(states) == {"connected"}

        eventually(connected, "all sources are connected")

    def assert_running(self) -> None:
        """Fail with what it said, when it has ended."""
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        """What it wrote to stderr so far."""
        self._errors.seek(0)
        return self._errors.read()

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = WAIT_S) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
        self._errors.close()


def pause(pid: int) -> None:
    """Stop a process as if it hung."""
    os.kill(pid, signal.SIGSTOP)


def resume(pid: int) -> None:
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)
