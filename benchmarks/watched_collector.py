"""``historian collect`` in a process of its own, watched from outside: its figures now and then, its processor time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endtoend.commandline import Collecting, eventually, health

START_S = 120.0
"""However long a busy machine takes."""

EVERY_S = 5.0

Figures = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known at one moment: ``figures`` of the last commit.

    ``cpu_s`` is what the watched processes have used so far, ``written_bytes`` what the collector has written.
    """

    time_s: float
    figures: Figures
    cpu_s: Sequence[float] = ()
    written_bytes: int = 0

    @property
    def process(self) -> Mapping[str, Any]:
        """Of the process."""
        return self.figures["process"]

    @property
    def sources(self) -> dict[str, Mapping[str, Any]]:
        """By name."""
        prefix = "source/"
        return {name.removeprefix(prefix): each for name, each in self.figures.items() if name.startswith(prefix)}


def watch(collecting: Collecting, seconds: float, pids: Sequence[int] = ()) -> list[Moment]:
    """What was known when each source had been read, and every few seconds after that until ``seconds`` later.

    Processor time is that of the collector, and behind it of each of ``pids``.
    """
    wait_until_scanning(collecting)
    moments = [_moment(collecting, pids)]
    end_s = moments[0].time_s + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        # Nothing to wait for but the time itself: what is measured is how the collector spends it.
        time.sleep(min(EVERY_S, left_s))
        collecting.assert_running()
        moments.append(_moment(collecting, pids))
    return moments


def wait_until_scanning(collecting: Collecting) -> None:
    """Return as soon as the first scan of each source is in the store."""

    def scanning() -> bool:
        collecting.assert_running()
        figures = health(collecting.folder)
        if figures.get("process", {}).get("pid") != collecting.process.pid:
            return False  # what another run left
        return all(each.get("scans") for name, each in figures.items() if name.startswith("source/"))

    eventually(scanning, "every source has been read", START_S)


def end(collecting: Collecting) -> Moment:
    """Stop it in order; what it knew in the end."""
    assert collecting.stop(timeout_s=START_S) == 0, collecting.said()
    return Moment(time.monotonic(), health(collecting.folder))


def _moment(collecting: Collecting, pids: Sequence[int]) -> Moment:
    own = collecting.process.pid
    used_s = [processor_s(pid) for pid in (own, *pids)]
    return Moment(time.monotonic(), health(collecting.folder), used_s, _written(own))


def archive_bytes(store: Path) -> int:
    """The Parquet files of a store."""
    return sum(file.stat().st_size for file in store.rglob("*.parquet"))


def processor_s(pid: int) -> float:
    """Processor time of a process so far; 0 where the system does not tell it cheaply."""
    if sys.platform != "linux":
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(pid: int) -> int:
    """Bytes that a process has written so far; 0 as above."""
    if sys.platform != "linux":
        return 0
    lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])
